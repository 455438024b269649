"""HTTP answers of DASH for what is recorded."""

import re
import time

from aiohttp import web

from media_streamer.archive.library import Entry
from media_streamer.egress.access import AccessDenied
from media_streamer.egress.context import Egress
from media_streamer.egress.http.archived import LIST_CACHE, ArchiveAnswers, below_prefix
from media_streamer.egress.http.request import MediaRequest
from media_streamer.egress.http.routes import Route
from media_streamer.egress.http.text import send_text
from media_streamer.egress.segmented_sessions import SegmentedSession, SegmentedSessions
from media_streamer.presentation.archive import visible
from media_streamer.presentation.moments import MARKERS, PATTERN
from media_streamer.presentation.selection import asked_tracks, check
from media_streamer.presentation.track_index import TrackIndex
from media_streamer.protocols.dash.archive_manifest import FOLDER, render_archive
from media_streamer.protocols.dash.pictures import asked_pictures

PROTO = "dash"
TYPE = "application/dash+xml"
MAX_TIMESCALE = 10_000_000
_TRACK = r"(?P<name>.+)/tracks-(?P<track>[a-z0-9]{1,64})/"
_MANIFEST = re.compile(rf"(?P<name>.+)/{PATTERN}\.mpd")
_SEGMENT = re.compile(rf"{_TRACK}{FOLDER}dash-(?P<scale>\d{{1,8}})-(?P<time>\d{{1,19}})\.m4s")
_INIT = re.compile(rf"{_TRACK}{FOLDER}dash-init-(?P<file>\d{{1,15}})\.mp4")


def archive_routes(egress: Egress, sessions: SegmentedSessions) -> list[Route]:
    """Routes beside those of the live window; they share its sessions."""
    handlers = DashArchive(egress, sessions)
    return [
        *(Route(_MANIFEST, handlers.manifest, marker=mark, content="list") for mark in MARKERS),
        Route(_SEGMENT, handlers.segment, marker="/tracks-", content="file"),
        Route(_INIT, handlers.init, marker="/tracks-", content="file"),
    ]


class DashArchive:
    """One per worker."""

    def __init__(self, egress: Egress, sessions: SegmentedSessions) -> None:
        self._answers = ArchiveAnswers(egress.archives)
        self._sessions = sessions

    async def manifest(self, request: MediaRequest) -> web.StreamResponse:
        """`archive-FROM-DURATION.mpd` and its relatives."""
        viewer = await self._viewer(request)
        moment = self._answers.moment(viewer, request)
        wanted = asked_tracks(request.query)
        given = viewer.access.token not in {"", request.token}
        location = request.http.path.rpartition("/")[2] if given else ""
        pictures = asked_pictures(request.query, are_made=viewer.access.config.pictures)

        def folder(track: TrackIndex) -> str:
            return below_prefix(viewer, track.name) or f"tracks-{track.name}/"

        def render(entries: list[Entry]) -> str:
            now_ms = int(time.time() * 1000)
            shown = visible(entries, moment, now_ms)
            if not shown.entries:
                raise AccessDenied(404, "not_recorded", "Nothing is recorded of that time")
            check(
                wanted, [one.name for entry in shown.entries for one in entry.content.head.tracks]
            )
            return render_archive(shown, moment, wanted, folder, now_ms, location, pictures)

        key = (viewer.access.config.url_prefix, location, str(pictures), *wanted)
        text = await self._answers.text(viewer, moment, key, render, TYPE)
        return send_text(request, viewer, text, LIST_CACHE)

    async def segment(self, request: MediaRequest) -> web.StreamResponse:
        """A segment by the time at which its track begins."""
        viewer = await self._viewer(request)
        track, scale = request.values["track"], int(request.values["scale"])
        if not 0 < scale <= MAX_TIMESCALE:
            raise AccessDenied(404, "not_found", "No track has such a timescale")
        at = int(request.values["time"])
        return await self._answers.segment(
            viewer,
            track,
            lambda library, where: library.find_time(where, track, scale, at),
        )

    async def init(self, request: MediaRequest) -> web.StreamResponse:
        """The initialisation section of a track in the file that began at that time."""
        viewer = await self._viewer(request)
        start_ms = int(request.values["file"])
        return await self._answers.init(viewer, request.values["track"], start_ms)

    async def _viewer(self, request: MediaRequest) -> SegmentedSession:
        return await self._sessions.find(request, PROTO, archive=True)
