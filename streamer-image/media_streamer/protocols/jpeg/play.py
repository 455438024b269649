"""`GET /NAME/preview.jpg`: the last picture of a stream."""

from aiohttp import web

from media_streamer.egress.context import Egress
from media_streamer.egress.http.request import MediaRequest, answer
from media_streamer.egress.http.routes import Route

PROTO = "jpeg"
CACHE = "public, max-age=1"


def routes(egress: Egress) -> list[Route]:
    async def preview(request: MediaRequest) -> web.StreamResponse:
        hub = egress.hub
        access = await hub.access(request.access_request(PROTO))
        request.note(access)
        session = hub.sessions.open(access)
        try:
            picture = await hub.preview(access)
            session.bytes += len(picture)
            return answer(picture, "image/jpeg", cache=CACHE)
        finally:
            hub.sessions.leave(session, "picture sent")

    return [Route("/preview.jpg", preview)]
