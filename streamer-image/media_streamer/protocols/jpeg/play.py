"""Pictures of a stream, as JPEG or as a film of one frame.

NAME/preview.jpg, NAME/preview.mp4          the last one
NAME/F.jpg, NAME/F-preview.jpg, -preview.mp4  that of a moment of the archive, in Unix seconds
"""

import re
from dataclasses import replace as changed

from aiohttp import web
from msgspec.structs import replace

from media_streamer.archive.places import MAX_MS
from media_streamer.egress.access import AccessDenied
from media_streamer.egress.context import Egress
from media_streamer.egress.http.request import MediaRequest, answer
from media_streamer.egress.http.routes import Route
from media_streamer.wire.media import PictureForm

PROTO = "jpeg"
CACHE = "public, max-age=1"
PAST_CACHE = "public, max-age=3600"
_TYPES: dict[PictureForm, str] = {"jpeg": "image/jpeg", "mp4": "video/mp4"}
_FILM = re.compile(r"(?P<name>.+)/(?P<at>\d{1,15})-preview\.mp4")
_MOMENT = re.compile(r"(?P<name>.+)/(?P<at>\d{1,15})(?:-preview)?")


def routes(egress: Egress) -> list[Route]:
    async def send(
        request: MediaRequest, form: PictureForm, at_ms: int | None
    ) -> web.StreamResponse:
        hub = egress.hub
        asked = replace(request.access_request(PROTO), archive=at_ms is not None)
        access = await hub.access(asked)
        request.note(access)
        session = hub.sessions.open(access)
        try:
            if at_ms is not None and not access.config.pictures:
                raise AccessDenied(403, "no_pictures", "This stream makes no pictures on demand")
            picture = await hub.preview(access, form, at_ms)
            session.bytes += len(picture)
            return answer(picture, _TYPES[form], cache=CACHE if at_ms is None else PAST_CACHE)
        finally:
            hub.sessions.leave(session, "picture sent")

    async def last_picture(request: MediaRequest) -> web.StreamResponse:
        return await send(request, "jpeg", None)

    async def last_film(request: MediaRequest) -> web.StreamResponse:
        return await send(request, "mp4", None)

    async def picture(request: MediaRequest) -> web.StreamResponse:
        found = _MOMENT.fullmatch(request.name)
        if found is None:
            raise AccessDenied(404, "not_found", "There is no such picture")
        return await send(changed(request, name=found["name"]), "jpeg", _ms(found["at"]))

    async def film(request: MediaRequest) -> web.StreamResponse:
        return await send(request, "mp4", _ms(request.values["at"]))

    return [
        Route("/preview.jpg", last_picture),
        Route("/preview.mp4", last_film),
        Route(".jpg", picture),
        Route(_FILM, film, marker="-preview.mp4", shared=True),
    ]


def _ms(seconds: str) -> int:
    return min(int(seconds) * 1000, MAX_MS)
