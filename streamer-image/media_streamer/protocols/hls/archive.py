"""HTTP answers of HLS for what is recorded: playlists of a time, segments, their sections."""

import asyncio
import re
import time

from aiohttp import web

from media_streamer.archive.library import Entry
from media_streamer.archive.transport import left_out
from media_streamer.egress.access import AccessDenied
from media_streamer.egress.context import Egress
from media_streamer.egress.http.archived import (
    LIST_CACHE,
    SEGMENT_CACHE,
    ArchiveAnswers,
    below_prefix,
)
from media_streamer.egress.http.gathered import GatheredResponse
from media_streamer.egress.http.request import MediaRequest
from media_streamer.egress.http.routes import Route
from media_streamer.egress.http.segments import TS_TYPE, body_answer
from media_streamer.egress.http.text import send_text
from media_streamer.egress.segmented_sessions import SegmentedSession, SegmentedSessions
from media_streamer.presentation.archive import (
    archived_multiplexes,
    archived_names,
    archived_tracks,
    visible,
)
from media_streamer.presentation.index import Container
from media_streamer.presentation.moments import LISTED, MARKERS, PATTERN, listed
from media_streamer.presentation.selection import (
    asked_tracks,
    check,
    check_one_video,
    track_names,
)
from media_streamer.presentation.track_index import TrackIndex
from media_streamer.protocols.hls.archive_playlist import (
    FOLDER,
    render_archive,
    segment_start,
)
from media_streamer.protocols.hls.encryption import Encrypting, number_at, numbers_at
from media_streamer.protocols.hls.key_tags import KeyLine, not_encrypted
from media_streamer.protocols.hls.playlist import needs_fmp4, render_master
from media_streamer.protocols.hls.rendered import TYPE

_TS_ONLY = "What is recorded of an encrypted stream is played in MPEG-TS: without .fmp4"
_PROTO: dict[Container, str] = {"ts": "hls", "fmp4": "llhls"}

_TRACK = r"(?P<name>.+)/tracks-(?P<track>[a-z0-9]{1,64})/"
_MASTER = re.compile(rf"(?P<name>.+)/{PATTERN}(?P<mark>\.fmp4)?\.m3u8")
_MEDIA = re.compile(rf"{_TRACK}{LISTED}(?P<mark>\.fmp4)?\.m3u8")
_NAME = rf"{FOLDER}(?P<file>\d{{4}}/\d\d/\d\d/\d\d/\d\d/\d\d-\d{{5,9}}-\d{{3}})"
_SEGMENT = re.compile(rf"{_TRACK}{_NAME}\.(?P<extension>ts|m4s)")
_FILE = re.compile(rf"{_NAME}\.m4s")
_TS_FILE = re.compile(rf"{_NAME}\.ts")
_INIT = re.compile(rf"{_TRACK}{FOLDER}init-(?P<file>\d{{1,15}})\.mp4")


def archive_routes(
    egress: Egress, sessions: SegmentedSessions, encrypting: Encrypting
) -> list[Route]:
    """Routes beside those of the live window; they share its sessions and keys."""
    handlers = HlsArchive(egress, sessions, encrypting)
    return [
        *(Route(_MASTER, handlers.master, marker=mark, content="list") for mark in MARKERS),
        Route(_MEDIA, handlers.media, marker="/tracks-", content="list"),
        Route(_SEGMENT, handlers.segment, marker="/tracks-", content="file"),
        Route(_INIT, handlers.init, marker="/tracks-", content="file"),
    ]


