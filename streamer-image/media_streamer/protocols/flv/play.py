"""`GET /NAME.flv`: the stream as endless FLV."""

from aiohttp import web

from media_streamer.egress.http.endless import send_broadcast
from media_streamer.egress.http.request import MediaRequest
from media_streamer.egress.hub import Hub

CONTENT_TYPE = "video/x-flv"
PROTO = "flv"


async def play(hub: Hub, request: MediaRequest) -> web.StreamResponse:
    access = await hub.access(request.access_request(PROTO))
    return await send_broadcast(hub, request.http, access, "flv", CONTENT_TYPE)
