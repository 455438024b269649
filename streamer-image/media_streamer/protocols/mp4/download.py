"""`LOCATION/path.mp4`: a file itself, by ranges or whole, where its location allows `download`.

The kernel sends it, and no disk makes the event loop wait (`disk_files`).
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from aiohttp import web

from media_streamer.egress.access import Access
from media_streamer.egress.context import Egress
from media_streamer.egress.http.disk_files import DiskResponse, Extent
from media_streamer.egress.http.request import MediaRequest
from media_streamer.egress.hub import Hub

ENDINGS = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".m4a": "audio/mp4",
    ".mov": "video/quicktime",
}
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


async def send_file(egress: Egress, content_type: str, request: MediaRequest) -> web.StreamResponse:
    """The answer; raises AccessDenied like playing does."""
    films = egress.films
    access = await egress.hub.access(request.access_request("mp4"))
    download = Download(egress.hub, access, request)
    request.note(access)
    with download.looked_up():
        found = await films.open(access)
        os.close(found.descriptor)
    identity = found.identity
    response = DiskResponse(
        [Extent(Path(found.path), 0, identity.size)],
        lambda work: films.run(access, work),
        content_type,
        CACHE,
        on_sent=download.count,
        on_done=download.done,
    )
    tag = f'"{identity.inode:x}-{identity.size:x}-{identity.changed_ns:x}"'
    response.headers["ETag"] = tag
    name = access.config.file.rpartition("/")[2]
    response.headers["Content-Disposition"] = f"inline; filename*=UTF-8''{quote(name)}"
    return response