class HlsArchive:
    """One per worker."""

    def __init__(self, egress: Egress, sessions: SegmentedSessions, encrypting: Encrypting) -> None:
        self._answers = ArchiveAnswers(egress.archives)
        self._sessions = sessions
        self._encrypting = encrypting

    async def master(self, request: MediaRequest) -> web.StreamResponse:
        """`archive-FROM-DURATION.m3u8` and its relatives."""
        container = _asked_container(request)
        viewer = await self._viewer(request, container)
        moment = self._answers.moment(viewer, request)
        wanted = asked_tracks(request.query)
        audio_only = viewer.access.config.add_audio_only
        encrypted = viewer.access.config.encryption is not None

        def render(entries: list[Entry]) -> str:
            tracks = archived_tracks(entries)
            check(wanted, [track.name for track in tracks])
            tracks = [track for track in tracks if not wanted or track.name in wanted]
            if container == "ts" and fits_ts(entries, tracks):
                multiplexes = archived_multiplexes(tracks)
                media = f"{moment.name}.m3u8"
                return render_master(multiplexes, media, separate=False, audio_only=audio_only)
            if encrypted:
                raise AccessDenied(406, "drm_ts_only", f"{_TS_ONLY}, which has not all its codecs")
            return render_master(
                tracks, f"{moment.name}.fmp4.m3u8", separate=True, audio_only=audio_only
            )

        key = ("master", container, str(audio_only), str(encrypted), *wanted)
        text = await self._answers.text(viewer, moment, key, render, TYPE)
        return send_text(request, viewer, text, LIST_CACHE)

    async def media(self, request: MediaRequest) -> web.StreamResponse:
        """The playlist of a track, or of those that are a multiplex."""
        container = _asked_container(request)
        viewer = await self._viewer(request, container)
        moment, track = listed(dict(request.values)), request.values["track"]
        names = _asked_names(track, container)
        config = viewer.access.config
        seconds, prefix = config.segment_duration / 1000, below_prefix(viewer, track)
        key_line: KeyLine = not_encrypted

        async def find_keys(entries: list[Entry]) -> None:
            nonlocal key_line
            if (terms := config.encryption) is not None:
                starts = (entry.group.start_ms for entry in entries)
                numbers = await asyncio.to_thread(numbers_at, starts, terms.period_seconds)
                key_line = await self._encrypting.lines(terms, numbers)

        def render(entries: list[Entry]) -> str:
            check_listed(entries, names, container)
            shown = visible(entries, moment, int(time.time() * 1000))
            return render_archive(names, moment.kind, shown, seconds, prefix, container, key_line)

        key = ("media", container, track, prefix, config.encryption)
        text = await self._answers.text(viewer, moment, key, render, TYPE, find_keys)
        return send_text(request, viewer, text, LIST_CACHE)

    async def segment(self, request: MediaRequest) -> web.StreamResponse:
        """A segment: of fragmented MP4 sent by the kernel out of the file that it is in, of MPEG-TS
        made of that."""
        container: Container = "ts" if request.values["extension"] == "ts" else "fmp4"
        viewer = await self._viewer(request, container)
        track = request.values["track"]
        names = _asked_names(track, container)
        try:
            start_ms = segment_start(request.values["file"])
        except ValueError:
            raise AccessDenied(404, "not_found", "That is no time") from None
        terms = viewer.access.config.encryption
        if terms is not None:
            place, clear = await self._answers.ts_body(viewer, names, start_ms)
            number = number_at(start_ms, terms.period_seconds)
            body = await self._encrypting.sealed(terms, number, place, lambda: _given(clear))
            return body_answer(request.http, body, TS_TYPE, viewer.count, cache=SEGMENT_CACHE)
        if container == "ts":
            made = await self._answers.ts_segment(request.http, viewer, names, start_ms)
            if isinstance(made, GatheredResponse):
                made.folder = self._answers.ts_folder(self._sessions, viewer, names, _ts_start_of)
            return made
        response = await self._answers.segment(
            viewer, track, lambda library, where: library.find(where, start_ms)
        )
        response.folder = self._answers.folder(self._sessions, viewer, track, _start_of)
        return response

    async def init(self, request: MediaRequest) -> web.StreamResponse:
        """The initialisation section of a track in the file that began at that time."""
        viewer = await self._viewer(request, "fmp4")
        start_ms = int(request.values["file"])
        return await self._answers.init(viewer, request.values["track"], start_ms)

    async def _viewer(self, request: MediaRequest, container: Container) -> SegmentedSession:
        viewer = await self._sessions.find(request, _PROTO[container], archive=True)
        if container == "fmp4" and viewer.access.config.encryption is not None:
            raise AccessDenied(403, "drm_ts_only", _TS_ONLY)
        return viewer


async def _given(body: memoryview) -> memoryview:
    return body


def _start_of(rest: str) -> int | None:
    """When a segment of fragmented MP4 begins, by what follows the folder of its track."""
    return _start_in(_FILE.fullmatch(rest))


def _ts_start_of(rest: str) -> int | None:
    """The same of MPEG-TS."""
    return _start_in(_TS_FILE.fullmatch(rest))


def _start_in(match: re.Match[str] | None) -> int | None:
    try:
        return segment_start(match["file"]) if match else None
    except ValueError:
        return None


def _asked_container(request: MediaRequest) -> Container:
    """MPEG-TS where nothing else is said, as in the playlists of live."""
    return "fmp4" if request.values["mark"] else "ts"


def _asked_names(track: str, container: Container) -> tuple[str, ...]:
    """The tracks of a path; raises AccessDenied(404)."""
    if container == "fmp4":
        return (track,)
    names = track_names(track)
    check_one_video(names, "archive-FROM-DURATION.m3u8")
    return names


def fits_ts(entries: list[Entry], tracks: list[TrackIndex]) -> bool:
    """Whether HLS carries all of the tracks in MPEG-TS, as they were recorded last."""
    without = left_out(entries[-1].content.head)
    return not needs_fmp4(tracks) and not any(track.name in without for track in tracks)


def check_listed(entries: list[Entry], names: tuple[str, ...], container: Container) -> None:
    """Raises AccessDenied: 404 for a track that there never was in that time, 406 for one that
    MPEG-TS cannot carry."""
    if container == "fmp4":
        if names[0] not in archived_names(entries):
            raise AccessDenied(404, "not_found", f"There is no track {names[0]} at that time")
        return
    check(names, archived_names(entries))
    head = entries[-1].content.head
    without = left_out(head)
    refused = [f"{t.name} ({t.codecs})" for t in head.tracks if t.name in {*names} & without]
    if refused:
        title = f"MPEG-TS cannot carry {', '.join(refused)}: ask for fragmented MP4 (.fmp4.m3u8)"
        raise AccessDenied(406, "no_codec", title)
