"""`LOCATION/path.mp4`: a file itself, by ranges or whole, where its location allows `download`.

The kernel sends it, and no disk makes the event loop wait (`disk_files`); what lies in a remote
storage is passed on in pieces.
"""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

from aiohttp import web

from media_streamer.egress.access import Access
from media_streamer.egress.context import Egress
from media_streamer.egress.http.disk_files import DiskResponse, Extent, Opened, Piece
from media_streamer.egress.http.request import MediaRequest
from media_streamer.egress.hub import Hub
from media_streamer.files.disk import Changed
from media_streamer.files.remote import Unreachable
from media_streamer.files.storages import Content

ENDINGS = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".m4a": "audio/mp4",
    ".mov": "video/quicktime",
    ".mkv": "video/x-matroska",
    ".webm": "video/webm",
    ".m2ts": "video/mp2t",
    ".mts": "video/mp2t",
}
PIECE_BYTES = 1024 * 1024
CACHE = "no-cache"
"""The name means another content when the file is changed; `ETag` says whether it was."""


class Download:
    """The session of one answer: opened with it, ended by either side."""

    def __init__(self, hub: Hub, access: Access, request: MediaRequest) -> None:
        self._sessions = hub.sessions
        self._request = request
        self._session = hub.sessions.open(access)

    @contextlib.contextmanager
    def looked_up(self) -> Iterator[None]:
        """What is to be sent is found inside; what is raised there refuses the session."""
        try:
            yield
        except BaseException:
            self._sessions.leave(self._session, "refused")
            raise
        self._session.on_close.add(self._stop)

    def count(self, size: int) -> None:
        """So many bytes went out."""
        self._session.bytes += size

    def done(self) -> None:
        """Nothing more will be sent."""
        self._session.on_close.discard(self._stop)
        self._sessions.leave(self._session, "sent")

    def _stop(self, _: str) -> None:
        if self._request.http.transport is not None:
            self._request.http.transport.abort()


class PassedOn(DiskResponse):
    """A file of a remote storage."""

    content: Content

    async def look(self, opened: Opened, extent: Extent) -> None:
        """It was there a moment ago; what is read of it says whether it is still."""

    async def send_extent(self, request: web.BaseRequest, opened: Opened, piece: Piece) -> None:
        at, end = piece.skip, piece.skip + piece.size
        while at < end:
            size = min(PIECE_BYTES, end - at)
            await self.send_bytes(request, await self._read(at, size))
            at += size

    async def _read(self, at: int, size: int) -> bytes:
        found: list[bytes] = []
        await self.in_thread(lambda: found.append(self.content.read(at, size)))
        return found[0]


async def send_file(egress: Egress, content_type: str, request: MediaRequest) -> web.StreamResponse:
    """The answer; raises AccessDenied like playing does."""
    access = await egress.hub.access(request.access_request("mp4"))
    request.note(access)
    return await send_granted(egress, content_type, request, access)


async def send_granted(
    egress: Egress, content_type: str, request: MediaRequest, access: Access
) -> web.StreamResponse:
    """The file that there is leave to fetch; raises AccessDenied."""
    films = egress.films
    download = Download(egress.hub, access, request)
    with download.looked_up():
        found = await films.open(access)
        found.close()
    identity = found.identity

    async def in_thread(work: Callable[[], None]) -> None:
        try:
            await films.run(access, work)
        except (Changed, Unreachable) as error:
            raise ConnectionResetError(f"the file cannot be read on: {error}") from None

    response = (DiskResponse if found.path else PassedOn)(
        [Extent(Path(found.path), 0, identity.size)],
        in_thread,
        content_type,
        CACHE,
        on_sent=download.count,
        on_done=download.done,
    )
    if isinstance(response, PassedOn):
        response.content = found
    tag = f'"{identity.inode:x}-{identity.size:x}-{identity.changed_ns:x}"'
    response.headers["ETag"] = tag
    name = access.config.file.rpartition("/")[2]
    response.headers["Content-Disposition"] = f"inline; filename*=UTF-8''{quote(name)}"
    return response
