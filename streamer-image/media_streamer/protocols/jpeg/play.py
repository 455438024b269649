"""Pictures of a stream, as JPEG or as a film of one frame.

NAME/preview.jpg, NAME/preview.mp4          the last one, of the video ?filter.tracks=v2
?size=WxH                                   of any JPEG, one of `sizes` of the configuration
NAME/F.jpg, NAME/F-preview.jpg, -preview.mp4  that of a moment of the archive, in Unix seconds
FILE/preview-HH-MM-SS.jpg, -SS.mp4          that of a moment of a file; F counts from its beginning
NAME/strip-F-D.jpg, NAME/strip-F-D.mp4      some of a time: ?count=, ?columns=, ?width=
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace as changed

from aiohttp import web
from msgspec.structs import replace

from media_streamer.archive.places import MAX_MS
from media_streamer.egress.access import AccessDenied
from media_streamer.egress.context import Egress
from media_streamer.egress.http.request import MediaRequest, answer
from media_streamer.egress.http.routes import Route
from media_streamer.protocols.jpeg.camera import Cameras
from media_streamer.wire.media import PictureForm, Strip

PROTO = "jpeg"
CACHE = "public, max-age=1"
PAST_CACHE = "public, max-age=3600"
_TYPES: dict[PictureForm, str] = {"jpeg": "image/jpeg", "mp4": "video/mp4"}
_FILM = re.compile(r"(?P<name>.+)/(?P<at>\d{1,15})-preview\.mp4")
_STRIP = re.compile(
    r"(?P<name>.+)/strip-(?P<at>\d{1,15})-(?P<duration>\d{1,15})\.(?P<ending>jpg|mp4)"
)
_CLOCK = re.compile(
    r"(?P<name>.+)/preview-(?P<hours>\d{1,3})-(?P<minutes>\d\d)-(?P<seconds>\d\d)\.(?P<ending>jpg|mp4)"
)
_TRACK = re.compile(r"v\d{1,3}", re.ASCII)
FILM_CACHE = "public, max-age=60"
"""A file may be replaced."""
MAX_COUNT = 100
MAX_CELL = 640
"""Width of a picture of a strip in pixels."""
MAX_STRIP_PIXELS = 16_000_000
_MOMENT = re.compile(r"(?P<name>.+)/(?P<at>\d{1,15})(?:-preview)?")


def routes(egress: Egress) -> list[Route]:
    cameras = Cameras()

    async def send(
        request: MediaRequest, form: PictureForm, at_ms: int | None, strip: Strip | None = None
    ) -> web.StreamResponse:
        hub = egress.hub
        asked = request.access_request(PROTO)
        # Whether it is a file, whose moments are its own, comes to light with the leave.
        access = await hub.access(replace(asked, archive=at_ms is not None))
        request.note(access)
        session = hub.sessions.open(access)
        try:
            config = access.config
            if config.file and not config.pictures:
                words = "The files of this location have no pictures (thumbnails)"
                raise AccessDenied(403, "no_pictures", words)
            if at_ms is not None and not config.pictures:
                raise AccessDenied(403, "no_pictures", "This stream makes no pictures on demand")
            size = asked_size(request.query, config.picture_sizes)
            if config.file:
                picture = await hub.preview(access, form, at_ms or 0, strip, size=size)
            else:
                track = asked_track(request.query)
                own = config.picture_url if config.pictures else ""
                found = None
                if own and at_ms is None and form == "jpeg" and not track:
                    found = await cameras.picture(access.stream, own)
                picture = found or await hub.preview(access, form, at_ms, strip, track, size)
            session.bytes += len(picture)
            kept = FILM_CACHE if config.file else CACHE if at_ms is None else PAST_CACHE
            return answer(picture, _TYPES[form], cache=kept)
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

    async def strip(request: MediaRequest) -> web.StreamResponse:
        at_ms = _ms(request.values["at"])
        wanted = asked_strip(at_ms, request.values["duration"], request.query)
        form: PictureForm = "jpeg" if request.values["ending"] == "jpg" else "mp4"
        return await send(request, form, at_ms, wanted)

    async def at_clock(request: MediaRequest) -> web.StreamResponse:
        hours, minutes, seconds = (
            int(request.values[one]) for one in ("hours", "minutes", "seconds")
        )
        form: PictureForm = "jpeg" if request.values["ending"] == "jpg" else "mp4"
        return await send(request, form, 1000 * (3600 * hours + 60 * minutes + seconds))

    return [
        Route("/preview.jpg", last_picture),
        Route("/preview.mp4", last_film),
        Route(".jpg", picture),
        Route(_FILM, film, marker="-preview.mp4", shared=True),
        Route(_STRIP, strip, marker="/strip-", shared=True),
        Route(_CLOCK, at_clock, marker="/preview-", shared=True),
    ]


def asked_track(query: Mapping[str, str]) -> str:
    """The video whose picture is meant, empty for the best; raises AccessDenied 400."""
    track = query.get("filter.tracks", "")
    if track and not _TRACK.fullmatch(track):
        raise AccessDenied(400, "bad_request", "filter.tracks names one video here, such as v2")
    return track


def asked_size(
    query: Mapping[str, str], sizes: Sequence[tuple[int, int]]
) -> tuple[int, int] | None:
    """One of those of the configuration, the first where none is asked for; raises AccessDenied
    400."""
    text = query.get("size", "")
    if not text:
        return sizes[0] if sizes else None
    for size in sizes:
        if text == "x".join(map(str, size)):
            return size
    known = ", ".join(f"{width}x{height}" for width, height in sizes) or "none is configured"
    raise AccessDenied(400, "bad_request", f"size is one of those of thumbnails: {known}")


def asked_strip(from_ms: int, duration: str, query: Mapping[str, str]) -> Strip:
    """What a request for some pictures means; raises AccessDenied 400."""
    count = _number(query, "count", 10, MAX_COUNT)
    columns = _number(query, "columns", min(count, 5), count)
    width = _number(query, "width", 160, MAX_CELL) & ~1
    to_ms = min(from_ms + int(duration) * 1000, MAX_MS)
    if to_ms <= from_ms or width < 16:
        raise AccessDenied(
            400, "bad_request", "A strip lasts at least 1 s; its pictures are 16 wide"
        )
    if width * width * count > MAX_STRIP_PIXELS:
        words = f"{count} pictures of {width} are too large for one strip: ask for fewer"
        raise AccessDenied(400, "bad_request", words)
    return Strip(to_ms, count, columns, width)


def _number(query: Mapping[str, str], name: str, default: int, limit: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or not 1 <= int(text) <= limit:
        raise AccessDenied(400, "bad_request", f"{name} is a number from 1 to {limit}")
    return int(text)


def _ms(seconds: str) -> int:
    return min(int(seconds) * 1000, MAX_MS)
