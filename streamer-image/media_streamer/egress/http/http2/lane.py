"""An HTTP/1.1 connection inside of an HTTP/2 one: to aiohttp it is a transport like any other.

A lane takes exchanges one after the other, so that what a connection keeps (the answers that it can
repeat) is kept here too. What the peer's window has no room for waits in the lane and counts as
written but not sent, by which broadcasts bound their viewers.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from aiohttp import web

from media_streamer.egress.http.http2.translation import (
    END,
    AnswerReader,
    BadAnswer,
    Head,
    HeaderList,
    Request,
)

HIGH_BYTES, LOW_BYTES = 256 * 1024, 64 * 1024
"""Who writes is asked to wait above the first, until there is less than the second."""


class Outer(Protocol):
    """What a lane needs of its connection."""

    transport: asyncio.Transport

    def send_head(self, stream: int, headers: HeaderList) -> None: ...

    def send_data(self, stream: int, data: bytes, *, end: bool) -> int:
        """Bytes of `data` for which there is room now; `end`: nothing follows them."""

    def reset(self, stream: int) -> None:
        """The exchange ends without its answer."""

    def acknowledge(self, stream: int, size: int) -> None:
        """So much of the request's body was taken: as much may come."""

    def is_free(self, lane: "Lane", stream: int) -> None:
        """The answer was sent; the lane can take another exchange unless it is closing."""

    def is_lost(self, lane: "Lane") -> None:
        """The lane is closed."""


class Lane(asyncio.Transport):
    """See above. Made by `Http2Connection`."""

    def __init__(self, outer: Outer, make: Callable[[], web.RequestHandler]) -> None:
        super().__init__()
        self._outer = outer
        self._loop = asyncio.get_running_loop()
        self._stream = 0
        self._reader: AnswerReader | None = None
        self._chunked = False
        self._body_done = True
        self._queue: deque[bytes] = deque()
        self._queued = 0
        self._complete = False
        """The whole answer is in the queue or sent."""
        self._writer_waits = False
        self._reading_paused = False
        self._unacknowledged = 0
        self._closed = False
        self._handler = make()
        self._handler.connection_made(self)

    # Of the HTTP/2 connection

    @property
    def stream(self) -> int:
        """Number of the exchange, 0 between two."""
        return self._stream

    def begin(self, stream: int, request: Request, *, ended: bool) -> None:
        """Take a request; `ended`: it has no body."""
        self._stream = stream
        self._reader = AnswerReader(request.is_head)
        self._chunked = request.chunked
        self._complete = False
        self._body_done = ended
        self._handler.data_received(request.head)

    def take_body(self, data: bytes, size: int) -> None:
        """A piece of the request's body, which counts for `size` in the window."""
        if data and not self._closed:
            chunk = b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data
            self._handler.data_received(chunk)
        self._unacknowledged += size
        self._acknowledge()

    def end_body(self) -> None:
        """The request is complete."""
        if not self._body_done and self._chunked and not self._closed:
            self._handler.data_received(b"0\r\n\r\n")
        self._body_done = True

    def pump(self) -> None:
        """Send what there is room for."""
        if not self._stream:
            return
        while self._queue:
            data = self._queue[0]
            last = self._complete and len(self._queue) == 1
            sent = self._outer.send_data(self._stream, data, end=last)
            self._queued -= sent
            if sent < len(data):
                self._queue[0] = data[sent:]
                break
            self._queue.popleft()
            if last:
                self._free()
                return
        if self._writer_waits and self._queued <= LOW_BYTES:
            self._writer_waits = False
            self._handler.resume_writing()

    def lose(self) -> None:
        """The peer gave the exchange up, or the connection is gone."""
        self._leave()
        self._shut()

    # Of aiohttp

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closed or self._reader is None or not self._stream:
            return
        try:
            for part in self._reader.feed(bytes(data)):
                if isinstance(part, Head):
                    self._outer.send_head(self._stream, part.headers)
                elif part == END:
                    self._finish()
                else:
                    assert isinstance(part, bytes)
                    self._queue.append(part)
                    self._queued += len(part)
        except BadAnswer:
            self.abort()
            return
        self.pump()
        if self._queued > HIGH_BYTES and not self._writer_waits and not self._closed:
            self._writer_waits = True
            self._handler.pause_writing()

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.write(b"".join(list_of_data))

    def close(self) -> None:
        if self._closed:
            return
        if self._stream and not self._complete:
            if self._reader is not None and self._reader.is_open:
                self._finish()
                self.pump()
            else:
                self._outer.reset(self._leave())
        self._shut()

    def abort(self) -> None:
        if self._closed:
            return
        if self._stream:
            self._outer.reset(self._leave())
        self._shut()

    def is_closing(self) -> bool:
        return self._closed

    def get_write_buffer_size(self) -> int:
        return self._queued + self._outer.transport.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        # With "sslcontext" nobody tries to have the kernel send files.
        return self._outer.transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        self._reading_paused = True

    def resume_reading(self) -> None:
        self._reading_paused = False
        self._acknowledge()

    def is_reading(self) -> bool:
        return not self._reading_paused

    def can_write_eof(self) -> bool:
        return False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """The bounds are ours."""

    def _acknowledge(self) -> None:
        if self._unacknowledged and not self._reading_paused and self._stream:
            self._outer.acknowledge(self._stream, self._unacknowledged)
            self._unacknowledged = 0

    def _leave(self) -> int:
        """The exchange is over; its number."""
        self._reading_paused = False
        self._acknowledge()  # the window of the connection is shared by all
        stream, self._stream = self._stream, 0
        self._reader = None
        return stream

    def _finish(self) -> None:
        """Nothing comes behind what is in the queue."""
        self._complete = True
        self._queue.append(b"")  # carries the end

    def _free(self) -> None:
        stream = self._leave()
        if not self._body_done:
            self._shut()  # nobody knows where the rest of the request would end
        self._outer.is_free(self, stream)

    def _shut(self) -> None:
        if self._closed:
            return
        self._closed = True
        if not self._stream:
            self._queue.clear()
            self._queued = 0
        self._loop.call_soon(self._handler.connection_lost, None)
        self._outer.is_lost(self)
