"""A head and parts of an open file on their way to a client, from the callbacks of its connection.

Role: the body of an answer whose bytes lie in a file. Most are in the socket's buffer before
`start` returns; for the rest the socket itself is watched, by a descriptor of its own, for asyncio
lets nobody watch that of a transport.

What lies together goes by sendfile; small parts are written together out of the file's mapping,
which is one copy in one call.

Invariants: `on_end` is called once, however it ends; nothing else is written to the transport and
nothing is read from it before; nothing is held for a client that is behind; a body that cannot be
completed, or whose file changed meanwhile, ends with the connection, so that the client sees that
it is not whole.
"""

import asyncio
import contextlib
import os
import socket
from asyncio.trsock import TransportSocket
from collections.abc import Callable, Sequence

from media_streamer.egress.http.files import SEND_TIMEOUT_SECONDS
from media_streamer.files.gathered import Body, Mapped, Places, Sent
from media_streamer.files.samples import Span

TURN_BYTES = 4 * 1024 * 1024
"""Of one client, before the others have their turn."""
SHORTER = "it is shorter than it was"
MAX_BUFFERS = 1000
"""In one call; the kernel takes 1024."""


class FileMessage:
    """The bytes of a head, and what follows it. Whoever makes it keeps the file open until the
    end; `descriptor` is of no meaning where there are no parts."""

    __slots__ = (
        "begin",
        "descriptor",
        "head",
        "is_unchanged",
        "length",
        "mapped",
        "on_end",
        "parts",
    )

    def __init__(
        self,
        head: bytes,
        descriptor: int,
        parts: Sequence[Sent],
        length: int,
        on_end: Callable[[int, OSError | None], None],
        *,
        begin: Body = b"",
        mapped: Mapped | None = None,
        is_unchanged: Callable[[], bool] | None = None,
    ) -> None:
        """The body is `begin` and then `parts`, together `length` bytes. `mapped`: gives places of
        the file as it is mapped, where some parts are small ones. `is_unchanged`: looked at before
        the last part goes out, which is a small one then.

        `on_end` is told how many bytes of the body went out, and what ended it early:
        TimeoutError, ConnectionError, or another OSError of the file.
        """
        self.head = head
        self.begin = begin
        self.descriptor = descriptor
        self.parts = parts
        self.length = length
        self.on_end = on_end
        self.mapped = mapped
        self.is_unchanged = is_unchanged


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


def send_at_once(connection: TransportSocket, message: FileMessage) -> int:
    """Send a head and what is sent in one call of the kernel behind it, as almost all messages
    are: one place of a file, or many small ones and the end. How many bytes the socket took.

    0: it is another message, or the socket is full. Costs a fraction of what a `Sending` does,
    which goes on where the socket took not all (`skip`). Raises OSError.
    """
    parts = message.parts
    if len(parts) == 1 and isinstance(parts[0], Span) and not message.begin:
        return _place_at_once(connection, message, parts[0])
    if len(parts) == 2 and message.is_unchanged is not None:
        most, end = parts
        if not isinstance(most, Span) and not isinstance(end, Span) and len(most) < MAX_BUFFERS - 1:
            return _places_at_once(connection, message, most, end)
    return 0


def _place_at_once(connection: TransportSocket, message: FileMessage, part: Span) -> int:
    target, sent = connection.fileno(), 0
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    try:
        sent = os.write(target, message.head)
        if sent == len(message.head):
            size = min(part.size, TURN_BYTES)
            of_body = os.sendfile(target, message.descriptor, part.offset, size)
            if not of_body and size:
                raise OSError(SHORTER)
            sent += of_body
    except BlockingIOError:
        pass
    finally:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
    return sent


def _places_at_once(
    connection: TransportSocket, message: FileMessage, most: Places, end: Places
) -> int:
    target, sent = connection.fileno(), 0
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)  # the end is no packet of its own
    try:
        sent = os.writev(target, [message.head, message.begin, *_mapped(message, most)])
        last = sum(size for _, size in end)
        if sent == len(message.head) + message.length - last:
            sent += os.writev(target, _read_unchanged(message, end))
    except BlockingIOError:
        pass
    finally:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
    return sent


def _mapped(message: FileMessage, places: Places) -> list[memoryview]:
    """Only the kernel reads the mapping: where the file has become shorter it says so, and a reader
    of ours would be killed."""
    assert message.mapped is not None  # whoever has small parts has it mapped
    return message.mapped(places)


def _read_unchanged(message: FileMessage, places: Places) -> list[bytes]:
    """Read, then looked at, then sent: so a body is whole only if nothing changed. Raises
    OSError."""
    found = [os.pread(message.descriptor, size, offset) for offset, size in places]
    if message.is_unchanged is not None and not message.is_unchanged():
        raise OSError("it was changed")
    return found


