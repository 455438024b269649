"""`python -m tests.support.crowd HTTP_PORT RTMP_PORT NAME HALF VIEWERS`: who comes and goes.

Keeps HALF connections half open, on which nothing or a part of a greeting is said; who is closed
comes again. Keeps VIEWERS viewers of the stream NAME, half of them by HLS and half by MPEG-TS, each
for a few seconds and replaced by another one; half of them say goodbye, the others vanish. Prints
`ready` once all are there, and with the end of its input one line of JSON: `{"came": viewers,
"renewed": half-open connections, "failed": viewers not served, "why": one of them, "slowest": s
until a viewer had something}`. A process of its own: it costs the server nothing but what it sends.
"""

import asyncio
import contextlib
import json
import random
import resource
import sys
import time
from dataclasses import dataclass, field

HOST = "127.0.0.1"
SPARE_DESCRIPTORS = 200
STAY_SECONDS = (5.0, 25.0)
POLL_SECONDS = 2.0
ANSWER_SECONDS = 30.0
AT_ONCE = 64
"""Connections that are being made."""
GREETINGS = {
    "http": (b"", b"G", b"GET /index.m3u8 HTTP/1.1\r\nHost: x\r\n"),
    "rtmp": (b"", b"\x03"),
}


@dataclass
class Counts:
    came: int = 0
    renewed: int = 0
    failed: int = 0
    why: str = ""
    slowest: float = 0.0
    present: int = 0
    half: int = 0


class _Held(asyncio.Protocol):
    """Says a part of something, and waits until it is closed."""

    def __init__(self, part: bytes) -> None:
        self._part = part
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        if self._part:
            transport.write(self._part)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)


class _Watcher(asyncio.BufferedProtocol):
    """Reads for ever and forgets it."""

    _buffer = bytearray(1 << 18)

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._head = b""
        loop = asyncio.get_running_loop()
        self.began: asyncio.Future[bytes] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(self._request)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if not self.began.done():
            self._head += self._buffer[:nbytes]
            if len(self._head) > 1000:
                self.began.set_result(self._head.split(b"\r\n", 1)[0])

    def connection_lost(self, exc: Exception | None) -> None:
        for future in (self.began, self.closed):
            if not future.done():
                future.cancel()


@dataclass
class Crowd:
    http_port: int
    rtmp_port: int
    name: str
    counts: Counts = field(default_factory=Counts)

    def __post_init__(self) -> None:
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._random = random.Random(1)

    async def hold(self) -> None:
        """A half-open connection, again and again."""
        kind = self._random.choice(tuple(GREETINGS))
        port = self.http_port if kind == "http" else self.rtmp_port
        part = self._random.choice(GREETINGS[kind])
        loop = asyncio.get_running_loop()
        while True:
            try:
                async with self._turn:
                    _, held = await loop.create_connection(lambda: _Held(part), HOST, port)
            except OSError:
                await asyncio.sleep(1)
                continue
            self.counts.half += 1
            await held.closed
            self.counts.half -= 1
            self.counts.renewed += 1

    async def view(self, way: int) -> None:
        """A viewer after another; the first ones come within the time that one stays."""
        watch = self._mpegts if way % 2 else self._hls
        stay = self._random.uniform(0.0, STAY_SECONDS[1])
        while True:
            self.counts.came += 1
            try:
                await watch(stay, vanishes=bool(way % 4 < 2))
            except (OSError, EOFError, TimeoutError, ValueError, asyncio.CancelledError) as error:
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise
                self.counts.failed += 1
                self.counts.why = repr(error)
                await asyncio.sleep(1)
            stay = self._random.uniform(*STAY_SECONDS)

    async def _mpegts(self, stay: float, *, vanishes: bool) -> None:
        request = f"GET /{self.name}/mpegts HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
        loop, began = asyncio.get_running_loop(), time.monotonic()
        async with self._turn:
            transport, watcher = await loop.create_connection(
                lambda: _Watcher(request), HOST, self.http_port
            )
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                head = await watcher.began
            if b" 200 " not in head:
                raise ValueError(head)
            with self._present(began):
                await asyncio.wait([watcher.closed], timeout=stay)
            if watcher.closed.done():
                raise EOFError("the stream ended")
        finally:
            transport.abort() if vanishes else transport.close()

    async def _hls(self, stay: float, *, vanishes: bool) -> None:
        began = time.monotonic()
        async with self._turn:
            reader, writer = await asyncio.open_connection(HOST, self.http_port)
        try:
            await self._get(reader, writer, f"/{self.name}/index.m3u8")
            folder, seen = f"/{self.name}/tracks-v1a1", ""
            with self._present(began) as until:
                while time.monotonic() < until + stay:
                    text = await self._get(reader, writer, f"{folder}/mono.m3u8")
                    newest = text.decode().rstrip().rpartition("\n")[2]
                    if newest != seen:
                        await self._get(reader, writer, f"{folder}/{newest}")
                        seen = newest
                    await asyncio.sleep(POLL_SECONDS)
        finally:
            writer.transport.abort() if vanishes else writer.close()

    @staticmethod
    async def _get(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> bytes:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        async with asyncio.timeout(ANSWER_SECONDS):
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]
            body = await reader.readexactly(int(length))
        if not head.startswith(b"HTTP/1.1 200"):
            raise ValueError(f"{path}: {head.decode()} {body[:200]!r}")
        return body

    @contextlib.contextmanager
    def _present(self, began: float):  # type: ignore[no-untyped-def]
        now = time.monotonic()
        self.counts.slowest = max(self.counts.slowest, now - began)
        self.counts.present += 1
        try:
            yield now
        finally:
            self.counts.present -= 1


async def main(crowd: Crowd, half: int, viewers: int) -> None:
    loop = asyncio.get_running_loop()
    ended = loop.create_future()
    loop.add_reader(sys.stdin.fileno(), lambda: ended.done() or ended.set_result(None))
    tasks = [loop.create_task(crowd.hold()) for _ in range(half)]
    tasks += [loop.create_task(crowd.view(number)) for number in range(viewers)]
    counts, said = crowd.counts, False
    while not ended.done():
        if not said and counts.half >= 0.99 * half and counts.present >= 0.95 * viewers:
            said = True
            print("ready", flush=True)
        await asyncio.wait([ended], timeout=0.2)
    print(json.dumps(vars(counts)), flush=True)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    wanted = int(sys.argv[4]) + int(sys.argv[5]) + SPARE_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))
    asyncio.run(
        main(
            Crowd(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]),
            int(sys.argv[4]),
            int(sys.argv[5]),
        )
    )
