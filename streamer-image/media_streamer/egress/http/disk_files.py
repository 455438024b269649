"""Sending files of an archive: the kernel sends them, and no disk makes the event loop wait.

A file in memory is opened and sent at once; one on a disk may take its time, or for ever. So it is
opened in a thread, and what is not in memory yet is read there before the kernel is told to send
it. One answer may be made of parts of several files, which clients may ask for by ranges.
"""

import asyncio
import contextlib
import os
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from media_streamer import opening
from media_streamer.archive.copied import Copied, Read
from media_streamer.egress.http.connection import Connection
from media_streamer.egress.http.files import (
    SEND_TIMEOUT_SECONDS,
    RangeNotSatisfiable,
    body_headers,
    parse_range,
)
from media_streamer.egress.http.sending import FileMessage
from media_streamer.files.samples import Span
from media_streamer.page_cache import CHUNK_BYTES, is_cached, read_ahead
from media_streamer.s3.bucket import S3Error

if TYPE_CHECKING:
    from media_streamer.egress.http.quick_segments import Folder


class Extent(NamedTuple):
    """Part of a file."""

    path: Path
    offset: int
    size: int
    copied: Copied | None = None
    """Where its bytes are, if not on a disk."""


class Piece(NamedTuple):
    """Part of an extent."""

    number: int
    """Of the extent; -1: of the head."""
    skip: int
    size: int


