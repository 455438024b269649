"""HTTP answers of HLS for what is recorded: playlists of a time, segments, their sections."""

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import quote

from aiohttp import web

from media_streamer.archive.container import single_init
from media_streamer.archive.places import RecordedFile, file_path
from media_streamer.egress.access import AccessDenied
from media_streamer.egress.context import Egress
from media_streamer.egress.http.disk_files import DiskResponse, Extent
from media_streamer.egress.http.request import MediaRequest, answer
from media_streamer.egress.http.routes import Route
from media_streamer.egress.http.text import Text, send_text
from media_streamer.egress.segmented_sessions import SegmentedSession, SegmentedSessions
from media_streamer.presentation.archive import archived_tracks, visible
from media_streamer.presentation.moments import (
    LISTED,
    MARKERS,
    PATTERN,
    Moment,
    asked,
    listed,
)
from media_streamer.protocols.hls.archive_playlist import (
    FOLDER,
    render_archive,
    segment_start,
)
from media_streamer.protocols.hls.playlist import render_master
from media_streamer.protocols.hls.rendered import TYPE

PROTO = "llhls"
SEGMENT_CACHE = "public, max-age=3600, immutable"
LIST_CACHE = "public, max-age=1"
MAX_TEXTS = 64
GROWING_SECONDS = 1.0
"""A list that may grow is made once in this time for all who ask."""
SETTLED_SECONDS = 30.0
"""One of long ago may lose what is deleted."""
MAX_SHIFTS = 1000

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


Key = tuple[str, ...]


