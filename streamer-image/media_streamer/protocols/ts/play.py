"""`GET /NAME/mpegts`, `/NAME.ts`: the stream as endless MPEG-TS, and the file that is called so;
`/NAME/timeshift_abs-FROM.ts` and its relatives: its archive."""

import re
import time

from aiohttp import web
from msgspec.structs import replace

from media_streamer.egress.context import Egress
from media_streamer.egress.http.endless import send_broadcast
from media_streamer.egress.http.request import MediaRequest
from media_streamer.egress.http.routes import Route
from media_streamer.egress.http.segments import TS_TYPE
from media_streamer.presentation.moments import MARKERS, PATTERN, asked
from media_streamer.presentation.selection import asked_tracks
from media_streamer.protocols.mp4.download import send_granted

PROTO = "tshttp"
_ARCHIVE = re.compile(rf"(?P<name>.+)/{PATTERN}\.ts")


def routes(egress: Egress) -> list[Route]:
    async def play(request: MediaRequest) -> web.StreamResponse:
        tracks = asked_tracks(request.query)
        access = await egress.hub.access(request.access_request(PROTO))
        request.note(access)
        if access.config.file.endswith(".ts") and access.stream != request.name:
            return await send_granted(egress, TS_TYPE, request, access)
        return await send_broadcast(egress.hub, request.http, access, "ts", TS_TYPE, tracks=tracks)

    async def play_archive(request: MediaRequest) -> web.StreamResponse:
        access = await egress.hub.access(replace(request.access_request(PROTO), archive=True))
        request.note(access)
        moment = asked(dict(request.values), dict(request.query), time.time())
        tracks = asked_tracks(request.query)
        return await send_broadcast(
            egress.hub, request.http, access, "ts", TS_TYPE, tracks=tracks, moment=moment
        )

    return [
        *(Route(form, play, content="endless") for form in ("/mpegts", ".ts")),
        *(Route(_ARCHIVE, play_archive, marker=mark, content="endless") for mark in MARKERS),
    ]
