"""HTTP answers of DASH: the manifest, segments, initialisation sections, the server's clock."""

import re
import time
from datetime import UTC, datetime
from weakref import WeakKeyDictionary

from aiohttp import HttpVersion11, web

from media_streamer.egress.access import AccessDenied
from media_streamer.egress.context import Egress
from media_streamer.egress.http.gathered import GatheredResponse
from media_streamer.egress.http.quick_segments import track_folder
from media_streamer.egress.http.request import MediaRequest, answer
from media_streamer.egress.http.routes import Route
from media_streamer.egress.http.segments import (
    init_answer,
    let_go,
    mp4_type,
    passed_on,
    ready_track,
    segment_answer,
)
from media_streamer.egress.http.text import Text, Texts, send_index_text
from media_streamer.egress.segmented_sessions import SegmentedSession, SegmentedSessions
from media_streamer.presentation.film import FilmIndex
from media_streamer.presentation.index import SegmentIndex
from media_streamer.presentation.selection import asked_tracks
from media_streamer.presentation.track_index import Segment, TrackIndex
from media_streamer.protocols.dash.archive import archive_routes
from media_streamer.protocols.dash.manifest import CLOCK, TEXT_FILE, render
from media_streamer.protocols.dash.open_segment import OpenSegment
from media_streamer.protocols.dash.pictures import asked_pictures

PROTO = "dash"
TYPE = "application/dash+xml"
TEXT_TYPE = "text/vtt; charset=utf-8"
MANIFESTS = ("/index.mpd", "/manifest.mpd", "/Manifest.mpd")
LOW_LATENCY_MANIFEST = "/index.ll.mpd"
MANIFEST_CACHE = "public, max-age=1"
_MARKER = "/tracks-"
_TRACK = r"(?P<name>.+)/tracks-(?P<track>[a-z0-9]{1,64})/"
_FILE = re.compile(r"dash-(?P<period>\d{1,15})-(?P<time>\d{1,19})\.m4s")
_SEGMENT = re.compile(_TRACK + _FILE.pattern)
_LOW_LATENCY = re.compile(_TRACK + r"dash-ll-(?P<period>\d{1,15})-(?P<time>\d{1,19})\.m4s")
_TEXT = re.compile(_TRACK + re.escape(TEXT_FILE))
_INIT = re.compile(_TRACK + r"dash-init-(?P<file>[0-9a-f]{8})\.mp4")


def routes(egress: Egress) -> list[Route]:
    sessions = SegmentedSessions(egress.hub)
    egress.chores["dash sessions"] = sessions.run
    handlers = DashHandlers(sessions, egress)
    return [
        Route(_SEGMENT, handlers.segment, marker=_MARKER, content="file"),
        Route(_LOW_LATENCY, handlers.open_segment, marker=_MARKER, content="file"),
        Route(_INIT, handlers.init, marker=_MARKER, content="file"),
        Route(_TEXT, handlers.text, marker=_MARKER, content="file"),
        Route(f"/{CLOCK}", tell_time),
        *(Route(last, handlers.manifest, content="list") for last in MANIFESTS),
        Route(LOW_LATENCY_MANIFEST, handlers.low_latency, content="list"),
        *archive_routes(egress, sessions),
    ]


