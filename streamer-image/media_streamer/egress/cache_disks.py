"""The directories of caches (`cache NAME PATH misses=4 2d 40G`) that this server keeps segments in.

Engine and directory are those of the resource Cache (`media_streamer.cache`). One worker has all
directories open, for each of them has one index; the others send to it who asks for what may be
kept there. A disk that fails costs what it would have saved, and nothing else.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from media_streamer.cache.complaints import Complaints
from media_streamer.cache.index import Meta
from media_streamer.cache.metrics import Metrics
from media_streamer.cache.misses import MissCounter
from media_streamer.cache.store import Store
from media_streamer.wire.control import CacheTerms

log = logging.getLogger(__name__)

OWNER = 0
"""The worker that has the directories."""
OPEN_AGAIN_SECONDS = 30.0


@dataclass(slots=True)
class Disk:
    """An open directory."""

    store: Store
    misses: MissCounter
    terms: CacheTerms
    sweeper: asyncio.Task[None]
    storing: set[str] = field(default_factory=set)
    """What is on its way to the disk."""
    complaints: Complaints = field(default_factory=Complaints)

    async def put(
        self, stream: str, name: str, chunks: Sequence[bytes], meta: Meta, lifetime_seconds: float
    ) -> None:
        """Store a file of a stream; a disk that fails is one line of the log a minute."""
        if name in self.storing:
            return
        self.storing.add(name)
        try:
            await self.store.put(name, chunks, meta, lifetime_seconds)
        except OSError as error:
            self.complaints.failed(stream, error)
        else:
            self.misses.forget(name)
        finally:
            self.storing.discard(name)


class CacheDisks:
    """One per worker; `run` it."""

    def __init__(self, worker: int = OWNER) -> None:
        self.is_owner = worker == OWNER
        self.metrics = Metrics()
        self._disks: dict[str, Disk] = {}
        self._opening: dict[str, asyncio.Lock] = {}
        self._failed: dict[str, float] = {}

    async def run(self) -> None:
        """Until cancelled; nothing is left open then."""
        try:
            await asyncio.Event().wait()
        finally:
            for disk in self._disks.values():
                _close(disk)

    def open_now(self, terms: CacheTerms) -> Disk | None:
        """The directory, if it is open."""
        found = self._disks.get(terms.path)
        return found if found is not None and found.terms == terms else None

    def is_open(self, disk: Disk) -> bool:
        """Whether it has not been closed, or opened anew with other terms."""
        return self._disks.get(disk.terms.path) is disk

    async def find(self, terms: CacheTerms | None) -> Disk | None:
        """The directory, open; None without one, or if it cannot be used now or here."""
        if terms is None or not self.is_owner:
            return None
        found = self._disks.get(terms.path)
        if found is not None and found.terms == terms:
            return found
        async with self._opening.setdefault(terms.path, asyncio.Lock()):
            found = self._disks.get(terms.path)
            if found is not None:
                if found.terms == terms:
                    return found
                _close(self._disks.pop(terms.path))
            if self._failed.get(terms.path, 0.0) > time.monotonic():
                return None
            try:
                opened = self._disks[terms.path] = await self._open(terms)
            except OSError as error:
                log.error("cache: %s; nothing is kept there", error)
                self._failed[terms.path] = time.monotonic() + OPEN_AGAIN_SECONDS
                return None
            return opened

    async def _open(self, terms: CacheTerms) -> Disk:
        """Raises OSError."""
        evictions = self.metrics.evictions
        store = Store(
            Path(terms.path),
            terms.storage_limit,
            terms.expiration,
            on_evicted=lambda reason, number: evictions.labels(reason).inc(number),
        )
        await store.open()
        log.info("cache %s: %d files, %d bytes are stored", terms.path, len(store), store.total)
        sweeper = asyncio.create_task(store.run(), name=f"sweeper of {terms.path}")
        return Disk(store, MissCounter(terms.misses), terms, sweeper)


def _close(disk: Disk) -> None:
    disk.sweeper.cancel()
    disk.store.close()
