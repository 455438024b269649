"""Responses without an end: the head here, the body written straight to the socket.

No length and no chunked framing (`Connection: close` delimits the body, RFC 9112 section 6.3), so
that the bytes on the wire are the same for all viewers and are shared by them.
"""

from aiohttp import web
from multidict import CIMultiDict

from media_streamer.egress.access import Access
from media_streamer.egress.broadcast import Format, Framing
from media_streamer.egress.http.request import CORS
from media_streamer.egress.hub import Hub


class EndlessResponse(web.StreamResponse):
    """A body that ends with the connection."""

    _length_check = False  # what aiohttp itself does for WebSockets: neither length nor chunks

    def __init__(self, content_type: str) -> None:
        headers = CIMultiDict(CORS)
        headers["Content-Type"] = content_type
        headers["Cache-Control"] = "no-store"
        super().__init__(headers=headers)
        self.force_close()


async def send_broadcast(
    hub: Hub,
    request: web.BaseRequest,
    access: Access,
    format_name: Format,
    content_type: str,
    framing: type[Framing] | None = None,
    *,
    tracks: tuple[str, ...] = (),
) -> web.StreamResponse:
    """Play a broadcast to the client until one of both ends.

    `tracks`: names of those that are wanted, empty for all.
    """
    response = EndlessResponse(content_type)
    if request.method == "HEAD":
        hub.give_up(access, "head sent")
        return response
    broadcast = await hub.broadcast(access, format_name, framing, tracks=tracks)
    try:
        await response.prepare(request)
    except BaseException:
        hub.give_up(access, "client closed")
        raise
    if request.transport is None:
        hub.give_up(access, "client closed")
        return response
    viewer = broadcast.attach(request.transport, access)
    try:
        await viewer.closed
    finally:
        # The connection was lost, or the server stops: the handler is cancelled.
        viewer.detach("client closed")
    return response
