"""The answer with a segment of an index: by the kernel where it lies in a file, else its bytes."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from multidict import CIMultiDict

from media_streamer.egress.http.files import (
    SEND_TIMEOUT_SECONDS,
    RangeNotSatisfiable,
    SegmentResponse,
    parse_range,
)
from media_streamer.egress.http.request import CORS
from media_streamer.presentation.index import SegmentIndex
from media_streamer.presentation.track_index import Segment, TrackIndex

WRITE_BYTES = 256 * 1024


async def segment_answer(
    index: SegmentIndex,
    track: TrackIndex,
    segment: Segment,
    content_type: str,
    cache: str,
    on_sent: Callable[[int], None],
) -> web.StreamResponse:
    """`on_sent` is told how many bytes went out. Raises AccessDenied."""
    body = await index.made(track, segment)
    if body is not None:
        return BodyResponse(body, content_type, cache, on_sent)
    path = Path(segment.path)
    return SegmentResponse(path, segment.size, content_type, cache, on_sent, offset=segment.offset)


class BodyResponse(web.StreamResponse):
    """Bytes that many viewers share, whole or a range of them, as fast as the client takes them."""

    def __init__(
        self, body: bytes | bytearray, content_type: str, cache: str, on_sent: Callable[[int], None]
    ) -> None:
        headers = CIMultiDict(CORS)
        headers["Content-Type"] = content_type
        headers["Cache-Control"] = cache
        headers["Accept-Ranges"] = "bytes"
        super().__init__(headers=headers)
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
