"""What every presentation answers alike: a track of an index, its segments and sections.

A segment is sent by the kernel where it lies in a file, else as its bytes.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from msgspec.structs import replace as with_fields

from media_streamer import opening
from media_streamer.egress.access import AccessDenied, PassOn
from media_streamer.egress.http.files import (
    SEND_TIMEOUT_SECONDS,
    RangeNotSatisfiable,
    SegmentResponse,
    body_headers,
    parse_range,
)
from media_streamer.egress.http.gathered import SEGMENT_CACHE, GatheredResponse, can_gather
from media_streamer.egress.http.request import answer
from media_streamer.egress.segmented_sessions import SegmentedSession
from media_streamer.files.gathered import Body, Gathered
from media_streamer.presentation.index import SegmentIndex, Stored
from media_streamer.presentation.track_index import Segment, TrackIndex
from media_streamer.wire.control import Passage

WRITE_BYTES = 256 * 1024
TS_TYPE = "video/mp2t"
"""Of MPEG-TS, in segments or without an end."""
SHORT_CACHE = "public, max-age=60"
"""Nobody asks later than that for a part or an initialisation section."""


async def ready_track(index: SegmentIndex, name: str, *, parts_suffice: bool = True) -> TrackIndex:
    """A track once there is something of it; raises AccessDenied."""
    await index.wait_ready(parts_suffice=parts_suffice)
    track = index.find_track(name)
    if track is None:
        raise AccessDenied(404, "not_found", f"The stream has no track {name}")
    return track


@contextlib.contextmanager
def passed_on(viewer: SegmentedSession, index: SegmentIndex) -> Iterator[None]:
    """Inside a segment is looked for. One that a copy of a stream has not is asked of the server
    that it is taken from: a copy that has just begun knows no past, and a viewer who comes from
    another server has the playlist of that one. Where that does not answer, a copy that plays says
    what it knows: it has no such segment. Raises PassOn."""
    source = viewer.access.config.taken_from
    if source is None or viewer.access.relay:
        yield
        return
    if not index.is_ready():
        raise _of_source(viewer, source, None)
    try:
        yield
    except AccessDenied as denied:
        if denied.status == HTTPStatus.NOT_FOUND:
            raise _of_source(viewer, source, denied) from None
        raise


def _of_source(viewer: SegmentedSession, source: Passage, otherwise: AccessDenied | None) -> PassOn:
    access = viewer.access
    config = with_fields(access.config, passage=source)
    return PassOn(replace(access, config=config), viewer.session, otherwise=otherwise)


def mp4_type(track: TrackIndex) -> str:
    """Content type of its segments in fragmented MP4."""
    return "audio/mp4" if track.name.startswith("a") else "video/mp4"


async def init_answer(
    index: SegmentIndex, track: str, name: str, on_sent: Callable[[int], None]
) -> web.StreamResponse:
    """The initialisation section of that name. Raises AccessDenied."""
    found = await ready_track(index, track)
    init = found.find_init(name)
    if init is None:
        raise AccessDenied(404, "not_found", "There is no such initialisation section")
    body = index.read_init(init)
    on_sent(len(body))
    return answer(body, mp4_type(found), cache=SHORT_CACHE)


async def segment_answer(
    request: web.BaseRequest,
    index: SegmentIndex,
    track: TrackIndex,
    segment: Segment,
    on_sent: Callable[[int], None],
    *,
    content_type: str = "",
) -> web.StreamResponse:
    """A whole segment, of fragmented MP4 where no other type is said.

    `on_sent` is told how many bytes went out. Raises AccessDenied.
    """
    kind = content_type or mp4_type(track)
    parts = None
    if can_gather(request):
        parts = index.gathered(track, segment) or await index.brought(track, segment)
    if parts is not None:
        return GatheredResponse(request, parts, kind, SEGMENT_CACHE, on_sent)
    made = await index.made(track, segment)
    if isinstance(made, Stored):
        path, size = Path(made.path), made.size
        kept = SegmentResponse(path, size, kind, SEGMENT_CACHE, on_sent, offset=made.offset)
        kept.headers["X-Cache"] = "HIT"
        return kept
    if made is not None:
        return body_answer(request, made, kind, on_sent)
    path, size = Path(segment.path), segment.size
    return SegmentResponse(path, size, kind, SEGMENT_CACHE, on_sent, offset=segment.offset)


def body_answer(
    request: web.BaseRequest,
    body: Body,
    content_type: str,
    on_sent: Callable[[int], None],
    *,
    cache: str = SEGMENT_CACHE,
) -> web.StreamResponse:
    """A segment that is in memory."""
    if can_gather(request):
        whole = Gathered(body, (), len(body))
        return GatheredResponse(request, whole, content_type, cache, on_sent)
    return BodyResponse(body, content_type, cache, on_sent)


async def segment_body(index: SegmentIndex, track: TrackIndex, segment: Segment) -> Body:
    """The bytes of a whole segment. Raises AccessDenied."""
    made = await index.made(track, segment)
    if made is not None and not isinstance(made, Stored):
        return made
    try:
        return await asyncio.to_thread(_read, *_place(made or segment))
    except OSError:
        raise AccessDenied(404, "not_found", "There is no such segment any more") from None


def _place(lies: Segment | Stored) -> tuple[Path, int, int]:
    return Path(lies.path), lies.offset, lies.size


def _read(path: Path, offset: int, size: int) -> bytes:
    with opening.read_file(path) as file:
        file.seek(offset)
        return file.read(size)


def let_go(
    response: web.StreamResponse, index: SegmentIndex, track: TrackIndex, segment: Segment
) -> None:
    """End the connection with this answer, if that is the newest whole segment.

    For a server that leaves. Who has the newest segment asks for a playlist next, by a new
    connection to another server, which has names of its own for its segments. Who has an older one
    goes on here: what his playlist names the other server would not have.
    """
    if not index.grows or not track.segments or segment.msn >= track.segments[-1].msn:
        response.force_close()


class BodyResponse(web.StreamResponse):
    """Bytes that many viewers share, whole or a range of them, as fast as the client takes them."""

    def __init__(
        self, body: Body, content_type: str, cache: str, on_sent: Callable[[int], None]
    ) -> None:
        super().__init__(headers=body_headers(content_type, cache))
        self._bytes = body
        self._on_sent = on_sent

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        start, size = 0, len(self._bytes)
        try:
            wanted = parse_range(request.headers.get("Range"), size)
        except RangeNotSatisfiable as error:
            self.set_status(416)
            self.headers["Content-Range"] = str(error)
            self.content_length = 0
            return await super().prepare(request)
        length = size
        if wanted is not None:
            start, length = wanted
            self.set_status(206)
            self.headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{size}"
        self.content_length = length
        writer = await super().prepare(request)
        if request.method != "HEAD":
            await self._send(request, memoryview(self._bytes)[start : start + length])
        await super().write_eof()
        return writer

    async def _send(self, request: web.BaseRequest, body: memoryview) -> None:
        for at in range(0, len(body), WRITE_BYTES):
            part = body[at : at + WRITE_BYTES]
            async with asyncio.timeout(SEND_TIMEOUT_SECONDS):
                await request._payload_writer.write(part)
            self._on_sent(len(part))
