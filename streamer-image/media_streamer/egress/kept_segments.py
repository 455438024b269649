"""Segments of files that are kept on disk where their location has a `cache`.

A segment that is stored is sent by the kernel, and nothing of the file is read for it; else it is
made, once for all who ask at the same time, and stored with the last of `misses` requests. The
worker that has the directories (`cache_disks`) does it; the others send to it who asks, and make
what is asked for themselves while it is not there.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from media_streamer.cache.index import Meta
from media_streamer.egress.access import Access, AtNeighbour
from media_streamer.egress.cache_disks import OWNER, CacheDisks, Disk
from media_streamer.egress.http.neighbours import Neighbours
from media_streamer.files.gathered import Body, Gathered
from media_streamer.files.samples import Span
from media_streamer.presentation.index import Stored

MAX_STORING = 16
"""Segments on their way to the disk; beyond it what is made is not stored."""


class _HeldFile(NamedTuple):
    """`files.gathered.OpenFile` of a stored file, which never changes."""

    descriptor: int
    mapped: None = None

    def is_unchanged(self) -> bool:
        return True


class KeptSegments:
    """One per worker."""

    def __init__(self, disks: CacheDisks, neighbours: Neighbours | None) -> None:
        self._disks = disks
        self._neighbours = neighbours
        self._storing: set[asyncio.Task[None]] = set()

    def near(self, access: Access, name: str) -> Gathered | None:
        """What is stored under the name, where it can be sent at once."""
        terms, now = access.config.cache, time.time()
        disk = self._disks.open_now(terms) if terms is not None else None
        held = disk.store.held(name, now) if disk is not None else None
        if held is None:
            return None
        self._disks.metrics.hits.inc()
        held.take()
        part, file = Span(held.meta.offset, held.meta.length), _HeldFile(held.descriptor)
        return Gathered(b"", (part,), part.size, file, is_kept=True, on_end=held.release)

    async def segment(
        self, access: Access, name: str, make: Callable[[], Awaitable[Body]]
    ) -> Body | Stored:
        """What is stored under the name, or what `make` gives.

        Raises AtNeighbour where another worker has it, and what `make` raises.
        """
        terms = access.config.cache
        if terms is None:
            return await make()
        if not self._disks.is_owner and self._is_there():
            raise AtNeighbour(OWNER)
        disk = await self._disks.find(terms)
        if disk is None:
            return await make()
        if (found := await disk.store.find(name)) is not None:
            file, entry, meta = found
            with file:
                self._disks.metrics.hits.inc()
                disk.store.hold(name, file, entry, is_read=False)
                return Stored(str(file.name), meta.offset, meta.length)
        body = await make()
        self._disks.metrics.misses.inc()
        if disk.misses.count(name):
            self._store(disk, access.stream, name, body)
        return body

    def _is_there(self) -> bool:
        return self._neighbours is not None and self._neighbours.socket_of(OWNER).is_socket()

    def _store(self, disk: Disk, stream: str, name: str, body: Body) -> None:
        """Nobody waits for it."""
        if len(self._storing) >= MAX_STORING or name in disk.storing:
            return
        meta = Meta(0, len(body), "", "", public=False)
        put = disk.put(stream, name, [bytes(body)], meta, math.inf)
        task = asyncio.create_task(put, name=f"storing of a segment of {stream}")
        self._storing.add(task)
        task.add_done_callback(self._storing.discard)
