"""Segments of a film sent out of the places where their samples lie in the file.

A segment in memory of its own costs half as much again: pages that the kernel has to find and to
clear. What sends it is `sending`.

Invariants: only files that lie in the page cache are sent so (`egress.near_files`), for they are
read in the event loop; a file that was changed meanwhile ends the connection, so that no client
takes half of each for a segment; what the socket does not take is waited for.
"""

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from media_streamer.egress.http.connection import Connection
from media_streamer.egress.http.files import body_headers
from media_streamer.egress.http.more_headers import with_headers
from media_streamer.egress.http.prepared import Ready, date_bytes, head_bytes
from media_streamer.egress.http.sending import FileMessage
from media_streamer.files.gathered import Gathered

if TYPE_CHECKING:
    from media_streamer.egress.http.quick_segments import Folder

SEGMENT_CACHE = "public, max-age=3600, immutable"
"""A segment's name says when it was and how long; it never means another one."""
WHOLE_RANGE = "bytes=0-"
"""FFmpeg asks for it each time."""


def can_gather(request: web.BaseRequest) -> bool:
    """Whether the answer to a request may be written to its socket, and is a whole body."""
    connection = request.protocol
    return (
        request.method == "GET"
        and request.headers.get("Range", WHOLE_RANGE) == WHOLE_RANGE
        and isinstance(connection, Connection)
        and connection.can_deliver
    )


def gathered_message(
    body: Gathered,
    content_type: str,
    cache: str,
    on_sent: Callable[[int], None],
    *,
    by_range: bool,
    end: bytes,
) -> FileMessage:
    """The whole answer; `end` of its head is that of the connection. `by_range`: the whole was
    asked for as a range."""

    def on_end(sent: int, _: OSError | None) -> None:
        on_sent(sent)
        body.on_end()

    size, file = body.size, body.file
    told = b"Content-Length: %d\r\nDate: %b%b"
    if by_range:
        told = b"Content-Range: bytes 0-%d/%d\r\n" % (size - 1, size) + told
    head = _known_head(206 if by_range else 200, content_type, cache, body.is_kept)
    return FileMessage(
        head + told % (size, date_bytes(), end),
        file.descriptor if file is not None else -1,
        body.parts,
        size,
        on_end,
        begin=body.head,
        mapped=file.mapped if file is not None else None,
        is_unchanged=None if file is None or body.is_kept else file.is_unchanged,
    )


@functools.lru_cache(maxsize=64)
def _known_head(status: int, content_type: str, cache: str, is_kept: bool) -> bytes:
    headers: Mapping[str, str] = body_headers(content_type, cache)
    more = {"X-Cache": "HIT"} if is_kept else {}
    return head_bytes(status, {**headers, **more}).removesuffix(b"Date: ")


class QuickResponse(Ready):
    """A message as fast as the client takes it. `request`: one that `can_gather`."""

    folder: "Folder | None" = None
    """What else can be answered without a handler from now on."""

    def __init__(self, request: web.BaseRequest, length: int) -> None:
        self.by_range = "Range" in request.headers
        super().__init__(206 if self.by_range else 200, length)

    def message(self, end: bytes) -> FileMessage:
        """What is sent; `end` of its head is that of the connection."""
        raise NotImplementedError

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        connection = request.protocol
        assert isinstance(connection, Connection)  # `can_gather`
        message = self.message(self.end_of_head(request))
        if self.more:
            message.head = with_headers(message.head, self.more)
        await connection.deliver(message)
        self._eof_sent = True
        return None


class GatheredResponse(QuickResponse):
    """A segment."""

    def __init__(
        self,
        request: web.BaseRequest,
        body: Gathered,
        content_type: str,
        cache: str,
        on_sent: Callable[[int], None],
    ) -> None:
        super().__init__(request, body.size)
        self._told = body, content_type, cache, on_sent

    def message(self, end: bytes) -> FileMessage:
        return gathered_message(*self._told, by_range=self.by_range, end=end)
