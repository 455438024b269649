"""An RTSP player within one connection that says where and how fast it wants to play."""

import asyncio
import contextlib
import re
import struct
from collections import deque
from collections.abc import AsyncIterator
from datetime import UTC, datetime

LIMIT_SECONDS = 30.0
NTP_EPOCH = 2_208_988_800
"""1970 in NTP time (RFC 5905)."""
PICTURE, REPORTS = 0, 1
"""Channels of the first track."""


def utc(seconds: int) -> str:
    """A moment as Range writes it."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y%m%dT%H%M%S}.000Z"


class Player:
    """Made by `rtsp`, with all tracks set up."""

    def __init__(
        self, url: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._url = url
        self._reader = reader
        self._writer = writer
        self._number = 0
        self._session = ""
        self._packets: deque[tuple[int, bytes]] = deque()
        self.description = ""

    async def set_up(self) -> None:
        answer = await self.ask("DESCRIBE", Accept="application/sdp")
        self.description = answer
        for n, track in enumerate(re.findall(r"(?ms)^m=.*?^a=control:([^\r\n]+)", answer)):
            target = track if "://" in track else f"{self._url.partition('?')[0]}/{track}"
            transport = f"RTP/AVP/TCP;unicast;interleaved={2 * n}-{2 * n + 1}"
            answer = await self.ask("SETUP", target, Transport=transport)
            assert " 200 " in answer, answer
            found = re.search(r"(?im)^session: *([^;\r\n]+)", answer)
            assert found
            self._session = found[1]

    async def play(self, **headers: str) -> str:
        """What is heard after it is what it asked for; the answer."""
        return await self.ask("PLAY", **headers)

    async def ask(self, method: str, target: str = "", **headers: str) -> str:
        """The answer with its body; packets that come before it are dropped."""
        self._number += 1
        lines = [f"{method} {target or self._url} RTSP/1.0", f"CSeq: {self._number}"]
        lines += [f"Session: {self._session}"] if self._session else []
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        async with asyncio.timeout(LIMIT_SECONDS):
            while (first := await self._reader.readexactly(1)) == b"$":
                await self._packet()
            head = (first + await self._reader.readuntil(b"\r\n\r\n")).decode()
            length = re.search(r"(?im)^content-length: *(\d+)", head)
            body = await self._reader.readexactly(int(length[1])) if length else b""
        return head + body.decode()

    async def _packet(self) -> tuple[int, bytes]:
        channel, size = struct.unpack(">BH", await self._reader.readexactly(3))
        return channel, await self._reader.readexactly(size)

    async def _next(self, wanted: int) -> bytes:
        async with asyncio.timeout(LIMIT_SECONDS):
            while True:
                assert await self._reader.readexactly(1) == b"$"
                channel, data = await self._packet()
                if channel == wanted:
                    return data

    async def next_utc(self) -> float:
        """Wall clock of the next picture that a sender report tells (RFC 3550 6.4.1)."""
        report = await self._next(REPORTS)
        assert report[1] == 200, "a sender report comes first"
        seconds, fraction = struct.unpack_from(">II", report, 8)
        return float(seconds - NTP_EPOCH + fraction / 2**32)

    async def next_source(self) -> int:
        """SSRC of the next packet of the picture."""
        return int.from_bytes((await self._next(PICTURE))[8:12], "big")

    async def timestamps(self, count: int) -> list[int]:
        """Of so many packets that end a picture."""
        found: list[int] = []
        while len(found) < count:
            data = await self._next(PICTURE)
            if data[1] & 0x80:
                found.append(int.from_bytes(data[4:8], "big"))
        return found


@contextlib.asynccontextmanager
async def rtsp(port: int, path: str) -> AsyncIterator[Player]:
    """A player of that path."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
    player = Player(f"rtsp://127.0.0.1:{port}/{path}", reader, writer)
    try:
        await player.set_up()
        yield player
    finally:
        writer.close()
