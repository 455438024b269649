"""`GET /NAME/mpegts`: the stream as endless MPEG-TS."""

from aiohttp import web

from media_streamer.egress.context import Egress
from media_streamer.egress.http.endless import send_broadcast
from media_streamer.egress.http.request import MediaRequest
from media_streamer.egress.http.routes import Route
from media_streamer.presentation.track_index import track_names

CONTENT_TYPE = "video/mp2t"
PROTO = "tshttp"


def routes(egress: Egress) -> list[Route]:
    async def play(request: MediaRequest) -> web.StreamResponse:
        access = await egress.hub.access(request.access_request(PROTO))
        request.note(access)
        tracks = track_names(request.query.get("filter.tracks", ""))
        return await send_broadcast(
            egress.hub, request.http, access, "ts", CONTENT_TYPE, tracks=tracks
        )

    return [Route(form, play, content="endless") for form in ("/mpegts", ".ts")]
