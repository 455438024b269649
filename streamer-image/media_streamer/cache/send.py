"""Answers to viewers: stored files by the kernel, bytes of a flight or of an origin as they come.

A body that cannot be completed ends with the connection, so that the viewer sees that it is not
whole. A viewer who takes nothing for `SLOW_SECONDS` is closed: memory is bounded by time.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from typing import IO

import aiohttp
from aiohttp import web

from media_streamer.cache.fetch import BodyBroken, Head
from media_streamer.cache.index import Entry, Meta
from media_streamer.cache.metrics import Metrics
from media_streamer.egress.http.files import (
    SEND_TIMEOUT_SECONDS,
    RangeNotSatisfiable,
    parse_range,
)
from media_streamer.egress.http.request import CORS
from media_streamer.page_cache import is_cached, read_ahead

log = logging.getLogger(__name__)

SLOW_SECONDS = 15.0
"""For 64 KiB: a reader below 35 kbit/s watches nothing."""
X_CACHE = "X-Cache"
WHOLE_RANGE = "bytes=0-"


async def send_stored(
    request: web.BaseRequest, file: IO[bytes], entry: Entry, meta: Meta, metrics: Metrics
) -> web.StreamResponse:
    """A stored file or the range of it that is asked for."""
    try:
        status, headers, start, length = stored_head(
            entry, meta, wanted_range(request), time.time()
        )
    except RangeNotSatisfiable as error:
        status, start, length = 416, 0, 0
        headers = _told(entry, meta, time.time()) | {"Content-Range": str(error)}
        headers["Content-Length"] = "0"
    response = web.StreamResponse(status=status, headers=headers)
    await response.prepare(request)
    transport = request.transport
    if request.method != "HEAD" and length and transport is not None:
        try:
            async with asyncio.timeout(SEND_TIMEOUT_SECONDS):
                await _read(file, meta.offset + start, length)
                if transport.is_closing():  # sendfile's own word for it is a RuntimeError
                    raise ConnectionResetError("connection lost")
                loop = asyncio.get_running_loop()
                sent = await loop.sendfile(transport, file, meta.offset + start, length)
            metrics.sent.inc(sent)
            if sent < length:
                raise OSError("it is shorter than it was")
        except TimeoutError:
            metrics.slow.inc()
            _cut(request)
        except ConnectionError:
            _cut(request)
        except OSError as error:
            metrics.store_errors.inc()
            log.error("stored file %s cannot be read: %s", entry.name, error)
            _cut(request)
    await response.write_eof()
    return response


def stored_head(
    entry: Entry, meta: Meta, part: str | None, now: float
) -> tuple[int, dict[str, str], int, int]:
    """Status and headers, first byte and length of the answer to the value of a Range field.

    Raises RangeNotSatisfiable.
    """
    status, start, length = 200, 0, meta.length
    headers = _told(entry, meta, now)
    if (wanted := parse_range(part, meta.length)) is not None:
        status, (start, length) = 206, wanted
        headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{meta.length}"
    headers["Content-Length"] = str(length)
    return status, headers, start, length


def _told(entry: Entry, meta: Meta, now: float) -> dict[str, str]:
    return {
        **CORS,
        "Content-Type": meta.content_type,
        "Cache-Control": meta.cache_control,
        "Accept-Ranges": "bytes",
        "Age": str(max(0, int(now - entry.stored_at))),
        X_CACHE: "HIT",
    }


async def _read(file: IO[bytes], at: int, size: int) -> None:
    """Bring it into memory, so that the kernel sends it without making the loop wait."""
    descriptor = file.fileno()
    if not is_cached(descriptor, at, size):
        await asyncio.to_thread(read_ahead, descriptor, at, size)


async def send_body(
    request: web.BaseRequest, head: Head, body: AsyncIterator[bytes], tag: str, metrics: Metrics
) -> web.StreamResponse:
    """An origin's answer; `tag` is the value of X-Cache."""
    response = web.StreamResponse(status=head.status, headers=head.headers)
    response.headers[X_CACHE] = tag
    response.content_length = head.length
    if head.status == 200 and head.length and wanted_range(request) == WHOLE_RANGE:
        response.set_status(206)
        response.headers["Content-Range"] = f"bytes 0-{head.length - 1}/{head.length}"
    await response.prepare(request)
    try:
        if request.method != "HEAD":
            async for data in body:
                async with asyncio.timeout(SLOW_SECONDS):
                    await response.write(data)
                metrics.sent.inc(len(data))
        await response.write_eof()
    except TimeoutError:
        metrics.slow.inc()
        log.info("viewer %s of %s read too slowly, closed", request.remote, request.path)
        _cut(request)
    except BodyBroken:
        _cut(request)
    return response


async def response_body(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """The bytes of an origin's response, not more ahead than the socket's buffers."""
    try:
        async for data in response.content.iter_any():
            yield data
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise BodyBroken(type(error).__name__) from error


def wanted_range(request: web.BaseRequest) -> str | None:
    """The Range field. With If-Range the whole is sent: no answer of a streamer has an ETag."""
    return None if "If-Range" in request.headers else request.headers.get("Range")


def _cut(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.abort()
