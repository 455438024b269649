"""RTSP over HTTP: the two connections of a tunnel find each other by their cookie.

They are two TCP connections, which the kernel may give to two workers. The session lives where the
first one (GET: what the server sends) came in; a worker that gets the second one (POST: requests in
base64) and has no first one asks the others, over a Unix socket of each, and passes its bytes on.

On that socket: the cookie and a line feed, answered by one byte, then the bytes as they come.
"""

import asyncio
import base64
import binascii
import contextlib
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from media_streamer.wire.homes import home_of

log = logging.getLogger(__name__)

MAX_WAITING = 1000
WAIT_SECONDS = 20.0
ASK_SECONDS = 2.0
MAX_COOKIE_BYTES = 512
MAX_RELAYED_BYTES = 256 * 1024
"""What the worker of the session may leave unread."""
FOUND, NOT_HERE = b"+", b"-"


class Half(Protocol):
    """The first half, where the session is."""

    def hear(self, data: bytes) -> None:
        """Bytes of the client, decoded."""

    def join(self, second: "Second") -> None:
        """The other half is there."""

    def close(self, reason: str) -> None: ...


class Second(Protocol):
    """The other half, or who brings its bytes."""

    def close(self, reason: str) -> None: ...


class TunnelBroken(ValueError):  # noqa: N818 - the peer's doing
    """The second half is no base64."""


class Decoder:
    """Base64 in pieces; each request may end with padding of its own."""

    def __init__(self) -> None:
        self._held = b""

    def decode(self, data: bytes) -> bytes:
        """Bytes that are complete; raises TunnelBroken."""
        text = self._held + bytes(c for c in data if c not in b"\r\n \t")
        whole = len(text) // 4 * 4
        self._held, out = text[whole:], b""
        try:
            for at in range(0, whole, 4):
                out += base64.b64decode(text[at : at + 4], validate=True)
        except binascii.Error as error:
            raise TunnelBroken(str(error)) from None
        return out


class Tunnels:
    """First halves of one port that wait for their second, in this worker; asks the others."""

    def __init__(
        self, directory: Path, port: int, worker: int, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._directory = directory
        self._port = port
        self._path = home_of(directory, "egress", str(worker)) / f"rtsp-{port}.sock"
        self._now = now
        self._waiting: dict[str, tuple[float, Half]] = {}
        self._server: asyncio.Server | None = None

    async def listen(self) -> None:
        """Answer the other workers."""
        self._path.unlink(missing_ok=True)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: _Inward(self), self._path)
        self._path.chmod(0o600)

    def close(self) -> None:
        """Answer nobody any more; what is connected stays."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)

    def offer(self, cookie: str, half: Half) -> bool:
        """A first half waits; False if too many do."""
        now = self._now()
        for old in [c for c, (at, _) in self._waiting.items() if now - at > WAIT_SECONDS]:
            del self._waiting[old]
        if len(self._waiting) >= MAX_WAITING or cookie in self._waiting:
            return False
        self._waiting[cookie] = now, half
        return True

    def take(self, cookie: str) -> Half | None:
        """The first half that a second one belongs to, if it is here."""
        found = self._waiting.pop(cookie, None)
        return found[1] if found is not None else None

    def forget(self, half: Half) -> None:
        """It is gone."""
        for cookie in [c for c, (_, waiting) in self._waiting.items() if waiting is half]:
            del self._waiting[cookie]

    async def search(self, cookie: str, second: Second) -> asyncio.Transport | None:
        """Ask the other workers; what is written to the transport goes to the first half."""
        asked = f"{cookie}\n".encode("latin-1", "replace")
        for path in sorted(self._directory.glob(f"egress-*/rtsp-{self._port}.sock")):
            if path == self._path:
                continue
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(ASK_SECONDS):
                    loop = asyncio.get_running_loop()
                    transport, outward = await loop.create_unix_connection(
                        lambda: _Outward(second), str(path)
                    )
                    transport.write(asked)
                    if await outward.answered:
                        return transport
                    transport.close()
        return None


class _Outward(asyncio.Protocol):
    """From the worker that got the second half."""

    def __init__(self, second: Second) -> None:
        self._second = second
        self.answered: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        if not self.answered.done():
            self.answered.set_result(data[:1] == FOUND)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.answered.done():
            self.answered.set_result(False)
        elif self.answered.result():
            self._second.close("its tunnel was closed")


class _Inward(asyncio.Protocol):
    """To the worker that has the first half."""

    def __init__(self, tunnels: Tunnels) -> None:
        self._tunnels = tunnels
        self._head = b""
        self._half: Half | None = None
        self._decoder = Decoder()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._half is not None:
            self._pass_on(self._half, data)
            return
        self._head += data
        cookie, end, rest = self._head.partition(b"\n")
        if not end and len(self._head) < MAX_COOKIE_BYTES:
            return
        self._half = self._tunnels.take(cookie.decode("latin-1"))
        if self._half is None:
            self._transport.write(NOT_HERE)
            self._transport.close()
            return
        self._transport.write(FOUND)
        self._half.join(self)
        self._pass_on(self._half, rest)

    def _pass_on(self, half: Half, data: bytes) -> None:
        try:
            half.hear(self._decoder.decode(data))
        except TunnelBroken as error:
            half.close(f"no RTSP in the tunnel: {error}")

    def close(self, reason: str) -> None:
        self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._half is not None:
            self._half.close("its tunnel was closed")
