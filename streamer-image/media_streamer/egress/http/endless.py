"""Responses without an end: the head here, the body written straight to the socket.

No length and no chunked framing (`Connection: close` delimits the body, RFC 9112 section 6.3), so
that the bytes on the wire are the same for all viewers and are shared by them. What is played out
of an archive may end, and is one viewer's alone: it is chunked, and clients see that it is whole.
"""

import asyncio

from aiohttp import HttpVersion11, web
from multidict import CIMultiDict

from media_streamer.egress.access import Access
from media_streamer.egress.broadcast import Format, Framing
from media_streamer.egress.http.request import CORS, MORE
from media_streamer.egress.hub import Hub
from media_streamer.presentation.moments import Moment


class EndlessResponse(web.StreamResponse):
    """A body that ends with the connection."""

    _length_check = False  # what aiohttp itself does for WebSockets: neither length nor chunks

    def __init__(self, content_type: str) -> None:
        headers = CIMultiDict(CORS)
        headers["Content-Type"] = content_type
        headers["Cache-Control"] = "no-store"
        super().__init__(headers=headers)
        self.force_close()


class Chunked:
    """A connection on which each write is a chunk (RFC 9112 section 7.1)."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.get_write_buffer_size = transport.get_write_buffer_size
        self.is_closing = transport.is_closing
        self.abort = transport.abort

    def write(self, data: bytes) -> None:
        if data:
            self._transport.write(b"%x\r\n%b\r\n" % (len(data), data))


async def send_broadcast(
    hub: Hub,
    request: web.BaseRequest,
    access: Access,
    format_name: Format,
    content_type: str,
    framing: type[Framing] | None = None,
    *,
    tracks: tuple[str, ...] = (),
    moment: Moment | None = None,
) -> web.StreamResponse:
    """Play a broadcast to the client until one of both ends.

    `tracks`: names of those that are wanted, empty for all. `moment`: of the archive.
    """
    response = EndlessResponse(content_type)
    ends = moment is not None or bool(access.config.file)
    chunked = ends and request.version >= HttpVersion11
    if chunked:
        response.enable_chunked_encoding()
    if (more := request.get(MORE)) is not None:
        response.headers.update(more.lists)
    if request.method == "HEAD":
        hub.give_up(access, "head sent")
        return response
    if moment is not None:
        broadcast = await hub.replay(access, format_name, moment, framing, tracks=tracks)
    else:
        broadcast = await hub.broadcast(access, format_name, framing, tracks=tracks)
    try:
        await response.prepare(request)
    except BaseException:
        hub.give_up(access, "client closed")
        broadcast.let_go()
        raise
    if request.transport is None:
        hub.give_up(access, "client closed")
        broadcast.let_go()
        return response
    transport = request.transport
    viewer = broadcast.attach(Chunked(transport) if chunked else transport, access)
    try:
        await viewer.closed
    finally:
        # The connection was lost, or the server stops: the handler is cancelled.
        viewer.detach("client closed")
        broadcast.let_go()
    return response