class DashHandlers:
    """DASH of live windows and of files."""

    def __init__(self, sessions: SegmentedSessions, egress: Egress) -> None:
        self._sessions = sessions
        self._egress = egress
        self._manifests: WeakKeyDictionary[SegmentIndex, Texts] = WeakKeyDictionary()

    async def manifest(self, request: MediaRequest) -> web.StreamResponse:
        """`index.mpd` and its relatives."""
        return await self._manifest(request)

    async def low_latency(self, request: MediaRequest) -> web.StreamResponse:
        """The manifest whose newest segment is under way."""
        return await self._manifest(request, low_latency=True)

    async def _manifest(
        self, request: MediaRequest, *, low_latency: bool = False
    ) -> web.StreamResponse:
        since = time.monotonic()
        viewer, index = await self._open(request)
        if low_latency:
            index.expect_parts()
        await index.wait_ready(segments=2)
        if viewer.access.config.static and not low_latency:
            await index.wait_smooth(since)
        tracks = index.selected(asked_tracks(request.query))
        # A player without a token was given one: it asks for the next manifest with that.
        given = viewer.access.token not in {"", request.token}
        location = request.http.path.rpartition("/")[2] if given else ""
        pictures = 0
        if viewer.access.config.file:
            are_made = viewer.access.config.pictures
            pictures = asked_pictures(request.query, are_made=are_made)
        text = self._text(
            index, viewer, tracks, location, low_latency=low_latency, pictures=pictures
        )
        return send_index_text(request, self._sessions, viewer, index, text, MANIFEST_CACHE)

    async def segment(self, request: MediaRequest) -> web.StreamResponse:
        """A whole segment, sent by the kernel."""
        viewer, index = await self._open(request)
        period, time = int(request.values["period"]), int(request.values["time"])
        with passed_on(viewer, index):
            track = await ready_track(index, request.values["track"])
            segment = await index.wait_time(track, period, time)
        response = await segment_answer(request.http, index, track, segment, viewer.count)
        if self._egress.leaves:
            let_go(response, index, track, segment)
        elif isinstance(response, GatheredResponse):
            response.folder = track_folder(
                *(self._sessions, viewer, index, track),
                find=lambda rest: _find(track, rest),
                content_type=mp4_type(track),
            )
        return response

    async def open_segment(self, request: MediaRequest) -> web.StreamResponse:
        """A segment of the low-latency manifest: part by part, while it is under way."""
        viewer, index = await self._open(request)
        index.expect_parts()
        track = await ready_track(index, request.values["track"])
        period, time = int(request.values["period"]), int(request.values["time"])
        follows = track.segments and track.end_time == time and track.segments[-1].period
        if follows and follows.utc_ms == period and request.http.version >= HttpVersion11:
            msn = track.segments[-1].msn + 1
            await index.wait_open(track, msn, 0)
            return OpenSegment(index, track, msn, viewer.count)
        segment = await index.wait_time(track, period, time)
        response = await segment_answer(request.http, index, track, segment, viewer.count)
        if self._egress.leaves:
            let_go(response, index, track, segment)
        return response

    async def init(self, request: MediaRequest) -> web.StreamResponse:
        """An initialisation section."""
        viewer, index = await self._open(request)
        values = request.values
        return await init_answer(index, values["track"], values["file"], viewer.count)

    async def text(self, request: MediaRequest) -> web.StreamResponse:
        """All subtitles of a track of a film."""
        viewer, index = await self._open(request)
        if not isinstance(index, FilmIndex):
            raise AccessDenied(404, "not_found", "The stream has no subtitles")
        body = await index.whole_text(request.values["track"])
        viewer.count(len(body))
        return answer(body, TEXT_TYPE, cache=MANIFEST_CACHE)

    async def _open(self, request: MediaRequest) -> tuple[SegmentedSession, SegmentIndex]:
        viewer = await self._sessions.find(request, PROTO)
        if viewer.access.config.file:
            return viewer, await self._egress.films.index(viewer.access, "fmp4")
        return viewer, self._egress.hub.live_index(viewer.access, "fmp4")

    def _text(
        self,
        index: SegmentIndex,
        viewer: SegmentedSession,
        tracks: list[TrackIndex],
        location: str,
        *,
        low_latency: bool,
        pictures: int,
    ) -> Text:
        config = viewer.access.config

        def make() -> str:
            return render(
                tracks,
                index.timing,
                lambda track: index.folder(track, config.url_prefix),
                update_seconds=config.dash_update_period or None,
                location=location,
                low_latency=low_latency,
                pictures=pictures,
            )

        texts = self._manifests.get(index)
        if texts is None:
            texts = self._manifests[index] = Texts(TYPE)
        names = (track.name for track in tracks)
        key = (low_latency, location, config.url_prefix, pictures, *names)
        return texts.get(key, index.version, make)


def _find(track: TrackIndex, file: str) -> Segment | None:
    """A segment by the name of its file."""
    match = _FILE.fullmatch(file)
    return track.find_time(int(match["period"]), int(match["time"])) if match else None


async def tell_time(_: MediaRequest) -> web.StreamResponse:
    """The server's clock for the players' (UTCTiming, ISO/IEC 23009-1, 5.8.4.11)."""
    now = datetime.now(UTC)
    text = f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03}Z\n"
    return answer(text.encode(), "text/plain", cache="no-store")
