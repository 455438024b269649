"""Segments of a film sent out of the places where their samples lie in the file.

What lies together goes from there to the socket by sendfile; small pieces are gathered in a buffer
of the worker, which stays in the caches of the processor. A segment in memory of its own costs half
as much again: pages that the kernel has to find and to clear.

Invariants: only files that lie in the page cache are sent so (`egress.near_files`), for they are
read in the event loop; a file that was changed meanwhile ends the connection, so that no client
takes half of each for a segment; what the socket does not take is waited for.
"""

import asyncio
import contextlib
import os
from asyncio.trsock import TransportSocket
from collections.abc import Callable

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from media_streamer.egress.http.files import SEND_TIMEOUT_SECONDS, body_headers
from media_streamer.egress.http.sending import cork, plain_socket
from media_streamer.files.disk import Changed, FileReader
from media_streamer.files.gathered import PIECE_BYTES, Gathered
from media_streamer.files.samples import Span
from media_streamer.files.segment import fill

_buffer = memoryview(bytearray(PIECE_BYTES))
"""Used between two waits, by one answer at a time."""


def can_gather(request: web.BaseRequest) -> bool:
    """Whether the answer to a request may be written to its socket, and is a whole body."""
    transport = request.transport
    return (
        request.method == "GET"
        and "Range" not in request.headers
        and transport is not None
        and plain_socket(transport) is not None
    )


class GatheredResponse(web.StreamResponse):
    """The whole body, as fast as the client takes it."""

    def __init__(
        self, body: Gathered, content_type: str, cache: str, on_sent: Callable[[int], None]
    ) -> None:
        super().__init__(headers=body_headers(content_type, cache))
        self._gathered = body
        self._on_sent = on_sent

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("connection lost")
        connection: TransportSocket = transport.get_extra_info("socket")
        self.content_length = self._gathered.size
        cork(connection, True)
        transport.set_write_buffer_limits(0)  # what is written is waited for
        try:
            writer = await super().prepare(request)
            await self._write(request, self._gathered.head)
            for part in self._gathered.parts:
                if isinstance(part, Span):
                    await self._send(request, transport, part)
                else:
                    await self._gather(request, transport, part)
            if not self._gathered.file.is_unchanged():
                transport.abort()
            await super().write_eof()
            return writer
        finally:
            transport.set_write_buffer_limits()
            cork(connection, False)

    async def _send(
        self, request: web.BaseRequest, transport: asyncio.Transport, span: Span
    ) -> None:
        """From the file to the socket; through memory, in pieces, while the client is behind."""
        at, end = span.offset, span.offset + span.size
        file = self._gathered.file.descriptor
        while at < end:
            sent = 0
            if (target := _free(transport)) >= 0:
                with contextlib.suppress(BlockingIOError):
                    sent = os.sendfile(target, file, at, end - at)
                    if not sent:
                        raise ConnectionResetError("the file is shorter than it was")
                    self._on_sent(sent)
            if not sent:
                data = os.pread(file, min(PIECE_BYTES, end - at), at)
                if not data:
                    raise ConnectionResetError("the file is shorter than it was")
                await self._write(request, data)
                sent = len(data)
            at += sent

    async def _gather(
        self, request: web.BaseRequest, transport: asyncio.Transport, spans: tuple[Span, ...]
    ) -> None:
        try:
            size = fill(_buffer, spans, FileReader(self._gathered.file.descriptor))
        except Changed:
            raise ConnectionResetError("the file cannot be read on") from None
        sent = 0
        if (target := _free(transport)) >= 0:
            with contextlib.suppress(BlockingIOError):
                sent = os.write(target, _buffer[:size])
                self._on_sent(sent)
        if sent < size:
            await self._write(request, bytes(_buffer[sent:size]))

    async def _write(self, request: web.BaseRequest, data: bytes) -> None:
        async with asyncio.timeout(SEND_TIMEOUT_SECONDS):
            await request._payload_writer.write(data)
        self._on_sent(len(data))


def _free(transport: asyncio.Transport) -> int:
    """The socket, if all that was written is in it; else -1."""
    if transport.is_closing():
        raise ConnectionResetError("connection lost")
    if transport.get_write_buffer_size():
        return -1
    connection: TransportSocket = transport.get_extra_info("socket")
    return connection.fileno()
