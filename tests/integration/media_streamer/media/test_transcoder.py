"""A stream that is transcoded, from a publisher's RTMP to what a viewer's ffprobe sees."""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support import process
from tests.support.ports import free_port
from tests.support.process import Process
from tests.support.streamer import Lender, Streamer, until

LADDER = "transcoder vb=300k preset=ultrafast gop=25 vb=100k size=-1x90 preset=ultrafast ab=64k;"


class Place(Streamer):
    """With a port for publishers."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.rtmp_port = free_port()

    async def configured(self, *streams: str) -> None:
        self.write(f"rtmp 127.0.0.1:{self.rtmp_port};\n" + "\n".join(streams))
        await self.serve()

    def transcoders(self, stream: str) -> list[int]:
        """Process ids of those of a stream; one of an earlier test may still be ending."""
        return [pid for pid in self.children() if f"--stream={stream}\0" in _command(pid)]


def _command(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode()
    return ""


@pytest.fixture(scope="module")
def lender(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lender]:
    lender = Lender(lambda: Place(tmp_path_factory.mktemp("transcoder")))
    yield lender
    lender.close()


@pytest.fixture
async def place(lender: Lender) -> AsyncIterator[Place]:
    async with lender.lend() as one:
        yield one


@contextlib.asynccontextmanager
async def publishing(place: Place, name: str, *inputs: str) -> AsyncIterator[Process]:
    """ffmpeg publishes what lavfi makes."""
    words = [word for one in inputs for word in ("-re", "-f", "lavfi", "-i", one)]
    one = process.start(
        "ffmpeg",
        *("-nostdin", "-v", "error", *words),
        *("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "40"),
        *("-c:a", "aac", "-f", "flv", f"rtmp://127.0.0.1:{place.rtmp_port}/static/{name}"),
        stdout=place._log,
        stderr=place._log,
    )
    try:
        yield one
    finally:
        with contextlib.suppress(ProcessLookupError):
            one.terminate()
        await asyncio.wait_for(one.wait(), 30)


PICTURE, SOUND = "testsrc2=s=318x178:r=25", "sine=440:r=44100"


async def probe(url: str, *options: str) -> Any:
    program = await asyncio.create_subprocess_exec(
        *("ffprobe", "-v", "error", *options, "-of", "json", url),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(program.communicate(), 40)
    assert program.returncode == 0, err.decode()
    return json.loads(out)


async def transcoded(place: Place, name: str, encoded: int = 1) -> dict[str, Any]:
    """Statistics, once it is transcoded."""

    async def check() -> dict[str, Any]:
        stats = (await place.stream(name)).get("stats", {})
        works = stats.get("running_transcoder") and stats["transcoder"]["frames_encoded"] >= encoded
        return stats if works and len(stats["media_info"]["tracks"]) > 1 else {}

    found: dict[str, Any] = await until(check, f"{name} is transcoded", 60)
    return found


async def test_a_ladder_out_of_what_is_published(place: Place) -> None:
    await place.configured(f"stream studio {{ input publish://; {LADDER} }}")
    assert "has no effect" not in place.log
    async with publishing(place, "studio", PICTURE, SOUND):
        stats = await transcoded(place, "studio", 100)
        tracks = stats["media_info"]["tracks"]
        assert [(one["track_id"], one.get("height")) for one in tracks] == [
            ("v1", 178),
            ("v2", 90),
            ("a1", None),
        ]
        assert (tracks[1]["width"], tracks[2]["sample_rate"]) == (160, 44100)
        assert stats["transcoder"]["device"] == "cpu"
        assert stats["coder_error"] is False
        url = f"{place.base}/studio/mpegts"
        options = ("-show_entries", "packet=stream_index,pts,flags", "-read_intervals", "%+4")
        answer = await probe(url, *options, "-show_streams")
        streams = {one["index"]: one for one in answer["streams"]}
        sizes = sorted(one["width"] for one in streams.values() if one["codec_type"] == "video")
        assert sizes == [160, 318]
        keys: dict[int, list[int]] = {}
        for packet in answer["packets"]:
            one = streams[packet["stream_index"]]
            if one["codec_type"] == "video" and "K" in packet["flags"]:
                keys.setdefault(one["index"], []).append(packet["pts"])
        first, second = keys.values()
        assert len(first) >= 2
        shared = min(len(first), len(second))
        assert first[:shared] == second[:shared]


async def test_a_transcoder_that_is_killed_comes_back_on_the_same_clock(place: Place) -> None:
    await place.configured(
        "stream cut { input fake://fake; transcoder vb=copy vb=90k size=-1x90 ab=copy; }"
    )
    await transcoded(place, "cut", 10)
    (pid,) = place.transcoders("cut")
    before = (await place.stream("cut"))["stats"]
    os.kill(pid, signal.SIGKILL)

    async def is_back() -> Any:
        stats = (await place.stream("cut"))["stats"]
        counted = stats["transcoder"]
        encoded = counted["frames_encoded"] > before["transcoder"]["frames_encoded"]
        works = encoded and stats["running_transcoder"] and not stats["coder_error"]
        return counted["restarts"] == 1 and works and stats

    stats = await until(is_back, "another transcoder works", 60)
    assert place.transcoders("cut") not in ([], [pid])
    # What passes as it is never stopped: the stream is the same one.
    assert stats["started_at"] == before["started_at"]
    assert stats["input"]["resync_count_jump"] == before["input"]["resync_count_jump"]
    assert "transcoder of stream cut died" in place.log


async def test_an_encoder_that_cannot_open_is_said_and_touches_nobody(place: Place) -> None:
    await place.configured(
        "stream bad { input fake://fake; transcoder vb=100k level=99 ab=copy; }",
        "stream card { input fake://fake; transcoder hw=nvenc deviceid=77 vb=100k ab=copy; }",
        "stream odd { input fake://fake; transcoder hw=qsv vb=100k ab=copy; }",
        "stream good { input fake://fake; }",
    )
    for name, said in (
        ("bad", "v1: libx264 cannot encode 640x360"),
        ("card", "hw=nvenc: there is no"),
        ("odd", "hw=qsv is not served"),
    ):

        async def has_failed(name: str = name, said: str = said) -> Any:
            stats = (await place.stream(name)).get("stats", {})
            return said in stats.get("source_error", "") and stats

        stats = await until(has_failed, f"{name} says why", 60)
        assert stats["status"] == "error"
    await place.running("good")


async def test_sound_alone_and_a_source_that_changes(place: Place) -> None:
    await place.configured(f"stream radio {{ input publish://; {LADDER} }}")
    async with publishing(place, "radio", SOUND):

        async def has(*names: str) -> Any:
            stats = (await place.stream("radio")).get("stats", {})
            tracks = stats.get("media_info", {}).get("tracks", [])
            return stats.get("running_transcoder") and [t["track_id"] for t in tracks] == [*names]

        await until(lambda: has("a1"), "the sound is there", 60)
    async with publishing(place, "radio", PICTURE, SOUND):
        await until(lambda: has("v1", "v2", "a1"), "pictures are there too", 60)
    async with publishing(place, "radio", PICTURE):
        await until(lambda: has("v1", "v2"), "and the sound is gone", 60)


async def test_processes_outlive_a_supervisor_and_end_with_their_streams(place: Place) -> None:
    await place.configured(f"stream x {{ input fake://fake; {LADDER} }}")
    await transcoded(place, "x")
    before = place.transcoders("x")
    assert len(before) == 1
    dead = place.supervisor
    os.kill(dead, signal.SIGKILL)

    async def is_back() -> Any:
        with contextlib.suppress(aiohttp.ClientError, StopIteration):
            stats = (await place.stream("x")).get("stats", {})
            return place.supervisor != dead and stats.get("running_transcoder") and stats
        return None

    stats = await until(is_back, "another supervisor has the stream", 60)
    assert stats["transcoder"]["restarts"] == 0
    assert place.transcoders("x") == before
    await place.configured("stream x { input fake://fake; }")

    async def none() -> bool:
        return not place.transcoders("x")

    await until(none, "the transcoder ends", 30)
    await place.running("x")
