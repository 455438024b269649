"""Everything that comes and goes: streams, publishers, viewers of each kind, and rude ones."""

import asyncio
import contextlib
import random
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
from media_streamer.protocols.rtmp import amf
from media_streamer.protocols.rtmp.chunks import COMMAND, write_message

from tests.support.streamer import Streamer

CONFIG = """
stream one { input fake://fake; segment_duration 2; }
stream two { input fake://fake; segment_duration 2; }
template live { prefix live; input publish://; segment_duration 2; }
"""
GREETING = b"\x03" + bytes(2 * 1536)


class Load:
    """Runs until it is cancelled; counts what it did."""

    def __init__(
        self, streamer: Streamer, rtmp_port: int, clip: Path, seed: int, pause: float = 0.3
    ) -> None:
        """`pause` seconds on an average between what one does, and does again."""
        self._streamer = streamer
        self._rtmp_port = rtmp_port
        self._clip = clip
        self._random = random.Random(seed)
        self._pause = pause
        self.done: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()

    async def run(self) -> None:
        """For ever."""
        async with asyncio.TaskGroup() as group:
            for job in (
                self._hls, self._hls, self._hls, self._mpegts, self._flv, self._rtmp, self._publish,
                self._streams, self._half_open, self._cut_off,
            ):  # fmt: skip
                group.create_task(self._again(job))

    async def _again(self, job: Callable[[str], Awaitable[None]]) -> None:
        name = job.__name__.strip("_")
        while True:
            try:
                async with asyncio.timeout(30):
                    await job(self._random.choice(("one", "two")))
                self.done[name] += 1
            except (OSError, TimeoutError, aiohttp.ClientError, AssertionError, EOFError):
                self.failed[name] += 1
            await asyncio.sleep(self._pause * self._random.uniform(0.33, 1.67))

    async def _hls(self, stream: str) -> None:
        """A viewer who looks at the playlists a few times, and takes a segment."""
        async with aiohttp.ClientSession() as http:
            base = f"{self._streamer.base}/{stream}/tracks-v1a1"
            for _ in range(3):
                text = await self._text(http, f"{base}/mono.m3u8")
                segment = [line for line in text.splitlines() if line and line[0] != "#"][-1]
                async with http.get(f"{base}/{segment}") as answer:
                    assert answer.status == 200
                    await answer.read()
                await asyncio.sleep(0.5)

    async def _text(self, http: aiohttp.ClientSession, url: str) -> str:
        async with http.get(url) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.text()

    async def _mpegts(self, stream: str) -> None:
        await self._endless(f"{self._streamer.base}/{stream}/mpegts")

    async def _flv(self, stream: str) -> None:
        await self._endless(f"{self._streamer.base}/{stream}.flv")

    async def _endless(self, url: str) -> None:
        async with aiohttp.ClientSession() as http, http.get(url) as answer:
            assert answer.status == 200
            for _ in range(self._random.randrange(1, 8)):
                await answer.content.readexactly(20_000)

    async def _rtmp(self, stream: str) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._rtmp_port)
        try:
            writer.write(GREETING + _command("connect", 1, {"app": "static"}))
            writer.write(_command("createStream", 2, None))
            writer.write(_command("play", 3, None, stream, media=1))
            await reader.readexactly(self._random.randrange(20_000, 200_000))
        finally:
            writer.close()

    async def _publish(self, _: str) -> None:
        """Publishers of RTMP, for a few seconds."""
        names = [f"live/p{self._random.randrange(6)}" for _ in range(2)]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.support.rtmp_publishers", str(self._rtmp_port),
            str(self._clip), *dict.fromkeys(names), stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            assert await process.stdout.readline() == b"ready\n"
            await asyncio.sleep(4)
        finally:
            process.stdin.close()
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()

    async def _streams(self, _: str) -> None:
        """A stream that is made, watched and deleted."""
        path = f"/streams/made{self._random.randrange(5)}"
        body = {"inputs": [{"url": "fake://fake"}]}
        assert (await self._streamer.api("PUT", path, json=body))[0] == 200
        await asyncio.sleep(2)
        assert (await self._streamer.api("DELETE", path))[0] == 204
        await asyncio.sleep(2)

    async def _half_open(self, _: str) -> None:
        """Connections on which nothing, or half of something, is said."""
        halves = {self._streamer.http_port: b"GET / HT", self._rtmp_port: b"\x03" + bytes(100)}
        for port, half in halves.items():
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(self._random.choice((b"", half)))
            await asyncio.sleep(0.3)
            writer.transport.abort()

    async def _cut_off(self, stream: str) -> None:
        """A viewer who is gone in the middle of an answer."""
        _, writer = await asyncio.open_connection("127.0.0.1", self._streamer.http_port)
        writer.write(f"GET /{stream}/mpegts HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        await asyncio.sleep(0.2)
        writer.transport.abort()


def _command(*values: object, media: int = 0) -> bytes:
    return write_message(COMMAND, amf.encode(*values), stream=media, chunk_bytes=128)
