"""Typed messages between the processes of a streamer, over a Unix socket.

On the wire: a preamble (`side.py`), then frames: length (big-endian, 32 bits) and the message as
MessagePack. What is sent in one turn of the event loop, in answer to what arrived together, or
within a `batch` goes out in one write, and the other side takes all that has arrived in one
wake-up: a wake-up costs more than a message.

A sender never waits: what the other side does not take in time is bounded by `max_pending_bytes`,
and a channel over its bound is closed, because a stuck process is cured by a restart, not by
memory. A message that is too long, cut off or of no known kind ends the channel it came by, with
one line in the log, and nothing else.
"""

import asyncio
import contextlib
import logging
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

import msgspec

from media_streamer.wire import encoding
from media_streamer.wire.side import MAGIC, PREAMBLE_BYTES, Side

log = logging.getLogger(__name__)

Said = TypeVar("Said")
Heard = TypeVar("Heard")
Heard_contra = TypeVar("Heard_contra", contravariant=True)

LENGTH_BYTES = 4
MAX_MESSAGE_BYTES = 64 * 1024 * 1024
"""A directory of 10,000 streams fits many times."""
MAX_PENDING_BYTES = 64 * 1024 * 1024
CLOSE_SECONDS = 1.0


class Credentials(NamedTuple):
    """Of who has the other end of a Unix socket, at the time when it was connected."""

    pid: int
    """As this process sees it; 0: it is in no namespace of ours."""
    uid: int


def credentials_of(way: socket.socket) -> Credentials:
    """SO_PEERCRED (unix(7)): no word of the other end. Raises OSError."""
    form = struct.Struct("3i")
    pid, uid, _ = form.unpack(way.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, form.size))
    return Credentials(pid, uid)


class ChannelClosed(Exception):  # noqa: N818 - a state, not an error of the caller
    """The other side is gone, is too slow, or does not speak as it should."""


AnyChannel: TypeAlias = "Channel[Any, Any]"


class _Outbox:
    """Channels that have something to write, of this process."""

    def __init__(self) -> None:
        self.depth = 0
        """How many batches are open."""
        self._waiting: list[AnyChannel] = []

    def add(self, channel: "AnyChannel") -> None:
        if not self._waiting and not self.depth:
            asyncio.get_running_loop().call_soon(self.flush)
        self._waiting.append(channel)

    def flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        for channel in waiting:
            channel.flush()


_outbox = _Outbox()


@contextlib.contextmanager
def batch() -> Iterator[None]:
    """What is sent in here goes out at its end, in one write a channel."""
    _outbox.depth += 1
    try:
        yield
    finally:
        _outbox.depth -= 1
        if not _outbox.depth:
            _outbox.flush()


class Receiver(Protocol[Heard_contra]):
    """Whose channel it is."""

    def on_message(self, message: Heard_contra) -> None:
        """One message; must not wait. What it raises is logged and ends nothing."""

    def on_closed(self, reason: str) -> None:
        """The last call."""


