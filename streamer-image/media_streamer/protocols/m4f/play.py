"""`GET /NAME/m4f`: the frames of the stream, for other servers with the cluster key."""

from aiohttp import web

from media_streamer.egress.context import Egress
from media_streamer.egress.http.endless import send_broadcast
from media_streamer.egress.http.request import MediaRequest
from media_streamer.egress.http.routes import Route

CONTENT_TYPE = "application/octet-stream"
PROTO = "m4f"


def routes(egress: Egress) -> list[Route]:
    async def play(request: MediaRequest) -> web.StreamResponse:
        access = await egress.hub.access(request.access_request(PROTO))
        request.note(access)
        return await send_broadcast(egress.hub, request.http, access, "m4f", CONTENT_TYPE)

    return [Route("/m4f", play, content="endless")]
