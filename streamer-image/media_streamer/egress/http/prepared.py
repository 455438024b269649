"""Answers whose head and body are bytes already: one write, and nothing is put together again.

aiohttp's Response takes longer to write its head than a playlist takes to be found. The same bytes
serve all who ask alike; only what depends on the moment and on the connection is added.
"""

from collections.abc import Mapping

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.helpers import rfc822_formatted_time
from aiohttp.http import HttpVersion11

from media_streamer.egress.http.request import CORS


class Message:
    """Head and body of an answer with status 200."""

    __slots__ = ("_head", "body")

    def __init__(self, body: bytes, content_type: str, cache: str, **more: str) -> None:
        """`more`: further headers, with `_` for `-`."""
        headers: Mapping[str, str] = {
            **CORS,
            "Content-Type": content_type,
            "Cache-Control": cache,
            **{name.replace("_", "-"): value for name, value in more.items()},
            "Content-Length": str(len(body)),
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._head = f"HTTP/1.1 200 OK\r\n{lines}Date: ".encode("latin-1")
        self.body = body

    def bytes(self, request: web.BaseRequest, keep_alive: bool) -> bytes:
        """What goes to the client now."""
        end = _END
        if request.version != HttpVersion11:
            end = _KEEP_ALIVE if keep_alive else _END
        elif not keep_alive:
            end = _CLOSE
        date = rfc822_formatted_time().encode()
        if request.method == "HEAD":
            return b"".join((self._head, date, end))
        return b"".join((self._head, date, end, self.body))


_END = b"\r\n\r\n"
_KEEP_ALIVE = b"\r\nConnection: keep-alive\r\n\r\n"
_CLOSE = b"\r\nConnection: close\r\n\r\n"


class Prepared(web.StreamResponse):
    """A message on its way to one client."""

    def __init__(self, message: Message) -> None:
        # Not that of the base class: there is no head to be put together.
        self._message = message
        self._status = 200
        self._body_length = len(message.body)

    @property
    def prepared(self) -> bool:
        return self._eof_sent

    @property
    def keep_alive(self) -> bool | None:
        return self._keep_alive

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Send it; raises ConnectionResetError if the client has gone."""
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("connection lost")
        self._keep_alive = keep_alive = request.keep_alive
        transport.write(self._message.bytes(request, keep_alive))
        self._eof_sent = True
        if transport.get_write_buffer_size():
            # A client that asks and does not read gets no further answer before it does.
            await request._payload_writer.drain()
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """All has been sent."""
