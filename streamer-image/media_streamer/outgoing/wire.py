"""A connection of an input's thread: bytes, lines and heads of answers, each with a bound.

As forgiving as FFmpeg's client in what is taken (bare line feeds, ICY), strict in how much.
"""

import re
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass

from media_streamer.outgoing.addresses import AddressRefusedError, is_loopback
from media_streamer.outgoing.target import HttpError

SLICE_SECONDS = 0.5
"""How long a wait may be before `stopped` is asked."""
RECEIVE_BYTES = 64 * 1024
MAX_HEAD_BYTES = 64 * 1024
MAX_INTERIM = 8
NOT_HTTP = "the server sends no HTTP that can be read"
CUT_OFF = "the server closed the connection in the middle of an answer"
_STATUS = re.compile(rb"(?:HTTP/1\.[01]|ICY) (\d{3})(?: .*)?")


class StoppedError(HttpError):
    """Nobody wants the answer any more."""


class Wire:
    """A connection and what was read of it too early. `local`: it leads to this machine."""

    def __init__(self, sock: socket.socket, stopped: Callable[[], bool]) -> None:
        self.local = is_loopback(str(sock.getpeername()[0]))
        self._sock = sock
        self._stopped = stopped
        self._buffer, self._at = b"", 0

    def send(self, data: bytes, until: float) -> None:
        self._sock.settimeout(max(until - time.monotonic(), 0.01))
        self._sock.sendall(data)

    def receive(self, size: int, until: float) -> bytes:
        """Up to `size` bytes, b"" at the end. Raises TimeoutError, OSError or StoppedError."""
        if self._at < len(self._buffer):
            data = self._buffer[self._at : self._at + size]
            self._at += len(data)
            return data
        while True:
            if self._stopped():
                raise StoppedError("stopped")
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._sock.settimeout(min(left, SLICE_SECONDS))
            try:
                return self._sock.recv(size)
            except TimeoutError:
                continue

    def line(self, limit: int, until: float) -> bytes:
        """A line without its end. Raises HttpError if it is longer than `limit`."""
        while (end := self._buffer.find(b"\n", self._at, self._at + limit + 1)) < 0:
            kept = self._buffer[self._at :]
            if len(kept) > limit:
                raise HttpError(NOT_HTTP)
            self._buffer, self._at = b"", 0
            data = self.receive(RECEIVE_BYTES, until)
            if not data:
                raise HttpError(CUT_OFF)
            self._buffer = kept + data
        line = self._buffer[self._at : end]
        self._at = end + 1
        return line.removesuffix(b"\r")

    def close(self) -> None:
        self._sock.close()


@dataclass(slots=True)
class Head:
    status: int
    headers: dict[str, str]
    """The first of each name, in lower case."""
    cookies: list[str]
    challenges: list[str]


def read_head(wire: Wire, until: float) -> Head:
    for _ in range(MAX_INTERIM):
        head = _one_head(wire, until)
        if head.status >= 200 or head.status == 101:
            return head
    raise HttpError("the server sends no answer, only interim ones")


def _one_head(wire: Wire, until: float) -> Head:
    left = MAX_HEAD_BYTES
    first = wire.line(left, until)
    match = _STATUS.fullmatch(first)
    if match is None:
        raise HttpError(NOT_HTTP)
    head = Head(int(match[1]), {}, [], [])
    while line := wire.line(left, until):
        left -= len(line) + 1
        if left <= 0:
            raise HttpError("the head of the answer is too long")
        name, _, value = line.decode("utf-8", "replace").partition(":")
        name, value = name.strip().lower(), value.strip()
        if name == "set-cookie":
            head.cookies.append(value)
        elif name == "www-authenticate":
            head.challenges.append(value)
        else:
            head.headers.setdefault(name, value)
    return head


def words(error: Exception) -> str:
    """Why a connection failed, without a URL."""
    if isinstance(error, AddressRefusedError):
        return str(error)
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        return "connection reset by the peer"
    if isinstance(error, socket.gaierror | UnicodeError):
        return "the name of the host is not known"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or 'the server speaks no TLS that can be understood'}"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
