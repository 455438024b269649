"""`archive-FROM-DURATION.mp4`: what is recorded as one fragmented MP4, by ranges or whole;
`?filter.tracks=v1a2` chooses tracks.

The body is an initialisation section and the segments of the archive as they lie there, with their
decode times moved: the film begins at 0 and has no gaps. Nothing changes its length by that, so it
is known before, and any range can be made by itself.
"""

import re
import time
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web
from msgspec.structs import replace

from media_streamer.archive.container import chosen_init
from media_streamer.archive.copied import Read
from media_streamer.archive.exports import exported
from media_streamer.archive.film import OtherTracks, check_tracks, moved_segment, starts
from media_streamer.archive.library import Entry
from media_streamer.egress.access import AccessDenied
from media_streamer.egress.context import Egress
from media_streamer.egress.http.disk_files import DiskResponse, Extent, Opened, Piece
from media_streamer.egress.http.request import MediaRequest
from media_streamer.egress.http.routes import Route
from media_streamer.presentation.moments import PATTERN, asked
from media_streamer.presentation.selection import asked_tracks, check
from media_streamer.protocols.mp4.download import ENDINGS, Download, send_file

_FORM = re.compile(rf"(?P<name>.+)/{PATTERN}\.mp4")
_EXPORT = re.compile(r"(?P<name>.+)/export-(?P<file>[0-9a-f]{24})\.mp4")
WRITE_BYTES = 256 * 1024
CACHE = "no-store"
"""A request that ends in the future is answered by what there is now."""


def routes(egress: Egress) -> list[Route]:
    async def download(request: MediaRequest) -> web.StreamResponse:
        return await send_archive(egress, request)

    async def download_export(request: MediaRequest) -> web.StreamResponse:
        return await send_export(egress, request)

    return [
        Route(_FORM, download, marker="/archive-", content="endless"),
        Route(_EXPORT, download_export, marker="/export-", content="endless", shared=True),
        *(
            Route(ending, partial(send_file, egress, content_type), content="download")
            for ending, content_type in ENDINGS.items()
        ),
    ]


async def send_archive(egress: Egress, request: MediaRequest) -> web.StreamResponse:
    """The answer; raises AccessDenied like playing does."""
    archives = egress.archives
    access = await egress.hub.access(replace(request.access_request("mp4"), archive=True))
    sending = Download(egress.hub, access, request)
    with sending.looked_up():
        now = time.time()
        moment = asked(dict(request.values), dict(request.query), now)
        end_ms = min(moment.to_ms, int(now * 1000))
        entries = await archives.entries(access, moment.from_ms, end_ms)
        try:
            check_tracks(entries)
        except OtherTracks as error:
            raise AccessDenied(409, "tracks_changed", str(error)) from None
        names = [track.name for track in entries[0].content.head.tracks]
        wanted = asked_tracks(request.query)
        check(wanted, names)
        chosen = [n for n, name in enumerate(names) if not wanted or name in wanted]
    far = next((one.content.file.path for one in entries if one.content.copied is not None), None)
    response = _Film(
        entries,
        chosen,
        lambda work: archives.run(access, work, far),
        "video/mp4",
        CACHE,
        on_sent=sending.count,
        on_done=sending.done,
    )
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", access.stream).strip("-.") or "archive"
    start = time.strftime("%Y-%m-%d-%H-%M-%S", time.gmtime(entries[0].group.start_ms // 1000))
    response.headers["Content-Disposition"] = f'inline; filename="{name}-{start}.mp4"'
    return response


async def send_export(egress: Egress, request: MediaRequest) -> web.StreamResponse:
    """A film that was made of the archive; raises AccessDenied like playing does."""
    archives = egress.archives
    access = await egress.hub.access(replace(request.access_request("mp4"), archive=True))
    sending = Download(egress.hub, access, request)
    with sending.looked_up():
        archives.folder(access)
        path = exported(Path(access.config.archive_root), access.stream, request.values["file"])
        size = await archives.run(access, lambda: path.stat().st_size if path.is_file() else -1)
        if size < 0:
            raise AccessDenied(404, "not_found", "There is no such export")
    response = DiskResponse(
        [Extent(path, 0, size)],
        lambda work: archives.run(access, work),
        "video/mp4",
        CACHE,
        on_sent=sending.count,
        on_done=sending.done,
    )
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", access.stream).strip("-.") or "archive"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.mp4"'
    return response


class _Film(DiskResponse):
    """Segments one after another, each moved to where the one before ended."""

    def __init__(
        self, entries: Sequence[Entry], chosen: Collection[int], *arguments: Any, **more: Any
    ) -> None:
        """`chosen`: places of the tracks that it has."""
        extents = [
            Extent(
                content.file.path,
                group.offset,
                sum(group.pieces[track].size for track in chosen),
                content.copied,
            )
            for group, content, _ in entries
        ]
        head = chosen_init(entries[0].content.head.init, chosen)
        super().__init__(extents, *arguments, head=head, **more)
        self._chosen = chosen
        self._entries = entries
        self._starts = list(starts(entries))

    async def send_extent(self, request: web.BaseRequest, opened: Opened, piece: Piece) -> None:
        extent = self._extents[piece.number]
        made: list[bytearray] = []
        read = extent.copied.read if extent.copied is not None else await opened.reader(extent.path)
        await self.in_thread(lambda: made.append(self._segment(piece.number, read)))
        view = memoryview(made[0])[piece.skip : piece.skip + piece.size]
        for at in range(0, len(view), WRITE_BYTES):
            await self.send_bytes(request, view[at : at + WRITE_BYTES])

    def _segment(self, number: int, read: Read) -> bytearray:
        """Bytes of a segment with their new times; blocks. Raises FileNotFoundError."""
        start = self._starts[number]
        return moved_segment(self._entries[number], number, start, read, self._chosen)
