"""HTTP answers of HLS: playlists, segments, parts, initialisation sections."""

import re
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Literal
from weakref import WeakKeyDictionary

from aiohttp import web

from media_streamer.egress.access import Access, AccessDenied
from media_streamer.egress.context import Egress
from media_streamer.egress.http.gathered import GatheredResponse
from media_streamer.egress.http.prepared import Prepared
from media_streamer.egress.http.quick_segments import Folder, track_folder
from media_streamer.egress.http.request import MediaRequest
from media_streamer.egress.http.routes import Route
from media_streamer.egress.http.segments import (
    TS_TYPE,
    body_answer,
    init_answer,
    let_go,
    mp4_type,
    passed_on,
    ready_track,
    segment_answer,
    segment_body,
)
from media_streamer.egress.http.text import send_index_text, send_text
from media_streamer.egress.segmented_sessions import SegmentedSession, SegmentedSessions
from media_streamer.presentation.index import Container, SegmentIndex
from media_streamer.presentation.selection import (
    PARAMETER,
    asked_tracks,
    check_one_video,
    track_names,
)
from media_streamer.presentation.track_index import TrackIndex
from media_streamer.protocols.hls.archive import archive_routes
from media_streamer.protocols.hls.encryption import Encrypting, number_at, numbers_at
from media_streamer.protocols.hls.key_tags import KeyLine, not_encrypted
from media_streamer.protocols.hls.low_latency import low_latency_folder, part_message, update_of
from media_streamer.protocols.hls.playlist import needs_fmp4
from media_streamer.protocols.hls.rendered import Playlists
from media_streamer.wire.control import Encryption

TEXT_TYPE = "text/vtt; charset=utf-8"
MASTER_CACHE = "public, max-age=1"
Form = Literal["ts", "fmp4", "ll"]
Written = tuple[str, Encryption | None]
"""What playlists differ in beside their index: the prefix of segments, the keys."""
_MEDIA_FILE: dict[Form, str] = {"ts": "mono.m3u8", "fmp4": "index.fmp4.m3u8", "ll": "index.ll.m3u8"}
_FORM = {file: form for form, file in _MEDIA_FILE.items()}
_MASTERS: dict[str, Form] = {
    "/index.m3u8": "ts",
    "/playlist.m3u8": "ts",
    "/video.m3u8": "ts",
    "/index.fmp4.m3u8": "fmp4",
    "/index.ll.m3u8": "ll",
}
_MARKER = "/tracks-"
_TRACK = r"(?P<name>.+)/tracks-(?P<track>[a-z0-9]{1,64})/"
_SEGMENT = re.compile(
    _TRACK + r"(?P<file>\d{4}/\d\d/\d\d/\d\d/\d\d/\d\d-\d{5,9}(?:-\d{3})?)\.(?:ts|m4s|vtt|ts\.vtt)"
)
_PART = re.compile(_TRACK + r"part-(?P<number>\d{1,15})\.m4s")
_MEDIA = re.compile(_TRACK + r"(?P<file>mono\.m3u8|index\.(?:fmp4|ll)\.m3u8)")
_INIT = re.compile(_TRACK + r"init-(?P<file>[0-9a-f]{8})\.mp4")


def routes(egress: Egress) -> list[Route]:
    sessions = SegmentedSessions(egress.hub)
    egress.chores["hls sessions"] = sessions.run
    encrypting = Encrypting()

    async def find(request: MediaRequest, access: Access, container: Container) -> SegmentIndex:
        if access.config.file:
            # The multiplex of a film is of all of its tracks.
            selected = bool(_multiplexed(request, container))
            return await egress.films.index(access, "fmp4" if selected else container)
        index = egress.hub.live_index(access, container, _multiplexed(request, container))
        name = request.values.get("track", "")
        if container == "ts" and name and not index.selection:
            await index.wait_ready()
            if index.find_track(name) is None:
                return egress.hub.live_index(access, container, _one_multiplex(index, name))
        return index

    handlers = HlsHandlers(sessions, find, egress, encrypting)
    return [
        Route(_SEGMENT, handlers.segment, marker=_MARKER, content="file"),
        Route(_PART, handlers.part, marker=_MARKER, content="file"),
        Route(_MEDIA, handlers.media, marker=_MARKER, content="list"),
        Route(_INIT, handlers.init, marker=_MARKER, content="file"),
        *(
            Route(last, partial(handlers.master, form), content="list")
            for last, form in _MASTERS.items()
        ),
        *archive_routes(egress, sessions, encrypting),
    ]


FindIndex = Callable[[MediaRequest, Access, Container], Awaitable[SegmentIndex]]
"""Where the segments of a request come from: a live window or a file; raises AccessDenied."""


