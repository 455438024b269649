"""Answers of segmented protocols (HLS, DASH) out of an archive, whatever their texts look like.

One of it a protocol and worker: which time a request means, the texts that others asked for a
moment ago, segments and their sections out of the files.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from aiohttp import web

from media_streamer.archive.container import Group
from media_streamer.archive.library import Entry, FileContent, Library, Where
from media_streamer.archive.transport import ts_segment
from media_streamer.egress.access import Access, AccessDenied
from media_streamer.egress.archives import ArchiveReader
from media_streamer.egress.http.disk_files import DiskResponse, Extent
from media_streamer.egress.http.gathered import gathered_message
from media_streamer.egress.http.quick_segments import END, Folder, Wanted
from media_streamer.egress.http.request import MediaRequest, answer
from media_streamer.egress.http.segments import TS_TYPE, body_answer
from media_streamer.egress.http.sending import FileMessage
from media_streamer.egress.http.text import Text
from media_streamer.egress.kept import Kept
from media_streamer.egress.near_archives import NearRecording
from media_streamer.egress.segmented_sessions import SegmentedSession, SegmentedSessions
from media_streamer.files.gathered import Gathered
from media_streamer.presentation.moments import Moment, asked

log = logging.getLogger(__name__)

SEGMENT_CACHE = "public, max-age=3600, immutable"
LIST_CACHE = "public, max-age=1"
MAX_TEXTS = 64
GROWING_SECONDS = 1.0
"""A text that may grow is made once in this time for all who ask."""
SETTLED_SECONDS = 30.0
"""One of long ago may lose what is deleted."""
SETTLED_AFTER_SECONDS = 60.0
MAX_SHIFTS = 1000
SHIFT_RESERVE_MS = 60_000
"""What a shifted stream is read for beyond what the clock says."""

MAX_MADE_BYTES = 32 * 1024 * 1024
"""Segments of MPEG-TS that were made of late: those of the newest list are asked for by many."""

Key = tuple[Hashable, ...]
TsKey = tuple[Path, int, tuple[str, ...]]
"""A recorded segment by its file, its place in that, and its tracks."""
_NO_SEGMENT = "There is no such segment, or it was deleted"
Found = tuple[FileContent, Group]
Find = Callable[[Library, Where], Found | None]


class ArchiveAnswers:
    """What the handlers of a protocol share."""

    def __init__(self, archives: ArchiveReader) -> None:
        self._archives = archives
        self._texts: OrderedDict[Key, tuple[float, asyncio.Task[Text]]] = OrderedDict()
        self._shifts: OrderedDict[tuple[str, int], int] = OrderedDict()
        """When a session began to play as if that moment were now, by session and moment."""
        self._multiplexes: Kept[TsKey, memoryview] = Kept(MAX_MADE_BYTES, len)

    def moment(self, viewer: SegmentedSession, request: MediaRequest) -> Moment:
        """The time that a path of `PATTERN` means for this viewer."""
        moment = asked(dict(request.values), dict(request.query), time.time())
        if moment.kind == "timeshift" and request.values.get("abs"):
            return self._continued(viewer, moment)
        return moment

    async def text(
        self,
        viewer: SegmentedSession,
        moment: Moment,
        key: Key,
        render: Callable[[list[Entry]], str],
        content_type: str,
        before: Callable[[list[Entry]], Awaitable[None]] | None = None,
    ) -> Text:
        """What `render` makes of what is recorded of that time, in a thread and after `before`.

        One for all who ask for the same `key` soon. Raises AccessDenied.
        """
        settled_ms = (time.time() - SETTLED_AFTER_SECONDS) * 1000
        settled = moment.kind == "archive" and moment.to_ms < settled_ms

        async def make() -> Text:
            entries = await self._archives.entries(viewer.access, moment.from_ms, _end(moment))
            if before is not None:
                await before(entries)
            return await self._archives.run(
                viewer.access, lambda: Text(0, render(entries), content_type)
            )

        return await self._shared(
            (viewer.access.config.archive, moment.name, *key),
            SETTLED_SECONDS if settled else GROWING_SECONDS,
            make,
        )

    async def segment(self, viewer: SegmentedSession, track: str, find: Find) -> DiskResponse:
        """What a track has of the segment that `find` finds; it is given library and places.

        Sent by the kernel out of the file that it is in; raises AccessDenied(404).
        """
        archives, access = self._archives, viewer.access
        places = archives.places(access)
        found, near = await archives.run(
            access, lambda: self._looked_at(access.config.archive, find(archives.library, places))
        )
        names = [one.name for one in found[0].head.tracks] if found is not None else []
        if found is None or track not in names:
            raise await archives.missing(access, AccessDenied(404, "not_found", _NO_SEGMENT))
        content, group = found
        self._keep(access.config.archive, content, near)
        offset, size = group.place(names.index(track))
        return DiskResponse(
            [Extent(content.file.path, offset, size, content.copied)],
            lambda work: archives.run(access, work, content.file.path),
            mp4_type(track),
            SEGMENT_CACHE,
            on_sent=viewer.count,
        )

    def _looked_at(
        self, archive: str, found: Found | None
    ) -> tuple[Found | None, NearRecording | None]:
        """And its file, if that is to stay open for those who ask next. Blocks."""
        opener = self._archives.near.opener(archive, found[0]) if found is not None else None
        try:
            return found, opener() if opener is not None else None
        except OSError:
            return found, None  # whoever sends it says so

    def _keep(self, archive: str, content: FileContent, near: NearRecording | None) -> None:
        """It was found: `near` is what `_looked_at` opened, if that is not open already."""
        if near is not None:
            self._archives.near.keep(archive, near)
        else:
            self._archives.near.seen(archive, content.file.path)

    def folder(
        self,
        viewers: SegmentedSessions,
        viewer: SegmentedSession,
        track: str,
        start_of: Callable[[str], int | None],
    ) -> Folder:
        """The recorded segments of a track. `start_of`: when one begins in Unix ms, by what follows
        the folder in a path."""
        near, archive = self._archives.near, viewer.access.config.archive

        def find(start_ms: int) -> Gathered | None:
            return near.find(archive, track, start_ms)

        return _folder(viewers, viewer, start_of, find, mp4_type(track))

    def ts_folder(
        self,
        viewers: SegmentedSessions,
        viewer: SegmentedSession,
        names: tuple[str, ...],
        start_of: Callable[[str], int | None],
    ) -> Folder:
        """`folder` for those of MPEG-TS: what was made of late, of files that are as they were."""
        near, archive = self._archives.near, viewer.access.config.archive

        def find(start_ms: int) -> Gathered | None:
            place = near.place(archive, start_ms)
            made = self._multiplexes.get((*place, names)) if place is not None else None
            return Gathered(made, (), len(made)) if made is not None else None

        return _folder(viewers, viewer, start_of, find, TS_TYPE)

    async def ts_segment(
        self,
        request: web.BaseRequest,
        viewer: SegmentedSession,
        names: tuple[str, ...],
        start_ms: int,
    ) -> web.StreamResponse:
        """The segment of MPEG-TS that begins at that time, of the tracks of these names.

        Raises AccessDenied.
        """
        _, body = await self.ts_body(viewer, names, start_ms)
        return body_answer(request, body, TS_TYPE, viewer.count, cache=SEGMENT_CACHE)

    async def ts_body(
        self, viewer: SegmentedSession, names: tuple[str, ...], start_ms: int
    ) -> tuple[TsKey, memoryview]:
        """What tells it from all others, and its bytes, made once for all who ask soon; raises
        AccessDenied."""
        archives, access = self._archives, viewer.access
        places, archive = archives.places(access), access.config.archive
        found, near = await archives.run(
            access, lambda: self._looked_at(archive, archives.library.find(places, start_ms))
        )
        if found is None:
            raise await archives.missing(access, AccessDenied(404, "not_found", _NO_SEGMENT))
        content, group = found
        self._keep(archive, content, near)
        key = (content.file.path, group.offset, names)
        body = await self._multiplexes.make(
            key, lambda: self._ts_segment(access, content, group, names)
        )
        return key, body

    async def _ts_segment(
        self, access: Access, content: FileContent, group: Group, names: tuple[str, ...]
    ) -> memoryview:
        path = content.file.path
        try:
            return await self._archives.run(access, lambda: ts_segment(content, group, names), path)
        except FileNotFoundError:
            raise AccessDenied(404, "not_found", _NO_SEGMENT) from None
        except OSError as error:
            log.warning("stream %s: its archive %s cannot be read: %s", access.stream, path, error)
            title = "The archive cannot be read: see the log of the server"
            raise AccessDenied(503, "archive_unavailable", title) from None
        except ValueError as error:
            log.warning("stream %s: a segment in %s: %s", access.stream, path, error)
            title = f"The segment cannot be made in MPEG-TS: {error}"
            raise AccessDenied(415, "not_playable", title) from None

    async def init(self, viewer: SegmentedSession, track: str, start_ms: int) -> web.StreamResponse:
        """The initialisation section of a track in the file that began at that time."""
        archives = self._archives
        places = archives.places(viewer.access)
        body = await archives.run(
            viewer.access, lambda: archives.library.init(places, track, start_ms)
        )
        if body is None:
            title = "There is no such section, or it was deleted"
            raise await archives.missing(viewer.access, AccessDenied(404, "not_found", title))
        viewer.count(len(body))
        return answer(body, mp4_type(track), cache=SEGMENT_CACHE)

    def _continued(self, viewer: SegmentedSession, moment: Moment) -> Moment:
        """The same viewer who asks again for a shifted stream goes on where time has come to."""
        key = (viewer.access.session_id, moment.from_ms)
        began = self._shifts.setdefault(key, moment.to_ms)
        while len(self._shifts) > MAX_SHIFTS:
            self._shifts.popitem(last=False)
        return moment._replace(to_ms=began)

    async def _shared(
        self, key: Key, seconds: float, make: Callable[[], Coroutine[Any, Any, Text]]
    ) -> Text:
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


def _folder(
    viewers: SegmentedSessions,
    viewer: SegmentedSession,
    start_of: Callable[[str], int | None],
    find: Callable[[int], Gathered | None],
    content_type: str,
) -> Folder:
    """What is sent of a folder by the bytes of a request alone: what `find` has of the segment that
    begins then."""

    def answer(wanted: Wanted) -> FileMessage | None:
        start_ms = start_of(wanted.rest) if wanted.directives is None else None
        found = find(start_ms) if start_ms is not None else None
        if found is None:
            return None
        return gathered_message(
            *(found, content_type, SEGMENT_CACHE, wanted.viewer.count),
            by_range=wanted.by_range,
            end=END,
        )

    return Folder(viewers, viewer.key[1], viewer.access.config, answer, recorded=True)


def _end(moment: Moment) -> int:
    """Up to when segments of a moment are read."""
    if moment.kind != "timeshift":
        return moment.to_ms
    passed_ms = int(time.time() * 1000) - moment.to_ms
    return moment.from_ms + SHIFT_RESERVE_MS + max(0, passed_ms)


def below_prefix(viewer: SegmentedSession, track: str) -> str:
    """What stands before the files of a track where segments have another address, else nothing."""
    prefix = viewer.access.config.url_prefix
    if not prefix:
        return ""
    return f"{prefix.rstrip('/')}/{quote(viewer.access.stream)}/tracks-{track}/"


def mp4_type(track: str) -> str:
    """Content-Type of a track in MP4."""
    return "audio/mp4" if track.startswith("a") else "video/mp4"
