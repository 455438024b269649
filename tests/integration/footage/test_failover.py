"""Sources that die and come back, and publishers that come back with something else."""

import asyncio
import re
from pathlib import Path

import aiohttp
import pytest

from tests.support.players import complaints, play, run
from tests.support.streamer import until

from .conftest import FilmStreamer, Launch, Recording, Station, live

SOURCE_TIMEOUT = 3
FRAME_RATE = 25.0


async def shown_input(streamer: FilmStreamer, scheme: str, seconds: float) -> None:
    """Wait until the input of this scheme is the one that is shown."""

    async def active() -> bool:
        stats = (await streamer.stream("film")).get("stats", {})
        return bool(stats.get("alive")) and stats.get("input", {}).get("proto") == scheme

    await until(active, f"the {scheme} input is shown", seconds)


@pytest.mark.parametrize("fault", ["dies", "hangs"])
async def test_the_backup_is_shown_while_the_primary_is_away(
    streamer: FilmStreamer, station: Station, tmp_path: Path, fault: str
) -> None:
    streamer.write(
        f"stream film {{ input tshttp://{station.address}/film.ts;"
        f" input file://vod/bigbuckbunny.mp4; source_timeout {SOURCE_TIMEOUT}; }}\n"
    )
    await streamer.serve()
    await shown_input(streamer, "tshttp", 30)
    path = tmp_path / "seen.ts"
    viewer = Recording(streamer.session, f"{streamer.base}/film/mpegts", path)
    await asyncio.sleep(2)  # of the primary in the recording
    if fault == "dies":
        station.off()
    else:
        station.hang()
        station.on_air = False
    await shown_input(streamer, "file", SOURCE_TIMEOUT + 5)
    await asyncio.sleep(2)  # of the backup
    station.on_air = True
    await shown_input(streamer, "tshttp", 45)
    await asyncio.sleep(2)  # of the primary again
    await viewer.stop()
    seen = await play(str(path), 120)
    assert not complaints(seen, FRAME_RATE, ("video", "audio")), streamer.log


CHANGES = {
    "size": ("testsrc=size=320x240:rate=25", "libx264", "h264,320"),
    "codec": ("testsrc=size=640x360:rate=25", "libx265", "hevc,640"),
}
"""The second publisher's picture, its encoder, and what a viewer must find in the end."""


class HlsViewer:
    """Fetches playlists over and over, and every segment in them once."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url
        self.segments: dict[str, bytes] = {}
        """Initialisation section and bytes of a segment by its name, in order."""

    async def fetch(self, url: str) -> bytes:
        async with self._session.get(url) as answer:
            body = await answer.read()
            assert answer.status == 200, f"{url}: {answer.status} {body[:200]!r}"
            return body

    async def open(self) -> None:
        master = (await self.fetch(self._url)).decode()
        names = [line for line in master.splitlines() if line and not line.startswith("#")]
        self._url = f"{self._url.rpartition('/')[0]}/{names[0]}"

    async def update(self) -> None:
        folder = self._url.rpartition("/")[0]
        head = b""
        for line in (await self.fetch(self._url)).decode().splitlines():
            if found := re.match(r'#EXT-X-MAP:URI="([^"]+)"', line):
                head = await self.fetch(f"{folder}/{found[1]}")
            elif line and not line.startswith("#") and line not in self.segments:
                self.segments[line] = head + await self.fetch(f"{folder}/{line}")


@pytest.mark.parametrize(
    ("playlist", "change"),
    [
        ("index.m3u8", "size"),
        pytest.param("index.m3u8", "codec", marks=pytest.mark.long),
        pytest.param("index.fmp4.m3u8", "codec", marks=pytest.mark.long),
        ("index.ll.m3u8", "codec"),
    ],
)
async def test_hls_goes_on_when_the_publisher_changes(
    streamer: FilmStreamer, launch: Launch, film: Path, tmp_path: Path, playlist: str, change: str
) -> None:
    """The same viewer gets the film, then another picture; each segment can be decoded."""
    streamer.write("stream film { input publish://; segment_duration 1; }\n")
    await streamer.serve()
    url = f"{streamer.base}/film/mpegts"
    first = await launch(*live(film), "-f", "mpegts", "-method", "POST", url)
    await streamer.running("film")
    viewer = HlsViewer(streamer.session, f"{streamer.base}/film/{playlist}")
    await viewer.open()
    await viewer.update()
    before = list(viewer.segments)
    assert before
    first.kill()
    await first.wait()
    source, encoder, expected = CHANGES[change]
    quiet = ("-x265-params", "log-level=none") if encoder == "libx265" else ()
    tone = ("-f", "lavfi", "-i", "sine=r=48000")
    encode = ("-c:v", encoder, "-preset", "ultrafast", "-g", 25, *quiet, "-c:a", "aac")
    second = ("-re", "-f", "lavfi", "-i", source, *tone, *encode)
    sender: list[asyncio.subprocess.Process] = []

    async def more() -> bool:
        """The first attempts may be refused: the server has not noticed yet that one left."""
        if not sender or sender[-1].returncode is not None:
            sender.append(await launch(*second, "-f", "mpegts", "-method", "POST", url))
        await viewer.update()
        return len(viewer.segments) >= len(before) + 4

    await until(more, "segments of the second publisher", 40)
    widths = []
    for number, data in enumerate(viewer.segments.values()):
        path = tmp_path / f"{number}.{'mp4' if playlist != 'index.m3u8' else 'ts'}"
        path.write_bytes(data)
        status, out, err = await run(
            "ffprobe", "-v", "error", "-count_frames", "-select_streams", "v", "-show_entries",
            "stream=width,codec_name,nb_read_frames", "-of", "csv=p=0", str(path),
            seconds=20,
        )  # fmt: skip
        assert (status, err) == (0, ""), f"segment {number}: {err}\n{streamer.log}"
        widths.append(out.split()[0])
    assert widths[0].startswith("h264,1280"), widths
    assert widths[-1].startswith(expected), widths