class HlsHandlers:
    """HLS of one kind of index."""

    def __init__(
        self,
        sessions: SegmentedSessions,
        find_index: FindIndex,
        egress: Egress,
        encrypting: Encrypting,
    ) -> None:
        self._sessions = sessions
        self._egress = egress
        self._find_index = find_index
        self._encrypting = encrypting
        self._playlists: WeakKeyDictionary[SegmentIndex, dict[Written, Playlists]] = (
            WeakKeyDictionary()
        )

    async def master(self, form: Form, request: MediaRequest) -> web.StreamResponse:
        """`index.m3u8` and its relatives."""
        since = time.monotonic()
        viewer, index = await self._open(request, "ts" if form == "ts" else "fmp4")
        if form == "ll":
            check_clear(viewer)
            index.expect_parts()
        await index.wait_ready(parts_suffice=form == "ll")
        if form == "ts" and (better := await self._fmp4_instead(request, viewer, index)):
            index, form = better, "fmp4"
        if index.container == "fmp4" and (form == "ts" or not index.grows):
            form = "fmp4"
        if form != "ll" and viewer.access.config.static:
            # Players of whole segments would stop after the first one. Who waits for a stream on
            # demand sees it as soon as can be; who asks for a playlist of segments may play
            # already, from another server.
            await index.wait_smooth(since)
        # What is in a multiplex was selected when that was made.
        tracks = index.selected(asked_tracks(request.query) if form != "ts" else ())
        # A film in MPEG-TS is all of its tracks.
        audio_only = viewer.access.config.add_audio_only and (form != "ts" or index.grows)
        text = self._of(index, viewer).master(_MEDIA_FILE[form], tracks, audio_only=audio_only)
        return send_index_text(
            request,
            self._sessions,
            viewer,
            index,
            text,
            MASTER_CACHE,
            selection=_kept(request, form),
        )

    async def media(self, request: MediaRequest) -> web.StreamResponse:
        """A media playlist, blocking if the client says what it waits for."""
        form = _FORM[request.values["file"]]
        viewer, index = await self._open(request, "ts" if form == "ts" else "fmp4")
        # A first playlist without a whole segment counts as empty for players: FFmpeg gives up,
        # hls.js reports an error and asks again.
        is_update = form == "ll" and "_HLS_msn" in request.query
        if form == "ll":
            check_clear(viewer)
            index.expect_parts()
        track = await ready_track(index, request.values["track"], parts_suffice=is_update)
        target = track.target_seconds(index.timing)
        low_latency = form == "ll"
        cache = f"public, max-age={max(1, target // 2)}"
        skip = request.query.get("_HLS_skip") in ("YES", "v2")
        playlists = self._of(index, viewer)
        if low_latency:
            msn, part = _directives(request.query)
            cache = MASTER_CACHE
            if msn is not None:
                await index.wait_for(track, msn, part)
                text, cache = update_of(playlists, track, skip=skip, target=target)
                response = send_text(request, viewer, text, cache)  # nobody asks for it twice
                response.folder = self._low_latency_folder(request, viewer, index)
                return response
        key_line = await self._key_line(viewer, track)
        text = playlists.media(track, low_latency=low_latency, skip=skip, key_line=key_line)
        kept = _kept(request, form)
        return send_index_text(request, self._sessions, viewer, index, text, cache, selection=kept)

    async def segment(self, request: MediaRequest) -> web.StreamResponse:
        """A whole segment, sent by the kernel."""
        is_ts = request.http.path.endswith((".ts", ".ts.vtt"))
        viewer, index = await self._open(request, "ts" if is_ts else "fmp4")
        with passed_on(viewer, index):
            track = await ready_track(index, request.values["track"])
            segment = await index.wait_segment(track.name, request.values["file"])
        kind = TS_TYPE if is_ts else ""
        if request.http.path.endswith(".vtt"):
            kind = TEXT_TYPE
        if (terms := viewer.access.config.encryption) is not None and _is_sealed(track):
            tracks = (*_multiplexed(request, index.container), track.name)
            body = await self._encrypting.sealed(
                terms,
                number_at(segment.start_utc_ms, terms.period_seconds),
                ("live", index.container, tracks, segment.name),
                lambda: segment_body(index, track, segment),
            )
            return body_answer(request.http, body, kind or mp4_type(track), viewer.count)
        response = await segment_answer(
            request.http, index, track, segment, viewer.count, content_type=kind
        )
        if self._egress.leaves:
            let_go(response, index, track, segment)
        elif isinstance(response, GatheredResponse) and PARAMETER not in request.query:
            ending = ".ts" if is_ts else ".m4s"
            response.folder = track_folder(
                *(self._sessions, viewer, index, track),
                find=lambda rest: (
                    track.find(rest[: -len(ending)]) if rest.endswith(ending) else None
                ),
                content_type=kind or mp4_type(track),
            )
        return response

    async def init(self, request: MediaRequest) -> web.StreamResponse:
        """An initialisation section of fragmented MP4."""
        viewer, index = await self._open(request, "fmp4")
        values = request.values
        return await init_answer(index, values["track"], values["file"], viewer.count)

    async def part(self, request: MediaRequest) -> web.StreamResponse:
        """A partial segment; the one that is hinted at is waited for."""
        viewer, index = await self._open(request, "fmp4")
        check_clear(viewer)
        index.expect_parts()
        track = await ready_track(index, request.values["track"])
        number = int(request.values["number"])
        body = await index.wait_part(track, number)
        viewer.count(len(body))
        response = Prepared(part_message(body, track))
        response.folder = self._low_latency_folder(request, viewer, index)
        if self._egress.leaves and number >= track.next_part - 1:
            response.force_close()
        return response

    async def _key_line(self, viewer: SegmentedSession, track: TrackIndex) -> KeyLine:
        """Of what the playlist of a track lists now. Raises AccessDenied."""
        terms = viewer.access.config.encryption
        if terms is None or not _is_sealed(track):
            return not_encrypted
        known: set[int] = set()
        key_line: KeyLine = not_encrypted
        # A segment with the next key may come while a key is waited for.
        while True:
            starts = (segment.start_utc_ms for segment in track.segments)
            listed = numbers_at(starts, terms.period_seconds)
            if listed <= known:
                return key_line
            key_line, known = await self._encrypting.lines(terms, listed), listed

    def _low_latency_folder(
        self, request: MediaRequest, viewer: SegmentedSession, index: SegmentIndex
    ) -> Folder:
        name, playlists = request.values["track"], self._of(index, viewer)
        query_of = request.session_query
        return low_latency_folder(self._sessions, viewer, index, name, playlists, query_of)

    async def _fmp4_instead(
        self, request: MediaRequest, viewer: SegmentedSession, index: SegmentIndex
    ) -> SegmentIndex | None:
        """The index to play from if MPEG-TS does not do for the codecs of the stream."""
        needs = needs_fmp4(index.tracks.values())
        if (index.kinds >= {"v", "a"} or asked_tracks(request.query)) and not needs:
            return None
        better = await self._find_index(request, viewer.access, "fmp4")
        await better.wait_ready()
        return better if needs or better.kinds > index.kinds else None

    async def _open(
        self, request: MediaRequest, container: Container
    ) -> tuple[SegmentedSession, SegmentIndex]:
        proto = "hls" if container == "ts" else "llhls"
        viewer = await self._sessions.find(request, proto)
        return viewer, await self._find_index(request, viewer.access, container)

    def _of(self, index: SegmentIndex, viewer: SegmentedSession) -> Playlists:
        config = viewer.access.config  # a reload may bring another one
        known = self._playlists.setdefault(index, {})
        written = (config.url_prefix, config.encryption)
        if written not in known:
            known[written] = Playlists(index, config.url_prefix)
        return known[written]


