"""`GET /NAME/mpegts`: the stream as endless MPEG-TS."""

from aiohttp import web

from media_streamer.egress.http.endless import send_broadcast
from media_streamer.egress.http.request import MediaRequest
from media_streamer.egress.hub import Hub

CONTENT_TYPE = "video/mp2t"
PROTO = "tshttp"


async def play(hub: Hub, request: MediaRequest) -> web.StreamResponse:
    access = await hub.access(request.access_request(PROTO))
    return await send_broadcast(hub, request.http, access, "ts", CONTENT_TYPE)
