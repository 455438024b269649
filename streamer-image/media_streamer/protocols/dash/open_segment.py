"""The answer for a segment that is under way: its parts as they are made, chunked.

Whoever reads slowly reads later: nothing waits here but the part that is being sent. A segment that
breaks off (its source has died) ends the connection without the last chunk, so that nobody takes
half of it for all.
"""

import asyncio
from collections.abc import Callable

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from multidict import CIMultiDict

from media_streamer.egress.access import AccessDenied
from media_streamer.egress.http.files import SEND_TIMEOUT_SECONDS
from media_streamer.egress.http.gathered import SEGMENT_CACHE
from media_streamer.egress.http.request import CORS
from media_streamer.egress.http.segments import mp4_type
from media_streamer.presentation.index import SegmentIndex
from media_streamer.presentation.track_index import TrackIndex


class OpenSegment(web.StreamResponse):
    """`msn` is the segment's number in the track; `on_sent` is told how many bytes went out."""

    def __init__(
        self, index: SegmentIndex, track: TrackIndex, msn: int, on_sent: Callable[[int], None]
    ) -> None:
        headers = CIMultiDict(CORS)
        headers["Content-Type"] = mp4_type(track)
        headers["Cache-Control"] = SEGMENT_CACHE
        super().__init__(headers=headers)
        self.enable_chunked_encoding()
        self._index = index
        self._track = track
        self._msn = msn
        self._on_sent = on_sent

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        writer = await super().prepare(request)
        if request.method != "HEAD" and not await self._send():
            if request.transport is not None:
                request.transport.abort()
            return writer
        await self.write_eof()
        return writer

    async def _send(self) -> bool:
        """False if the segment will never be whole."""
        sent, finished = 0, False
        while not finished:
            try:
                parts, finished = await self._index.wait_open(self._track, self._msn, sent)
                for part in parts:
                    body = self._index.read_part(part)
                    async with asyncio.timeout(SEND_TIMEOUT_SECONDS):
                        await self.write(body)
                    self._on_sent(len(body))
                    sent += 1
            except (AccessDenied, TimeoutError):
                return False
        return True
