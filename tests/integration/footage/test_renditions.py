"""A ladder that FFmpeg publishes, by MPEG-TS and RTMP, chosen from by every protocol."""

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.media_streamer.egress import play_enhanced
from tests.support import rtmp_request
from tests.support.file_server import serving
from tests.support.players import run
from tests.support.ports import free_port
from tests.support.streamer import until

from . import publish_multitrack
from .conftest import FilmStreamer, Launch, live
from .test_webrtc import Watcher

SECOND_VIDEO, SECOND_SOUND = rb"\x96\x00hvc1\x01", rb"\x95\x00Opus\x01"
"""Where their configurations begin: multitrack, one track, a configuration, its codec and number
(Enhanced RTMP v2)."""


@pytest.fixture(scope="module")
def ladder(film: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sizes with key frames at the same pictures, sound in two languages; 5 s."""
    path = tmp_path_factory.mktemp("ladder") / "ladder.ts"
    command = ["ffmpeg", "-v", "error", "-i", str(film), "-t", "5"]
    command += ["-map", "0:v", "-map", "0:v", "-map", "0:a", "-map", "0:a"]
    command += ["-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-sc_threshold", "0"]
    command += ["-filter:v:0", "scale=640:360", "-filter:v:1", "scale=320:180", "-c:a", "aac"]
    command += ["-ac", "2", "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=deu"]
    subprocess.run([*command, str(path)], check=True, timeout=60)
    return path


async def tracks(url: str, *options: str) -> list[str]:
    """Size or language of each track at an address, in order."""
    entries = "stream=codec_type,width,height:stream_tags=language"
    command = ("ffprobe", "-v", "error", *options, "-show_entries", entries, "-of", "json", url)
    code, out, errors = await run(*command, seconds=30)
    assert code == 0, errors
    found = [
        f"{one['width']}x{one['height']}"
        if one["codec_type"] == "video"
        else one.get("tags", {}).get("language", "audio")
        for one in json.loads(out)["streams"]
    ]
    return sorted(found)


async def test_every_protocol_plays_what_is_chosen(
    streamer: FilmStreamer, ladder: Path, launch: Launch, tmp_path: Path
) -> None:
    rtmp, rtsp, srt = streamer.rtmp_port, free_port(), free_port()
    streamer.write(
        f"rtsp 127.0.0.1:{rtsp};\nsrt 127.0.0.1:{srt};\n"
        "stream small { input publish://; segment_duration 1; }\n"
        f"stream film {{ input publish://; segment_duration 1; dvr {tmp_path} 1h;\n"
        "  webrtc_abr start_track=v2;\n"
        f"  push rtmp://127.0.0.1:{rtmp}/static/small tracks=v2a1; }}\n"
    )
    await streamer.serve()
    await launch(*live(ladder), "-map", "0", "-f", "mpegts", f"{streamer.base}/film/mpegts")
    await streamer.running("film")
    assert not (await streamer.stream("film")).get("warnings")
    everything = ["320x180", "640x360", "deu", "eng"]
    assert await tracks(f"{streamer.base}/film/mpegts") == everything
    plain = [
        f"{streamer.base}/film/mpegts?filter.tracks=v2a2",
        f"srt://127.0.0.1:{srt}?streamid=#!::r=film,m=request,tracks=v2a2",
    ]
    for url in plain:
        assert await tracks(url) == ["320x180", "deu"], url
    other = [
        f"rtsp://127.0.0.1:{rtsp}/film?tracks=v2a2",
        f"rtmp://127.0.0.1:{rtmp}/static/film?tracks=v2a2",
        f"{streamer.base}/film.flv?filter.tracks=v2a2",
        f"{streamer.base}/film/index.m3u8?filter.tracks=v2a2",
        f"{streamer.base}/film/index.fmp4.m3u8?filter.tracks=v2a2",
    ]
    for url in other:
        found = await tracks(url)
        assert (len(found), found[0]) == (2, "320x180"), url
    # One video where a protocol has but one: the first.
    assert "640x360" in await tracks(f"rtmp://127.0.0.1:{rtmp}/static/film")
    for query, width in (("", 320), ("?start_track=v1", 640), ("?filter.tracks=v1a1", 640)):
        watcher = Watcher(streamer.session)
        try:
            await watcher.watch(streamer.base, f"/film/whep{query}")
            await watcher.sees("video", 1)
            assert watcher.frames["video"][0].width == width, query
        finally:
            await watcher.close()
    await streamer.running("small")
    archive = f"{streamer.base}/film/rewind-60.m3u8"
    async with streamer.session.get(archive) as answer:
        master = await answer.text()
    assert [f"RESOLUTION={size}" in master for size in ("640x360", "320x180")] == [True, True]
    found = await tracks(f"{archive}?filter.tracks=v2a2")
    assert (len(found), found[0]) == (2, "320x180")
    assert (await tracks(f"{streamer.base}/small/mpegts"))[0] == "320x180"


async def test_a_ladder_is_pushed_as_one(
    streamer: FilmStreamer, ladder: Path, launch: Launch
) -> None:
    """A multivariant playlist, and what it names in folders beside it."""
    async with serving() as files:
        target = f"127.0.0.1:{files.port}/out/index.m3u8"
        streamer.write(
            "stream film { input publish://; segment_duration 1;"
            f" push hls://me:pa55word@{target} retry_timeout=1; }}\n"
        )
        await streamer.serve()
        await launch(*live(ladder), "-map", "0", "-f", "mpegts", f"{streamer.base}/film/mpegts")

        async def is_there() -> bool:
            return b"#EXT-X-STREAM-INF" in files.files.get("/out/index.m3u8", b"")

        await until(is_there, "the multivariant playlist", 60)
        found = await tracks(f"http://{target}")
        assert {"320x180", "640x360"} <= set(found)

        async def has_deleted() -> bool:
            return len({name.split("/")[2] for name in files.deleted}) > 1

        await until(has_deleted, "old segments of all of them go", 60)


def gets_several(port: int, name: str) -> bool:
    """Whether a viewer who takes several tracks is sent a second video and a second sound."""
    seen = b""
    with rtmp_request.play("127.0.0.1", port, "static", name, capsEx=2.0) as sock:
        while not all(re.search(one, seen) for one in (SECOND_VIDEO, SECOND_SOUND)):
            data = sock.recv(65536)
            if not data or len(seen) > 1 << 22:
                return False
            seen += data
    return True


async def test_several_tracks_by_enhanced_rtmp(streamer: FilmStreamer) -> None:
    """As FFmpeg 8 writes and reads them; each is played where it is chosen, and all of them where
    the peer says that it takes several."""
    streamer.write(
        "stream film { input publish://; segment_duration 1;"
        f" push rtmp://127.0.0.1:{streamer.rtmp_port}/static/again retry_timeout=1; }}\n"
        "stream again { input publish://; segment_duration 1; }\n"
    )
    await streamer.serve()
    rtmp = f"rtmp://127.0.0.1:{streamer.rtmp_port}/static/film"
    publisher = await asyncio.create_subprocess_exec(
        sys.executable, publish_multitrack.__file__, rtmp, stderr=asyncio.subprocess.DEVNULL
    )
    try:

        async def codecs(name: str = "film") -> bool:
            stats = (await streamer.stream(name)).get("stats", {})
            found = [one["codec"] for one in stats.get("media_info", {}).get("tracks", [])]
            return sorted(found) == ["aac", "h264", "hevc", "opus"]

        await until(codecs, "all tracks are there", 60)
        await until(lambda: codecs("again"), "all tracks are pushed", 60)
        assert await asyncio.to_thread(gets_several, streamer.rtmp_port, "film")
        for chosen, expected in (("v1a1", "h264 aac"), ("v2a2", "hevc opus"), ("v2a1", "hevc aac")):
            player = (sys.executable, play_enhanced.__file__, f"{rtmp}?tracks={chosen}")
            status, out, err = await run(*player, seconds=60)
            assert status == 0, (chosen, err, streamer.log)
            assert out.split()[:2] == expected.split()
            assert int(out.split()[2]) > 3
    finally:
        publisher.kill()
        await publisher.wait()
