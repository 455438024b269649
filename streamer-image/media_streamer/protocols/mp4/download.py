"""`LOCATION/path.mp4`: a file itself, by ranges or whole, where its location allows `download`.

The kernel sends it, and no disk makes the event loop wait (`disk_files`).
"""

import os
from pathlib import Path
from urllib.parse import quote

from aiohttp import web

from media_streamer.egress.context import Egress
from media_streamer.egress.http.disk_files import DiskResponse, Extent
from media_streamer.egress.http.request import MediaRequest

ENDINGS = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".m4a": "audio/mp4",
    ".mov": "video/quicktime",
}
CACHE = "no-cache"
"""The name means another content when the file is changed; `ETag` says whether it was."""


async def send_file(egress: Egress, content_type: str, request: MediaRequest) -> web.StreamResponse:
    """The answer; raises AccessDenied like playing does."""
    hub, films = egress.hub, egress.films
    access = await hub.access(request.access_request("mp4"))
    session = hub.sessions.open(access)
    request.note(access)

    def stop(reason: str) -> None:
        if request.http.transport is not None:
            request.http.transport.abort()

    def done() -> None:
        session.on_close.discard(stop)
        hub.sessions.leave(session, "sent")

    def count(size: int) -> None:
        session.bytes += size

    try:
        found = await films.open(access)
        os.close(found.descriptor)
    except BaseException:
        hub.sessions.leave(session, "refused")
        raise
    session.on_close.add(stop)
    identity = found.identity
    response = DiskResponse(
        [Extent(Path(found.path), 0, identity.size)],
        lambda work: films.run(access, work),
        content_type,
        CACHE,
        on_sent=count,
        on_done=done,
    )
    tag = f'"{identity.inode:x}-{identity.size:x}-{identity.changed_ns:x}"'
    response.headers["ETag"] = tag
    name = access.config.file.rpartition("/")[2]
    response.headers["Content-Disposition"] = f"inline; filename*=UTF-8''{quote(name)}"
    return response
