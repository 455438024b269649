"""A head and part of an open file on their way to a client, from the callbacks of its connection.

Role: the answer to a request that needed no handler. Most are in the socket's buffer before `start`
returns; of the others the socket takes more whenever the transport has got rid of what it holds.

Invariants: `on_end` is called once, however it ends; nothing else is written to the transport and
nothing is read from it before; no memory but one piece is used for a client that is behind; a body
that cannot be completed ends with the connection, so that the client sees that it is not whole.
"""

import asyncio
import contextlib
import os
import socket
from asyncio.trsock import TransportSocket
from collections.abc import Callable

from media_streamer.egress.http.files import SEND_TIMEOUT_SECONDS

PIECE_BYTES = 16 * 1024
"""What is copied to learn from the transport when the socket takes more."""
TURN_BYTES = 4 * 1024 * 1024
"""Of one client, before the others have their turn."""


class FileMessage:
    """The bytes of a head, and what follows it. Whoever makes it keeps the file open until the
    end."""

    __slots__ = ("descriptor", "head", "length", "offset", "on_end")

    def __init__(
        self,
        head: bytes,
        descriptor: int,
        offset: int,
        length: int,
        on_end: Callable[[int, OSError | None], None],
    ) -> None:
        """`on_end` is told how many bytes of the body went out, and what ended it early:
        TimeoutError, ConnectionError, or another OSError of the file."""
        self.head = head
        self.descriptor = descriptor
        self.offset = offset
        self.length = length
        self.on_end = on_end


def cork(connection: TransportSocket, on: bool) -> None:
    """Let the kernel fill its packets, or send what it has (tcp(7))."""
    with contextlib.suppress(OSError):  # it is closed
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, on)


def plain_socket(transport: asyncio.BaseTransport) -> TransportSocket | None:
    """The socket, if what is written to it reaches the client as it is."""
    found = transport.get_extra_info("socket")
    if transport.get_extra_info("sslcontext") is None and isinstance(found, TransportSocket):
        return found
    return None


class Sending:
    """One message. `start` it; `go_on` whenever the transport's buffer has become empty."""

    __slots__ = ("_at", "_done", "_left", "_message", "_on_over", "_socket", "_timer", "_transport")

    def __init__(
        self,
        transport: asyncio.Transport,
        connection: TransportSocket,
        message: FileMessage,
        on_over: Callable[[], None],
    ) -> None:
        """`connection`: the socket of the transport, which has nothing left to write."""
        self._transport = transport
        self._socket = connection
        self._message = message
        self._on_over = on_over
        self._at = message.offset
        self._left = message.length
        self._timer: asyncio.TimerHandle | None = None
        self._done = False

    def start(self) -> None:
        """Send what the socket takes."""
        cork(self._socket, True)
        try:
            self._transport.write(self._message.head)
            self.go_on()
        finally:
            cork(self._socket, False)

    def go_on(self) -> None:
        """Send what the socket takes more."""
        if self._done:
            return
        try:
            self._fill()
        except OSError as error:
            self._end(error)
        else:
            if not self._left:
                self._end(None)

    def cancel(self) -> None:
        """The connection ends."""
        self._end(ConnectionResetError("connection lost"))

    def _fill(self) -> None:
        transport, descriptor = self._transport, self._message.descriptor
        enough = self._left - TURN_BYTES
        while self._left > 0:
            if transport.is_closing():
                raise ConnectionResetError("connection lost")
            if transport.get_write_buffer_size():
                self._wait()
                return
            if self._left <= enough:
                self._wait()
                asyncio.get_running_loop().call_soon(self.go_on)
                return
            try:
                size = min(self._left, TURN_BYTES)
                sent = os.sendfile(self._socket.fileno(), descriptor, self._at, size)
            except BlockingIOError:
                self._wait()  # before the write: it must be told of
                piece = os.pread(descriptor, min(self._left, PIECE_BYTES), self._at)
                sent = len(piece)
                transport.write(piece)
            if not sent:
                raise OSError("it is shorter than it was")
            self._at += sent
            self._left -= sent

    def _wait(self) -> None:
        """From now on the client is behind: it has so long, and asks for nothing meanwhile."""
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(SEND_TIMEOUT_SECONDS, self._end, TimeoutError())
            self._transport.pause_reading()
            self._transport.set_write_buffer_limits(0)

    def _end(self, error: OSError | None) -> None:
        if self._done:
            return
        self._done = True
        if self._timer is not None:
            self._timer.cancel()
            self._transport.set_write_buffer_limits()
            self._transport.resume_reading()
        if error is not None:
            self._transport.abort()
        self._message.on_end(self._message.length - self._left, error)
        self._on_over()
