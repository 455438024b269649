"""What a server of files is given of a stream with one video, and of one with several."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from media_streamer.egress.jobs import JobFailed
from media_streamer.egress.served_sessions import Account
from media_streamer.outgoing.target import Target
from media_streamer.presentation.live_track import LiveTrack
from media_streamer.presentation.track_index import Init, Segment, Timing
from media_streamer.protocols.hls.push import HlsPusher

from tests.support.file_server import serving

AUTHORIZATION = {"Authorization": aiohttp.encode_basic_auth("me", "pa55word")}


class Stream:
    """An index whose tracks have segments of a second each, kept for three."""

    def __init__(self, directory: Path, *names: str) -> None:
        self.timing = Timing(segment=1.0, part=0.2)
        self.tracks = {name: LiveTrack(name) for name in names}
        self.msn = 100
        self._directory = directory
        for number, track in enumerate(self.tracks.values()):
            height = 360 >> number
            track.add_init(Init(1, "", "avc1.64001f", 2 * height, height, 25.0, 500_000 >> number))

    def segment(self) -> None:
        for name, track in self.tracks.items():
            path = self._directory / f"{name}-{self.msn}"
            path.write_bytes(f"{name} {self.msn}".encode())
            track.add_segment(
                Segment(self.msn, 1000 * self.msn, 1.0, str(path), 9, False, 1, 400_000)
            )
            track.drop(self.msn - 3)
        self.msn += 1


@pytest.fixture
def work() -> Any:
    counted: dict[str, int] = {}

    def count(name: str) -> None:
        counted[name] = counted.get(name, 0) + 1

    return SimpleNamespace(account=Account(), count=count, counted=counted)


def named(playlist: bytes) -> list[str]:
    return [line for line in playlist.decode().splitlines() if line and not line.startswith("#")]


@pytest.mark.parametrize("names", [("v1a1",), ("v1a1", "v2a1"), ("v1", "v2", "v3")])
async def test_what_is_named_is_there(tmp_path: Path, work: Any, names: tuple[str, ...]) -> None:
    stream: Any = Stream(tmp_path, *names)
    async with serving() as server, aiohttp.ClientSession(headers=AUTHORIZATION) as session:
        target = Target.of(f"http://127.0.0.1:{server.port}/out/index.m3u8?key=5")
        pusher = HlsPusher(session, target, work)
        for _ in range(6):
            stream.segment()
            assert await pusher.update(stream) == stream.msn
            files = {name.removeprefix("/out/"): data for name, data in server.files.items()}
            playlists = ["index.m3u8"]
            if len(names) > 1:
                assert b"#EXT-X-STREAM-INF" in files["index.m3u8"]
                playlists = named(files["index.m3u8"])
                assert len(playlists) == len(names)
            listed = [
                str(Path(playlist).parent / one)
                for playlist in playlists
                for one in named(files[playlist])
            ]
            assert len(listed) == len(set(listed))
            assert all(name in files for name in listed)
            kept = {name for name in files if name.endswith(".ts")}
            assert kept == set(listed), "old ones are gone"
        contents = sorted(files[name].decode() for name in listed)
        assert contents == sorted(f"{one} {n}" for one in names for n in range(103, 106))
        assert len(server.deleted) == 3 * len(names)
    assert work.account.bytes > 0
    assert work.counted == {"segments": 6 * len(names)}


async def test_a_server_that_takes_nothing_is_said(tmp_path: Path, work: Any) -> None:
    stream: Any = Stream(tmp_path, "v1", "v2")
    stream.segment()
    async with serving() as server, aiohttp.ClientSession(headers=AUTHORIZATION) as session:
        server.status = 507
        pusher = HlsPusher(session, Target.of(f"http://127.0.0.1:{server.port}/out"), work)
        with pytest.raises(JobFailed, match=re.escape("the server answers 507 to PUT")):
            await pusher.update(stream)
