"""Sending a file by the kernel (sendfile), without the detours of a general file server.

aiohttp's FileResponse makes two thread hops and several stat calls a request; segments lie in
memory, are immutable and are known by size, so opening them does not block.
"""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import IO

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from multidict import CIMultiDict

from media_streamer import opening
from media_streamer.egress.http.request import CORS

SEND_TIMEOUT_SECONDS = 120.0
"""A client that takes longer for one segment, or for a piece of a file, plays nothing."""
FALLBACK_BYTES = 256 * 1024
_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")


class RangeNotSatisfiable(ValueError):  # noqa: N818 - RFC 9110's name for it
    """The requested range lies outside of the file."""


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """First byte and length of a single range (RFC 9110, 14.2); None = the whole file.

    Forms that are not understood, and lists of ranges, are ignored as the RFC allows.
    """
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or match.group(1) == match.group(2) == "":
        return None
    first, last = match.groups()
    if not first:
        length = min(int(last), size)
        start = size - length
    else:
        start = int(first)
        if last and int(last) < start:
            return None
        length = min(int(last) + 1 if last else size, size) - start
    if length <= 0:
        raise RangeNotSatisfiable(f"bytes */{size}")
    return start, length


def body_headers(content_type: str, cache: str) -> CIMultiDict[str]:
    """Of media that any page may read, whole or by ranges."""
    headers = CIMultiDict(CORS)
    headers["Content-Type"] = content_type
    headers["Cache-Control"] = cache
    headers["Accept-Ranges"] = "bytes"
    return headers


class SegmentResponse(web.StreamResponse):
    """`size` bytes of a file from `offset` on; `on_sent` is told how many of them went out."""

    def __init__(
        self,
        path: Path,
        size: int,
        content_type: str,
        cache: str,
        on_sent: Callable[[int], None] | None = None,
        *,
        offset: int = 0,
    ) -> None:
        super().__init__(headers=body_headers(content_type, cache))
        self._path = path
        self._size = size
        self._offset = offset
        self._on_sent = on_sent

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Open the file, send the head, then the body; 404 and 416 where that is the answer."""
        start, length = 0, self._size
        try:
            wanted = parse_range(request.headers.get("Range"), self._size)
            with opening.read_file(self._path) as file:
                if wanted is not None:
                    start, length = wanted
                    self.set_status(206)
                    self.headers["Content-Range"] = (
                        f"bytes {start}-{start + length - 1}/{self._size}"
                    )
                self.content_length = length
                writer = await super().prepare(request)
                if request.method != "HEAD":
                    async with asyncio.timeout(SEND_TIMEOUT_SECONDS):
                        await _send(request, file, self._offset + start, length)
                    if self._on_sent:
                        self._on_sent(length)
                await super().write_eof()
                return writer
        except RangeNotSatisfiable as error:
            self.set_status(416)
            self.headers["Content-Range"] = str(error)
        except FileNotFoundError:
            self.set_status(404)
            self.headers["Cache-Control"] = "no-store"
        self.content_length = 0
        return await super().prepare(request)


async def _send(request: web.BaseRequest, file: IO[bytes], start: int, length: int) -> None:
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("connection lost")
    loop = asyncio.get_running_loop()
    if transport.get_extra_info("sslcontext") is None:
        await loop.sendfile(transport, file, start, length)
        return
    file.seek(start)
    while length > 0 and (data := file.read(min(FALLBACK_BYTES, length))):
        await request._payload_writer.write(data)
        length -= len(data)
