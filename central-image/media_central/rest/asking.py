"""What Central does not know itself is asked of the streamer that runs the stream."""

from collections.abc import Awaitable
from typing import Any

from aiohttp import web
from media_rest.errors import ApiError, not_found

from media_central.rest.context import context
from media_central.store.port import Kind
from media_central.streamers.client import StreamerClient, StreamerError

PASSED = (400, 404, 409, 501, 503)
"""What a streamer answers that is meant for whoever asked."""


def client_of(request: web.Request, stream: str) -> StreamerClient:
    """That of the streamer that runs the stream. Raises ApiError 404 or 409."""
    record = context(request).store.get(Kind.STREAM, stream)
    if record is None:
        raise not_found("stream", stream)
    ingest = (record.layout or {}).get("ingest")
    link = context(request).fleet.link(ingest) if ingest else None
    if link is None:
        raise ApiError(409, "stream_not_placed", f"no streamer runs {stream} now")
    return link.client


async def answered(call: Awaitable[Any]) -> Any:
    """Its answer. Raises ApiError: as the streamer said, or 502."""
    try:
        return await call
    except StreamerError as error:
        status = error.status if error.status in PASSED else 502
        raise ApiError(status, "streamer_error", str(error)) from None
