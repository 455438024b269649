"""The same over HTTP."""

from aiohttp import web
from media_streamer.egress.context import Egress
from media_streamer.egress.http.endless import send_broadcast
from media_streamer.egress.http.request import MediaRequest
from media_streamer.egress.http.routes import Route


def routes(egress: Egress) -> list[Route]:
    async def play(request: MediaRequest) -> web.StreamResponse:
        access = await egress.hub.access(request.access_request("weblines"))
        return await send_broadcast(egress.hub, request.http, access, "ts", "video/mp2t")

    return [Route("/lines", play, content="endless")]