class Sending:
    """One message. `start` it; `go_on` whenever the transport's buffer has become empty."""

    __slots__ = (
        "_at",
        "_buffers",
        "_done",
        "_left",
        "_message",
        "_on_over",
        "_part",
        "_pauses",
        "_size",
        "_socket",
        "_span_left",
        "_timer",
        "_transport",
        "_watched",
        "error",
    )

    def __init__(
        self,
        transport: asyncio.Transport,
        connection: TransportSocket,
        message: FileMessage,
        on_over: Callable[[], None],
        *,
        pauses: bool = True,
    ) -> None:
        """`connection`: the socket of the transport. `pauses`: nothing is read meanwhile."""
        self._transport = transport
        self._socket = connection
        self._message = message
        self._on_over = on_over
        self._pauses = pauses
        self._buffers: list[Body] = [one for one in (message.head, message.begin) if one]
        """What is to be written next, and then"""
        self._at = self._span_left = 0
        """what is to be sent of the file."""
        self._part = 0
        """The first that is in neither."""
        self._left = self._size = len(message.head) + message.length
        self._timer: asyncio.TimerHandle | None = None
        self._watched = -1
        self._done = False
        self.error: OSError | None = None
        """What ended it early."""

    @property
    def is_over(self) -> bool:
        return self._done

    def skip(self, sent: int) -> None:
        """So many bytes are gone already, as `send_at_once` says."""
        self._left -= sent
        try:
            while sent:
                if not self._buffers and not self._span_left:
                    self._take()
                if self._buffers:
                    size = min(sent, sum(map(len, self._buffers)))
                    self._drop(size)
                else:
                    size = min(sent, self._span_left)
                    self._at += size
                    self._span_left -= size
                sent -= size
        except OSError as error:
            self._end(error)

    def start(self) -> None:
        """Send what the socket takes."""
        by_file = self._buffers and any(isinstance(part, Span) for part in self._message.parts)
        if by_file:
            cork(self._socket, True)  # the head goes with what follows
        try:
            self.go_on()
        finally:
            if by_file:
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
        transport, enough = self._transport, self._left - TURN_BYTES
        while self._left > 0:
            if transport.is_closing():
                raise ConnectionResetError("connection lost")
            if transport.get_write_buffer_size():
                self._wait()
                transport.set_write_buffer_limits(0)  # and tell when that is gone
                return
            if self._left <= enough:
                self._wait()
                asyncio.get_running_loop().call_soon(self.go_on)
                return
            try:
                self._left -= self._send()
            except BlockingIOError:
                self._wait()
                self._watch()
                return

    def _send(self) -> int:
        """One call of the kernel; raises BlockingIOError if the socket is full."""
        if not self._buffers and not self._span_left:
            self._take()
        target = self._socket.fileno()
        if not self._buffers:
            size = min(self._span_left, TURN_BYTES)
            sent = os.sendfile(target, self._message.descriptor, self._at, size)
            if not sent:
                raise OSError(SHORTER)
            self._at += sent
            self._span_left -= sent
            return sent
        is_last = self._part == len(self._message.parts)
        if len(self._buffers) <= 2 and not self._span_left and not is_last:
            self._take()  # with the head in one call
        sent = os.writev(target, self._buffers[:MAX_BUFFERS])
        self._drop(sent)
        return sent

    def _take(self) -> None:
        """The next part."""
        message = self._message
        if self._part == len(message.parts):
            raise OSError(SHORTER)
        part = message.parts[self._part]
        self._part += 1
        if isinstance(part, Span):
            self._at, self._span_left = part
        elif self._part < len(message.parts) or message.is_unchanged is None:
            self._buffers += _mapped(message, part)
        else:
            self._buffers += _read_unchanged(message, part)

    def _drop(self, sent: int) -> None:
        """That many bytes of the buffers are gone."""
        buffers, number = self._buffers, 0
        while number < len(buffers) and sent >= len(buffers[number]):
            sent -= len(buffers[number])
            number += 1
        del buffers[:number]
        if sent:
            buffers[0] = memoryview(buffers[0])[sent:]

    def _wait(self) -> None:
        """From now on the client is behind: it has so long, and asks for nothing meanwhile."""
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(SEND_TIMEOUT_SECONDS, self._end, TimeoutError())
            if self._pauses:
                self._transport.pause_reading()

    def _watch(self) -> None:
        """Go on as soon as the socket takes more."""
        if self._watched < 0:
            self._watched = os.dup(self._socket.fileno())
            asyncio.get_running_loop().add_writer(self._watched, self.go_on)

    def _end(self, error: OSError | None) -> None:
        if self._done:
            return
        self._done = True
        self.error = error
        if self._watched >= 0:
            asyncio.get_running_loop().remove_writer(self._watched)
            os.close(self._watched)
        if self._timer is not None:
            self._timer.cancel()
            self._transport.set_write_buffer_limits()
            if self._pauses:
                self._transport.resume_reading()
        self._buffers.clear()
        if error is not None:
            self._transport.abort()
        body = max(0, self._size - self._left - len(self._message.head))
        self._message.on_end(body, error)
        self._on_over()
