"""Answers whose head and body are bytes already: one write, and nothing is put together again.

aiohttp's Response takes longer to write its head than a playlist takes to be found. The same bytes
serve all who ask alike; only what depends on the moment and on the connection is added.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.helpers import rfc822_formatted_time
from aiohttp.http import HttpVersion11

from media_streamer.egress.http.connection import Connection
from media_streamer.egress.http.more_headers import with_headers
from media_streamer.egress.http.request import CORS

if TYPE_CHECKING:
    from media_streamer.egress.http.quick_segments import Folder

NOTHING: Mapping[str, str] = {}


def head_bytes(status: int, headers: Mapping[str, str]) -> bytes:
    """A head up to its date, which comes last. Raises ValueError if a value would end its line."""
    if any("\r" in value or "\n" in value for value in headers.values()):
        raise ValueError("a header has more than one line")
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{lines}Date: "
    return head.encode(errors="surrogateescape")


def date_bytes() -> bytes:
    """What a head has as its date now."""
    return rfc822_formatted_time().encode()


class Message:
    """Head and body of an answer with status 200."""

    __slots__ = ("_head", "_whole", "body")

    def __init__(self, body: bytes, content_type: str, cache: str, **more: str) -> None:
        """`more`: further headers, with `_` for `-`."""
        headers: Mapping[str, str] = {
            **CORS,
            "Content-Type": content_type,
            "Cache-Control": cache,
            **{name.replace("_", "-"): value for name, value in more.items()},
            "Content-Length": str(len(body)),
        }
        self._head = head_bytes(200, headers)
        self._whole = b"", b"", b""
        """Date and end of a head, and the whole message with them."""
        self.body = body

    def whole(self, end: bytes) -> bytes:
        """The same bytes for all who are answered within a second: hundreds at once get what lies
        in the processor's cache."""
        date = date_bytes()
        if self._whole[:2] != (date, end):
            self._whole = date, end, self.bytes(end, True)
        return self._whole[2]

    def bytes(self, end: bytes, with_body: bool, more: Mapping[str, str] = NOTHING) -> bytes:
        """What goes to the client now; `end` of the head is that of its connection."""
        head = with_headers(self._head, more) if more else self._head
        return b"".join((head, date_bytes(), end, self.body if with_body else b""))


def _end(request: web.BaseRequest, keep_alive: bool) -> bytes:
    """The end of a head."""
    if request.version != HttpVersion11:
        return _KEEP_ALIVE if keep_alive else _END
    return _END if keep_alive else _CLOSE


_END = b"\r\n\r\n"
_KEEP_ALIVE = b"\r\nConnection: keep-alive\r\n\r\n"
_CLOSE = b"\r\nConnection: close\r\n\r\n"


class Ready(web.StreamResponse):
    """An answer that writes its own head: what aiohttp asks of one, and no more."""

    more: Mapping[str, str] = NOTHING
    """Headers in place of its own (`more_headers`)."""

    def __init__(self, status: int, length: int) -> None:
        # Not that of the base class: there is no head to be put together.
        self._status = status
        self._body_length = length

    @property
    def prepared(self) -> bool:
        return self._eof_sent

    @property
    def keep_alive(self) -> bool | None:
        return self._keep_alive

    def end_of_head(self, request: web.BaseRequest) -> bytes:
        """What follows the date; whether the connection stays is decided with it."""
        if self._keep_alive is None:  # else somebody has decided that it ends with this answer
            self._keep_alive = request.keep_alive
        keep_alive = bool(self._keep_alive)
        return _end(request, keep_alive)

    async def write_eof(self, data: bytes = b"") -> None:
        """All has been sent."""


class Prepared(Ready):
    """A message on its way to one client."""

    on_again: Callable[[], None] | None = None
    """Called whenever the same was sent once more."""
    folder: "Folder | None" = None
    """What else can be answered without a handler from now on."""

    def __init__(self, message: Message, again: Callable[[], bool] | None = None) -> None:
        """`again`: whether the same may be sent for the same request once more; it counts as
        another request."""
        super().__init__(200, len(message.body))
        self._message = message
        self._again = again

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Send it; raises ConnectionResetError if the client has gone."""
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("connection lost")
        end = self.end_of_head(request)
        message, with_body, more = self._message, request.method != "HEAD", self.more
        transport.write(message.bytes(end, with_body, more))
        self._eof_sent = True
        again, connection = self._again, request.protocol
        if again is not None and self._keep_alive and isinstance(connection, Connection):
            on_again = self.on_again

            def repeat() -> bytes | None:
                if not again():
                    return None
                if on_again is not None:
                    on_again()
                return message.bytes(end, with_body, more)

            connection.answered(repeat)
        if transport.get_write_buffer_size():
            # A client that asks and does not read gets no further answer before it does.
            await request._payload_writer.drain()
        return None