def check_clear(viewer: SegmentedSession) -> None:
    """Parts of segments are not encrypted; raises AccessDenied for a stream that is."""
    if viewer.access.config.encryption is not None:
        title = "An encrypted stream has no low latency: take index.m3u8 or index.fmp4.m3u8"
        raise AccessDenied(403, "drm_no_parts", title)


def _is_sealed(track: TrackIndex) -> bool:
    """Whether an encrypted stream has this track encrypted: subtitles are in clear."""
    return track.init is None or track.init.kind != "subtitles"


def _multiplexed(request: MediaRequest, container: Container) -> tuple[str, ...]:
    """The tracks that MPEG-TS is to be made of; () for all."""
    return asked_tracks(request.query) if container == "ts" else ()


def _kept(request: MediaRequest, form: Form) -> str:
    """What the addresses in a playlist need to lead to the same multiplexes."""
    wanted = _multiplexed(request, "ts" if form == "ts" else "fmp4")
    return f"{PARAMETER}={''.join(wanted)}" if wanted else ""


def _one_multiplex(index: SegmentIndex, name: str) -> tuple[str, ...]:
    """The tracks of a multiplex that is not among those of the whole stream, by its name in a path;
    raises AccessDenied(404)."""
    wanted = track_names(name)
    index.check(wanted)
    check_one_video(wanted, "index.m3u8")
    return wanted


def _directives(query: Mapping[str, str]) -> tuple[int | None, int | None]:
    """Delivery directives `_HLS_msn` and `_HLS_part`; raises AccessDenied(400)."""
    try:
        msn = int(query["_HLS_msn"]) if "_HLS_msn" in query else None
        part = int(query["_HLS_part"]) if "_HLS_part" in query else None
    except ValueError:
        raise AccessDenied(400, "bad_request", "_HLS_msn and _HLS_part are numbers") from None
    if (part is not None and msn is None) or (msn or 0) < 0 or (part or 0) < 0:
        raise AccessDenied(400, "bad_request", "_HLS_part needs _HLS_msn; both are not negative")
    return msn, part