class Channel(asyncio.Protocol, Generic[Said, Heard]):
    """A connected socket. `said` and `heard` are the unions of its `Side`."""

    def __init__(
        self,
        side: Side[Said, Heard],
        receiver: Receiver[Heard],
        *,
        max_pending_bytes: int = MAX_PENDING_BYTES,
    ) -> None:
        self._side = side
        self._receiver = receiver
        self._max_pending_bytes = max_pending_bytes
        self._transport: asyncio.Transport | None = None
        self._reason = ""
        self.foreigner: Credentials | None = None
        """Who is there, if it is of another version of this program."""
        self._out = bytearray()
        self._rest = bytearray()
        """Bytes of a frame that is not all there."""
        self._needed = PREAMBLE_BYTES
        """Bytes that have to be there before it is worth looking."""
        self._greeted = False
        self._can_write: asyncio.Event = asyncio.Event()
        self._can_write.set()
        self._lost = asyncio.Event()

    @property
    def closed(self) -> bool:
        return self._transport is None or self._transport.is_closing()

    @property
    def credentials(self) -> Credentials:
        """Who connected, by the kernel's word; nobody (0, -1) once the channel is closed."""
        way = self._transport.get_extra_info("socket") if self._transport is not None else None
        return credentials_of(way) if way is not None else Credentials(0, -1)

    @property
    def pending_bytes(self) -> int:
        """Bytes that were sent here and that the other side has not taken yet."""
        waiting = self._transport.get_write_buffer_size() if self._transport is not None else 0
        return waiting + len(self._out)

    @property
    def is_full(self) -> bool:
        """The other side does not keep up; whoever can wait should `drain`."""
        return not self._can_write.is_set()

    def send(self, message: Said) -> None:
        """Queue one message; raises ChannelClosed if the other side is gone or too slow."""
        if self.closed:
            raise ChannelClosed(self._reason or "channel is closed")
        out = self._out
        if not out:
            _outbox.add(self)
        start = len(out)
        out += bytes(LENGTH_BYTES)
        try:
            encoding.append(message, out)
            length = len(out) - start - LENGTH_BYTES
            if length > MAX_MESSAGE_BYTES:
                raise ValueError(f"{type(message).__name__} of {length} bytes")
        except BaseException:
            del out[start:]
            raise
        out[start : start + LENGTH_BYTES] = length.to_bytes(LENGTH_BYTES)
        if self.pending_bytes > self._max_pending_bytes:
            self._end(f"the other side does not read: {self._max_pending_bytes} bytes wait")
            raise ChannelClosed(self._reason)

    def flush(self) -> None:
        """Write what was said so far; this happens by itself at the end of the batch or turn."""
        out, self._out = self._out, bytearray()
        if out and self._transport is not None and not self._transport.is_closing():
            self._transport.write(out)

    async def drain(self) -> None:
        """Wait until the other side has taken most of what was sent; raises ChannelClosed."""
        self.flush()
        await self._can_write.wait()
        if self.closed:
            raise ChannelClosed(self._reason or "channel is closed")

    async def close(self) -> None:
        """Send what waits and close; returns when the socket is closed."""
        self.flush()
        if self._transport is not None:
            self._transport.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._lost.wait()
            self._transport.abort()

    def abort(self, reason: str) -> None:
        """Close at once; the receiver is told `reason` later."""
        self._end(reason)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._side.preamble)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._reason and self._rest:
            self._refuse(f"it was cut off inside a message, after {len(self._rest)} bytes")
        self._reason = self._reason or "the other side closed it"
        self._rest.clear()
        self._can_write.set()
        self._lost.set()
        self._receiver.on_closed(self._reason)

    def pause_writing(self) -> None:
        self._can_write.clear()

    def resume_writing(self) -> None:
        self._can_write.set()

    def data_received(self, data: bytes) -> None:
        rest = self._rest
        if rest:
            rest += data
            if len(rest) < self._needed:
                return
            data, self._rest = bytes(rest), bytearray()
        with batch():
            position = self._take(data)
        if position < len(data) and not self.closed:
            self._rest += memoryview(data)[position:]

    def _take(self, data: bytes) -> int:
        """Handle the whole frames of `data`; where the first one begins that is cut off."""
        position, available = 0, len(data)
        if not self._greeted:
            if not self._is_greeting(data):
                return 0
            position = PREAMBLE_BYTES
        view = memoryview(data)
        decode = self._side.decoder.decode
        while position + LENGTH_BYTES <= available:
            start = position + LENGTH_BYTES
            length = int.from_bytes(view[position:start])
            if length > MAX_MESSAGE_BYTES:
                self._refuse(f"a message of {length} bytes is refused")
                return position
            if start + length > available:
                self._needed = LENGTH_BYTES + length
                return position
            try:
                message = decode(view[start : start + length])
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                self._refuse(f"a message is broken or of no known kind: {error}")
                return position
            position = start + length
            self._hand_over(message)
            if self.closed:
                return position
        self._needed = 0
        return position

    def _is_greeting(self, data: bytes) -> bool:
        ours = self._side.preamble
        if not data.startswith(MAGIC[: len(data)]):
            self._refuse("whoever is there does not speak this protocol")
        elif len(data) >= PREAMBLE_BYTES:
            if data.startswith(ours):
                self._greeted = True
                return True
            self.foreigner = self.credentials
            self._refuse("the process there is of another version of this program; restart it")
        return False

    def _hand_over(self, message: Heard) -> None:
        try:
            self._receiver.on_message(message)
        except Exception:
            log.exception("%s: message %s failed", self._side.name, type(message).__name__)

    def _refuse(self, reason: str) -> None:
        log.error("%s: %s; the channel is closed", self._side.name, reason)
        self._end(reason)

    def _end(self, reason: str) -> None:
        self._reason = self._reason or reason
        self._out.clear()
        if self._transport is not None:
            self._transport.abort()


async def connect(
    path: Path, side: Side[Said, Heard], receiver: Receiver[Heard], *, timeout_seconds: float = 5.0
) -> Channel[Said, Heard]:
    """Connect to a listening process; raises OSError or TimeoutError."""
    loop = asyncio.get_running_loop()
    # Not wait_for: before Python 3.12 it loses a cancellation that comes as the connection fails.
    async with asyncio.timeout(timeout_seconds):
        _, channel = await loop.create_unix_connection(lambda: Channel(side, receiver), str(path))
    return channel


async def listen(path: Path, accept: Callable[[], Channel[Said, Heard]]) -> asyncio.Server:
    """Let processes connect; `accept` makes the channel of each."""
    return await asyncio.get_running_loop().create_unix_server(accept, str(path))
