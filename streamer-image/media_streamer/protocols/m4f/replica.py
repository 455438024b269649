"""`GET /NAME/replica.mp4?from=MS&to=MS`: what is recorded, as it lies here, for other servers.

The body is a file of an archive: a head, and those segments of one file here that have enough of
that time, with their marks. Who gets it asks again from there on.
"""

from functools import partial

from aiohttp import web
from msgspec.structs import replace

from media_streamer.archive.container import mark_bytes
from media_streamer.archive.gaps import ASKED_MS, MAX_SEGMENT_MS, first_part
from media_streamer.archive.library import Entry, Library, Where
from media_streamer.archive.places import MAX_MS
from media_streamer.archive.ranges import Range
from media_streamer.egress.access import AccessDenied
from media_streamer.egress.context import Egress
from media_streamer.egress.http.disk_files import DiskResponse, Extent
from media_streamer.egress.http.request import MediaRequest

PROTO = "m4f"
MAX_BYTES = 64 * 1024 * 1024


async def send_replica(egress: Egress, request: MediaRequest) -> web.StreamResponse:
    """The answer; raises AccessDenied, also to who has no cluster key."""
    gap = Range(_number(request, "from", 0), _number(request, "to", MAX_MS))
    gap = Range(gap.from_ms, min(gap.to_ms, gap.from_ms + ASKED_MS))
    size = min(_number(request, "size", MAX_BYTES), MAX_BYTES)
    archives, sessions = egress.archives, egress.hub.sessions
    access = await egress.hub.access(replace(request.access_request(PROTO), archive=True))
    request.note(access)
    session = sessions.open(access)
    try:
        places = archives.places(access)
        entries = await archives.run(access, partial(_read, archives.library, places, gap, size))
        if not entries:
            title = "Nothing is recorded of that time"
            raise await archives.missing(access, AccessDenied(404, "not_recorded", title))
    except OSError as error:
        sessions.leave(session, "refused")
        raise AccessDenied(503, "archive_unavailable", "The archive cannot be read") from error
    except BaseException:
        sessions.leave(session, "refused")
        raise
    path = entries[0].content.file.path

    def count(sent: int) -> None:
        session.bytes += sent

    return DiskResponse(
        extents(entries),
        lambda work: archives.run(access, work, path),
        "video/mp4",
        "no-store",
        on_sent=count,
        on_done=lambda: sessions.leave(session, "sent"),
    )


def _read(library: Library, where: Where, gap: Range, size: int) -> list[Entry]:
    found = library.entries(where, gap.from_ms - MAX_SEGMENT_MS, gap.to_ms)
    return first_part(found, gap, size)


def extents(entries: list[Entry]) -> list[Extent]:
    """The head of a file and some of its segments, with their marks."""
    content = entries[0].content
    step = mark_bytes(len(content.head.tracks))
    parts = [(0, content.head.size)]
    for group, _, _ in entries:
        begin, end = group.offset - step, group.offset + group.size
        if parts[-1][1] == begin:
            parts[-1] = (parts[-1][0], end)
        else:
            parts.append((begin, end))
    return [Extent(content.file.path, begin, end - begin, content.copied) for begin, end in parts]


def _number(request: MediaRequest, name: str, default: int) -> int:
    text = request.query.get(name, "")
    if not text:
        return default
    if not text.isdecimal() or not text.isascii():
        raise AccessDenied(400, "bad_request", f"{name} is a number: times are in Unix ms")
    return min(int(text[:18]), MAX_MS)
