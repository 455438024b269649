"""`archive-FROM-DURATION.mp4`: what is recorded as one fragmented MP4, by ranges or whole.

The body is an initialisation section and the segments of the archive as they lie there, with their
decode times moved: the film begins at 0 and has no gaps. Nothing changes its length by that, so it
is known before, and any range can be made by itself.
"""

import os
import re
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from aiohttp import web
from msgspec.structs import replace

from media_streamer.archive.container import renumber
from media_streamer.archive.library import Entry
from media_streamer.egress.access import AccessDenied
from media_streamer.egress.context import Egress
from media_streamer.egress.http.disk_files import DiskResponse, Extent, Opened, Piece
from media_streamer.egress.http.request import MediaRequest
from media_streamer.egress.http.routes import Route
from media_streamer.presentation.moments import PATTERN, asked
from media_streamer.protocols.mp4.download import ENDINGS, send_file

_FORM = re.compile(rf"(?P<name>.+)/{PATTERN}\.mp4")
WRITE_BYTES = 256 * 1024
FRAGMENTS = 1 << 12
"""More than a segment has, so that their numbers grow."""
CACHE = "no-store"
"""A request that ends in the future is answered by what there is now."""


def routes(egress: Egress) -> list[Route]:
    async def download(request: MediaRequest) -> web.StreamResponse:
        return await send_archive(egress, request)

    return [
        Route(_FORM, download, marker="/archive-", content="endless"),
        *(
            Route(ending, partial(send_file, egress, content_type), content="download")
            for ending, content_type in ENDINGS.items()
        ),
    ]


async def send_archive(egress: Egress, request: MediaRequest) -> web.StreamResponse:
    """The answer; raises AccessDenied like playing does."""
    hub, archives = egress.hub, egress.archives
    access = await hub.access(replace(request.access_request("mp4"), archive=True))
    session = hub.sessions.open(access)

    def stop(reason: str) -> None:
        if request.http.transport is not None:
            request.http.transport.abort()

    def done() -> None:
        session.on_close.discard(stop)
        hub.sessions.leave(session, "sent")

    def count(size: int) -> None:
        session.bytes += size

    try:
        now = time.time()
        moment = asked(dict(request.values), dict(request.query), now)
        end_ms = min(moment.to_ms, int(now * 1000))
        entries = await archives.entries(access, moment.from_ms, end_ms)
        _refuse_other_tracks(entries)
    except BaseException:
        hub.sessions.leave(session, "refused")
        raise
    session.on_close.add(stop)
    response = _Film(
        entries,
        lambda work: archives.run(access, work),
        "video/mp4",
        CACHE,
        on_sent=count,
        on_done=done,
    )
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", access.stream).strip("-.") or "archive"
    start = time.strftime("%Y-%m-%d-%H-%M-%S", time.gmtime(entries[0].group.start_ms // 1000))
    response.headers["Content-Disposition"] = f'inline; filename="{name}-{start}.mp4"'
    return response


class _Film(DiskResponse):
    """Segments one after another, each moved to where the one before ended."""

    def __init__(self, entries: Sequence[Entry], *arguments: Any, **more: Any) -> None:
        extents = [
            Extent(content.file.path, group.offset, group.size) for group, content, _ in entries
        ]
        super().__init__(extents, *arguments, head=entries[0].content.head.init, **more)
        self._entries = entries
        self._starts = list(starts(entries))

    async def send_extent(self, request: web.BaseRequest, opened: Opened, piece: Piece) -> None:
        descriptor = await opened.open(self._extents[piece.number].path)
        made: list[bytearray] = []
        await self.in_thread(lambda: made.append(self._segment(piece.number, descriptor)))
        view = memoryview(made[0])[piece.skip : piece.skip + piece.size]
        for at in range(0, len(view), WRITE_BYTES):
            await self.send_bytes(request, view[at : at + WRITE_BYTES])

    def _segment(self, number: int, descriptor: int) -> bytearray:
        """Bytes of a segment with their new times; blocks. Raises FileNotFoundError."""
        group, content, _ = self._entries[number]
        made, sequence = bytearray(), number * FRAGMENTS
        for position, (piece, track) in enumerate(
            zip(group.pieces, content.head.tracks, strict=True)
        ):
            offset, size = group.place(position)
            data = bytearray(os.pread(descriptor, size, offset))
            if len(data) != piece.size:
                raise FileNotFoundError("the file is shorter than it was")
            shift = -(self._starts[number] * track.timescale // 1000)
            sequence = renumber(data, position + 1, shift, sequence)
            made += data
        return made


def starts(entries: Sequence[Entry]) -> Iterator[int]:
    """For each segment the Unix ms that is 0 on the clock of the film: gaps are left out."""
    first = entries[0]
    zero = min(
        piece.time * 1000 // track.timescale
        for piece, track in zip(first.group.pieces, first.content.head.tracks, strict=True)
    )
    end_ms = first.group.start_ms
    for group, _, broken in entries:
        if broken:
            zero += max(0, group.start_ms - end_ms)
        yield zero
        end_ms = group.end_ms


def _refuse_other_tracks(entries: Sequence[Entry]) -> None:
    """One file has one set of tracks; raises AccessDenied(409)."""
    essence = entries[0].content.head.essence
    for group, content, _ in entries:
        if content.head.essence != essence:
            when = group.start_ms // 1000
            title = f"The tracks are others from {when} on: ask up to there, and from there on"
            raise AccessDenied(409, "tracks_changed", title)
