"""For other servers with the cluster key: `GET /NAME/m4f`, the frames of the stream, and
`/NAME/replica.mp4`, what is recorded of it."""

from aiohttp import web

from media_streamer.egress.context import Egress
from media_streamer.egress.http.endless import send_broadcast
from media_streamer.egress.http.request import MediaRequest
from media_streamer.egress.http.routes import Route
from media_streamer.protocols.m4f.replica import PROTO, send_replica

CONTENT_TYPE = "application/octet-stream"


def routes(egress: Egress) -> list[Route]:
    async def play(request: MediaRequest) -> web.StreamResponse:
        access = await egress.hub.access(request.access_request(PROTO))
        request.note(access)
        return await send_broadcast(egress.hub, request.http, access, "m4f", CONTENT_TYPE)

    async def replica(request: MediaRequest) -> web.StreamResponse:
        return await send_replica(egress, request)

    return [
        Route("/m4f", play, content="endless"),
        Route("/replica.mp4", replica, content="endless"),
    ]
