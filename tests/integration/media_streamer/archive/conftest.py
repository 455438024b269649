"""A streamer that records into a folder of the test."""

import asyncio
import shutil
import struct
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.ports import free_port
from tests.support.process import end
from tests.support.streamer import Streamer, until

DECODE_SECONDS = 60


@pytest.fixture(scope="session", autouse=True)
def _ffmpeg() -> None:
    if not shutil.which("ffmpeg"):
        pytest.skip("no ffmpeg program on this machine: apt install ffmpeg")


class Recorder(Streamer):
    """`archive`: where its streams are recorded."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.archive = directory / "archive"
        self.rtmp_port = free_port()
        self.rtsp_port = free_port()

    async def stats(self, name: str = "live") -> dict[str, Any]:
        stats: dict[str, Any] = (await self.stream(name)).get("stats", {})
        return stats

    async def recorded(self, segments: int, name: str = "live") -> dict[str, Any]:
        """Wait until so many segments were written since its media worker began."""

        async def enough() -> dict[str, Any] | None:
            stats = await self.stats(name)
            written = stats.get("dvr_write", {}).get("segments", 0)
            return stats if written >= segments and stats["dvr_enabled"] else None

        found: dict[str, Any] = await until(enough, f"{segments} segments of {name}", 60)
        return found

    async def grown(self, count: int) -> list[str]:
        """Wait until more than `count` segments are listed; returns them."""

        async def more() -> list[str] | None:
            found = await self.segments()
            return found if len(found) > count else None

        found: list[str] = await until(more, f"more than {count} segments", 60)
        return found

    async def get(self, path: str, **options: Any) -> tuple[int, bytes]:
        async with self.session.get(f"{self.base}/{path}", **options) as answer:
            return answer.status, await answer.read()

    async def all_time(self) -> str:
        """FROM and DURATION that hold everything."""
        now = int(time.time())
        return f"{now - 86_400}-{90_000}"

    async def segments(self, name: str = "live", track: str = "v1") -> list[str]:
        """URIs of what is recorded."""
        listed = f"{name}/tracks-{track}/archive-{await self.all_time()}.fmp4.m3u8"
        status, text = await self.get(listed)
        assert status == 200, text
        return [line for line in text.decode().splitlines() if line.endswith(".m4s")]


@pytest.fixture
async def recorder(tmp_path: Path) -> AsyncIterator[Recorder]:
    one = Recorder(tmp_path)
    try:
        yield one
    finally:
        await one.close()


async def decode(source: str | Path, *words: str) -> None:
    """FFmpeg decodes all of it without a word of complaint.

    Its times are judged as they come, not by pictures of 40 ms: where two recordings meet, the
    next one may come sooner.
    """
    process = await asyncio.create_subprocess_exec(
        "ffmpeg", "-nostdin", "-v", "error", "-xerror", *words, "-i", str(source),
        "-map", "0:v", "-map", "0:a", "-copyts", "-enc_time_base", "-1", "-f", "null", "-",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        _, complaints = await asyncio.wait_for(process.communicate(), DECODE_SECONDS)
    finally:
        await end(process)
    text = complaints.decode()
    assert (process.returncode, text) == (0, ""), f"{source}: {text}"


async def frames(source: str | Path) -> int:
    """How many pictures it has."""
    process = await asyncio.create_subprocess_exec(
        "ffprobe", "-v", "error", "-select_streams", "v", "-count_packets",
        "-show_entries", "stream=nb_read_packets", "-of", "csv=p=0", str(source),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await asyncio.wait_for(process.communicate(), DECODE_SECONDS)
    return int(out.decode().split()[0].strip(","))


def recorded_stream(archive: Path) -> str:
    """A line of configuration: the stream `live`, recorded there."""
    return (
        f"stream live {{ input fake://fake bitrate=2000; segment_duration 1; dvr {archive} 1d; }}\n"
    )


async def utc_of_first_fragment(socket: aiohttp.ClientWebSocketResponse) -> float:
    """When the next fragment of the picture was recorded."""
    while True:
        message = await socket.receive(timeout=30)
        if message.type is aiohttp.WSMsgType.BINARY and message.data[47] == 1:
            seconds, microseconds = struct.unpack_from(">II", message.data, 92)
            return float(seconds + microseconds / 1e6)