class DiskResponse(web.StreamResponse):
    """`head` and then the extents as one body.

    `in_thread` runs what may block; what it raises ends the answer.
    """

    folder: "Folder | None" = None
    """What else can be answered without a handler from now on."""

    def __init__(
        self,
        extents: Sequence[Extent],
        in_thread: Callable[[Callable[[], None]], Awaitable[None]],
        content_type: str,
        cache: str,
        *,
        head: bytes = b"",
        on_sent: Callable[[int], None] = lambda _: None,
        on_done: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_sent` is told bytes as they go out, `on_done` that nothing more will."""
        super().__init__(headers=body_headers(content_type, cache))
        self.in_thread = in_thread
        self._extents = extents
        self._head = head
        self._size = len(head) + sum(extent.size for extent in extents)
        self._on_sent = on_sent
        self._on_done = on_done

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Send head and body; 416 where that is the answer."""
        try:
            return await self._answer(request)
        finally:
            self._on_done()

    async def _answer(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        start, length = 0, self._size
        try:
            wanted = parse_range(request.headers.get("Range"), self._size)
        except RangeNotSatisfiable as error:
            self.set_status(416)
            self.headers["Content-Range"] = str(error)
            self.content_length = 0
            return await super().prepare(request)
        if wanted is not None:
            start, length = wanted
            self.set_status(206)
            self.headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{self._size}"
        self.content_length = length
        if request.method == "HEAD":
            return await super().prepare(request)
        opened = Opened(self.in_thread)
        try:
            pieces = list(cut(len(self._head), self._extents, start, length))
            if pieces[-1].number >= 0:
                # A file that is gone is said before the head.
                await self.look(opened, self._extents[max(pieces[0].number, 0)])
            writer = await super().prepare(request)
            for piece in pieces:
                await self._send(request, opened, piece)
            await super().write_eof()
            return writer
        except (FileNotFoundError, TimeoutError, S3Error) as error:
            if self.prepared:
                raise ConnectionResetError("the archive cannot be read on") from error
            self.set_status(404 if isinstance(error, FileNotFoundError) else 503)
            self.headers["Cache-Control"] = "no-store"
            self.headers.pop("Content-Range", None)
            self.content_length = 0
            return await super().prepare(request)
        finally:
            await opened.close()

    async def _send(self, request: web.BaseRequest, opened: "Opened", piece: Piece) -> None:
        if piece.number < 0:
            await self.send_bytes(request, self._head[piece.skip : piece.skip + piece.size])
            return
        await self.send_extent(request, opened, piece)

    async def look(self, opened: "Opened", extent: Extent) -> None:
        """Raises FileNotFoundError if the extent cannot be sent."""
        if extent.copied is None:
            await opened.open(extent.path)

    async def send_bytes(
        self, request: web.BaseRequest, data: bytes | bytearray | memoryview
    ) -> None:
        """Send bytes as fast as the client takes them."""
        async with asyncio.timeout(SEND_TIMEOUT_SECONDS):
            await request._payload_writer.write(data)
        self._on_sent(len(data))

    async def send_extent(self, request: web.BaseRequest, opened: "Opened", piece: Piece) -> None:
        """Send what `piece` means of its extent."""
        extent = self._extents[piece.number]
        at = extent.offset + piece.skip
        end = at + piece.size
        if extent.copied is not None:
            await self._pass_on(request, extent.copied, at, end)
            return
        descriptor = await opened.open(extent.path)
        while at < end:
            size = min(CHUNK_BYTES, end - at)
            async with asyncio.timeout(SEND_TIMEOUT_SECONDS):
                if not is_cached(descriptor, at, size):
                    await opened.read_ahead(extent.path, at, size)
                await self._send_chunk(request, descriptor, at, size)
            self._on_sent(size)
            at += size

    async def _pass_on(self, request: web.BaseRequest, copied: Copied, at: int, end: int) -> None:
        """Send what is in a bucket."""
        while at < end:
            found: list[bytes] = []
            size, first = min(CHUNK_BYTES, end - at), at
            await self.in_thread(lambda: found.append(copied.read(first, size)))  # noqa: B023
            if len(found[0]) != size:
                raise FileNotFoundError("the object is shorter than the file was")
            await self.send_bytes(request, found[0])
            at += size

    async def _send_chunk(
        self, request: web.BaseRequest, descriptor: int, at: int, size: int
    ) -> None:
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("connection lost")
        connection = request.protocol
        if isinstance(connection, Connection) and connection.can_deliver:
            part = (Span(at, size),)
            await connection.deliver(FileMessage(b"", descriptor, part, size, lambda *_: None))
            return
        await request._payload_writer.write(os.pread(descriptor, size, at))


def cut(head: int, extents: Sequence[Extent], start: int, length: int) -> Iterator[Piece]:
    """What bytes `start` to `start + length` of the body are."""
    position = 0
    for number, size in enumerate((head, *(extent.size for extent in extents)), start=-1):
        begin = max(start, position)
        end = min(start + length, position + size)
        if begin < end:
            yield Piece(number, begin - position, end - begin)
        position += size


class Opened:
    """The one file that is being sent.

    A thread may still use it when nobody waits for the thread any more: it is closed by whoever
    leaves it last, or its number would be that of another file, or of somebody's connection.
    """

    def __init__(self, in_thread: Callable[[Callable[[], None]], Awaitable[None]]) -> None:
        self._in_thread = in_thread
        self._path = Path()
        self._file: _Shared | None = None

    async def open(self, path: Path) -> int:
        """The descriptor, for who waits until it is used no more."""
        return (await self._opened(path)).descriptor

    async def _opened(self, path: Path) -> "_Shared":
        if self._file is None or path != self._path:
            await self.close()
            self._path, self._file = path, _Shared()
            try:
                await self._in_thread(partial(self._file.open, path))
            except BaseException:
                await self.close()
                raise
        return self._file

    async def reader(self, path: Path) -> Read:
        """Reads it, in a thread."""
        return (await self._opened(path)).read

    async def read_ahead(self, path: Path, offset: int, size: int) -> None:
        """Have it in memory."""
        file = await self._opened(path)

        def work() -> None:
            with file.in_use():
                read_ahead(file.descriptor, offset, size)

        await self._in_thread(work)

    async def close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.leave()


class _Shared:
    """A descriptor that several threads use; who made it is the first to do so."""

    def __init__(self) -> None:
        self.descriptor = -1
        self._users = 1
        self._lock = threading.Lock()

    def open(self, path: Path) -> None:
        """Blocks; raises OSError."""
        descriptor = opening.read(path)
        with self._lock:
            if self._users:
                self.descriptor = descriptor
                return
        os.close(descriptor)  # who wanted it has gone meanwhile

    def read(self, offset: int, size: int) -> bytes:
        """Blocks; raises OSError."""
        with self.in_use():
            return os.pread(self.descriptor, size, offset)

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """Raises FileNotFoundError if it is closed."""
        with self._lock:
            if not self._users:
                raise FileNotFoundError("nobody waits for the file any more")
            self._users += 1
        try:
            yield
        finally:
            self.leave()

    def leave(self) -> None:
        """The last one closes it."""
        with self._lock:
            self._users -= 1
            if self._users or self.descriptor < 0:
                return
            descriptor, self.descriptor = self.descriptor, -1
        os.close(descriptor)
