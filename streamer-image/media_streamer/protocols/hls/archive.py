"""HTTP answers of HLS for what is recorded: playlists of a time, segments, their sections."""

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
from media_streamer.presentation.archive import archived_tracks, visible
from media_streamer.presentation.moments import LISTED, MARKERS, PATTERN, listed
from media_streamer.presentation.selection import asked_tracks, check
from media_streamer.protocols.hls.archive_playlist import (
    FOLDER,
    render_archive,
    segment_start,
)
from media_streamer.protocols.hls.playlist import render_master
from media_streamer.protocols.hls.rendered import TYPE

PROTO = "llhls"

_TRACK = r"(?P<name>.+)/tracks-(?P<track>[a-z0-9]{1,64})/"
_MASTER = re.compile(rf"(?P<name>.+)/{PATTERN}(?:\.fmp4)?\.m3u8")
_MEDIA = re.compile(rf"{_TRACK}{LISTED}\.fmp4\.m3u8")
_SEGMENT = re.compile(
    rf"{_TRACK}{FOLDER}(?P<file>\d{{4}}/\d\d/\d\d/\d\d/\d\d/\d\d-\d{{5,9}}-\d{{3}})\.m4s"
)
_INIT = re.compile(rf"{_TRACK}{FOLDER}init-(?P<file>\d{{1,15}})\.mp4")


def archive_routes(egress: Egress, sessions: SegmentedSessions) -> list[Route]:
    """Routes beside those of the live window; they share its sessions."""
    handlers = HlsArchive(egress, sessions)
    return [
        *(Route(_MASTER, handlers.master, marker=mark, content="list") for mark in MARKERS),
        Route(_MEDIA, handlers.media, marker="/tracks-", content="list"),
        Route(_SEGMENT, handlers.segment, marker="/tracks-", content="file"),
        Route(_INIT, handlers.init, marker="/tracks-", content="file"),
    ]


class HlsArchive:
    """One per worker."""

    def __init__(self, egress: Egress, sessions: SegmentedSessions) -> None:
        self._answers = ArchiveAnswers(egress.archives)
        self._sessions = sessions

    async def master(self, request: MediaRequest) -> web.StreamResponse:
        """`archive-FROM-DURATION.m3u8` and its relatives."""
        viewer = await self._viewer(request)
        moment = self._answers.moment(viewer, request)
        wanted = asked_tracks(request.query)
        audio_only = viewer.access.config.add_audio_only

        def render(entries: list[Entry]) -> str:
            tracks = archived_tracks(entries)
            check(wanted, [track.name for track in tracks])
            tracks = [track for track in tracks if not wanted or track.name in wanted]
            return render_master(
                tracks, f"{moment.name}.fmp4.m3u8", separate=True, audio_only=audio_only
            )

        key = ("master", str(audio_only), *wanted)
        text = await self._answers.text(viewer, moment, key, render, TYPE)
        return send_text(request, viewer, text, LIST_CACHE)

    async def media(self, request: MediaRequest) -> web.StreamResponse:
        """The playlist of a track."""
        viewer = await self._viewer(request)
        moment, track = listed(dict(request.values)), request.values["track"]
        seconds, prefix = (
            viewer.access.config.segment_duration / 1000,
            below_prefix(viewer, track),
        )

        def render(entries: list[Entry]) -> str:
            if not any(track == one.name for one in entries[-1].content.head.tracks):
                raise AccessDenied(404, "not_found", f"There is no track {track} at that time")
            shown = visible(entries, moment, int(time.time() * 1000))
            return render_archive(track, moment.kind, shown, seconds, prefix)

        text = await self._answers.text(viewer, moment, ("media", track, prefix), render, TYPE)
        return send_text(request, viewer, text, LIST_CACHE)

    async def segment(self, request: MediaRequest) -> web.StreamResponse:
        """A segment, sent by the kernel out of the file that it is in."""
        viewer = await self._viewer(request)
        try:
            start_ms = segment_start(request.values["file"])
        except ValueError:
            raise AccessDenied(404, "not_found", "That is no time") from None
        return await self._answers.segment(
            viewer, request.values["track"], lambda library, where: library.find(where, start_ms)
        )

    async def init(self, request: MediaRequest) -> web.StreamResponse:
        """The initialisation section of a track in the file that began at that time."""
        viewer = await self._viewer(request)
        start_ms = int(request.values["file"])
        return await self._answers.init(viewer, request.values["track"], start_ms)

    async def _viewer(self, request: MediaRequest) -> SegmentedSession:
        return await self._sessions.find(request, PROTO, archive=True)
