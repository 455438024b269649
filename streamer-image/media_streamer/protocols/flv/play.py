"""`GET /NAME.flv`: the stream as endless FLV."""

from aiohttp import web

from media_streamer.egress.context import Egress
from media_streamer.egress.http.endless import send_broadcast
from media_streamer.egress.http.request import MediaRequest
from media_streamer.egress.http.routes import Route
from media_streamer.presentation.selection import asked_tracks

CONTENT_TYPE = "video/x-flv"
PROTO = "flv"


def routes(egress: Egress) -> list[Route]:
    async def play(request: MediaRequest) -> web.StreamResponse:
        tracks = asked_tracks(request.query)
        access = await egress.hub.access(request.access_request(PROTO))
        request.note(access)
        return await send_broadcast(
            egress.hub, request.http, access, "flv", CONTENT_TYPE, tracks=tracks
        )

    return [Route(form, play, content="endless") for form in ("/flv", ".flv")]