class HlsArchive:
    """One per worker."""

    def __init__(self, egress: Egress, sessions: SegmentedSessions) -> None:
        self._archives = egress.archives
        self._sessions = sessions
        self._texts: OrderedDict[Key, tuple[float, asyncio.Task[Text]]] = OrderedDict()
        self._shifts: OrderedDict[tuple[str, int], int] = OrderedDict()
        """When a session began to play as if that moment were now, by session and moment."""

    async def master(self, request: MediaRequest) -> web.StreamResponse:
        """`archive-FROM-DURATION.m3u8` and its relatives."""
        viewer = await self._viewer(request)
        moment = asked(dict(request.values), dict(request.query), time.time())
        if moment.kind == "timeshift" and request.values.get("abs"):
            moment = self._continued(viewer, moment)
        entries = await self._archives.entries(viewer.access, moment.from_ms, self._end(moment))
        tracks = archived_tracks(entries)
        wanted = set(re.findall(r"[a-z]\d+", request.query.get("filter.tracks", "")))
        tracks = [track for track in tracks if track.name in wanted] or tracks
        audio_only = viewer.access.config.add_audio_only
        text = render_master(
            tracks, f"{moment.name}.fmp4.m3u8", separate=True, audio_only=audio_only
        )
        return send_text(request, viewer, Text(0, text, TYPE), LIST_CACHE)

    async def media(self, request: MediaRequest) -> web.StreamResponse:
        """The playlist of a track."""
        viewer = await self._viewer(request)
        moment, track = listed(dict(request.values)), request.values["track"]
        config = viewer.access.config
        prefix = ""
        if config.url_prefix:
            stream = quote(viewer.access.stream)
            prefix = f"{config.url_prefix.rstrip('/')}/{stream}/tracks-{track}/"

        async def make() -> Text:
            entries = await self._archives.entries(viewer.access, moment.from_ms, self._end(moment))
            if not any(track == one.name for one in entries[-1].content.head.tracks):
                raise AccessDenied(404, "not_found", f"There is no track {track} at that time")

            def render() -> Text:
                shown = visible(entries, moment, int(time.time() * 1000))
                seconds = config.segment_duration / 1000
                return Text(0, render_archive(track, moment.kind, shown, seconds, prefix), TYPE)

            return await self._archives.run(viewer.access, render)

        key = (viewer.access.config.archive, track, moment.name, prefix)
        settled = moment.kind == "archive" and moment.to_ms < (time.time() - 60) * 1000
        text = await self._text(key, SETTLED_SECONDS if settled else GROWING_SECONDS, make)
        return send_text(request, viewer, text, LIST_CACHE)

    async def segment(self, request: MediaRequest) -> web.StreamResponse:
        """A segment, sent by the kernel out of the file that it is in."""
        viewer = await self._viewer(request)
        archives, access = self._archives, viewer.access
        folder, name = archives.folder(access), request.values["track"]
        try:
            start_ms = segment_start(request.values["file"])
        except ValueError:
            raise AccessDenied(404, "not_found", "That is no time") from None
        found = await archives.run(access, lambda: archives.library.find(folder, start_ms))
        names = [one.name for one in found[0].head.tracks] if found is not None else []
        if found is None or name not in names:
            raise AccessDenied(404, "not_found", "There is no such segment, or it was deleted")
        content, group = found
        offset, size = group.place(names.index(name))
        return DiskResponse(
            [Extent(content.file.path, offset, size)],
            lambda work: archives.run(access, work),
            _mp4_type(name),
            SEGMENT_CACHE,
            on_sent=viewer.count,
        )

    async def init(self, request: MediaRequest) -> web.StreamResponse:
        """The initialisation section of a track in the file that began at that time."""
        viewer = await self._viewer(request)
        archives, name = self._archives, request.values["track"]
        folder, start_ms = archives.folder(viewer.access), int(request.values["file"])

        def read() -> bytes | None:
            try:
                file = RecordedFile(start_ms, file_path(folder, start_ms))
            except (ValueError, OverflowError, OSError):
                return None
            content = archives.library.content(file)
            names = [one.name for one in content.head.tracks] if content is not None else []
            if content is None or name not in names:
                return None
            return single_init(content.head.init, names.index(name))

        body = await archives.run(viewer.access, read)
        if body is None:
            raise AccessDenied(404, "not_found", "There is no such section, or it was deleted")
        viewer.count(len(body))
        return answer(body, _mp4_type(name), cache=SEGMENT_CACHE)

    async def _viewer(self, request: MediaRequest) -> SegmentedSession:
        return await self._sessions.find(request, PROTO, archive=True)

    @staticmethod
    def _end(moment: Moment) -> int:
        """Up to when segments of a moment are read."""
        if moment.kind == "timeshift":
            now_ms = int(time.time() * 1000)
            return moment.from_ms + max(60_000, now_ms - moment.to_ms + 60_000)
        return moment.to_ms

    def _continued(self, viewer: SegmentedSession, moment: Moment) -> Moment:
        """The same viewer who asks again for a shifted stream goes on where time has come to."""
        key = (viewer.access.session_id, moment.from_ms)
        began = self._shifts.setdefault(key, moment.to_ms)
        while len(self._shifts) > MAX_SHIFTS:
            self._shifts.popitem(last=False)
        return moment._replace(to_ms=began)

    async def _text(
        self, key: Key, seconds: float, make: Callable[[], Coroutine[Any, Any, Text]]
    ) -> Text:
        """A text that others may have asked for a moment ago."""
        now = time.monotonic()
        known = self._texts.get(key)
        if known is None or known[0] < now:
            task = asyncio.create_task(make())
            known = self._texts[key] = (now + seconds, task)
            task.add_done_callback(lambda done: self._made(key, done))
            while len(self._texts) > MAX_TEXTS:
                self._texts.popitem(last=False)
        return await asyncio.shield(known[1])

    def _made(self, key: Key, done: asyncio.Task[Text]) -> None:
        if done.cancelled() or done.exception() is not None:
            known = self._texts.get(key)
            if known is not None and known[1] is done:
                del self._texts[key]


def _mp4_type(track: str) -> str:
    return "audio/mp4" if track.startswith("a") else "video/mp4"
