"""The copy of all resources in memory, and who is told of its changes.

Invariant of `apply`: a row never goes back to an older version, whatever the order in which a
write's answer and the notification's re-read arrive.
"""

import asyncio
from collections.abc import Iterable
from typing import Self

from media_central.store.port import Kind, Record


class RecordWatch:
    """Keys that changed. Repeated changes of a key are one, so it is bounded by the resources."""

    def __init__(self, cache: "RecordCache") -> None:
        self._cache = cache
        self._changed: dict[tuple[Kind, str], None] = {}
        self._event = asyncio.Event()

    def notify(self, kind: Kind, key: str) -> None:
        self._changed[kind, key] = None
        self._event.set()

    async def next(self, within: float | None = None) -> list[tuple[Kind, str]]:
        """Waits for changes, at most `within` seconds; an empty list if there were none."""
        try:
            async with asyncio.timeout(within):
                await self._event.wait()
        except TimeoutError:
            return []
        self._event.clear()
        changed, self._changed = list(self._changed), {}
        return changed

    def close(self) -> None:
        self._cache.unsubscribe(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class RecordCache:
    """Records by kind and key."""

    def __init__(self, kinds: Iterable[Kind]) -> None:
        self._records: dict[Kind, dict[str, Record]] = {kind: {} for kind in kinds}
        self._watches: set[RecordWatch] = set()

    def all(self, kind: Kind) -> list[Record]:
        return list(self._records[kind].values())

    def get(self, kind: Kind, key: str) -> Record | None:
        return self._records[kind].get(key)

    def apply(self, record: Record) -> None:
        known = self._records[record.kind].get(record.key)
        if known is not None and known.version >= record.version:
            return
        self._records[record.kind][record.key] = record
        self._notify(record.kind, record.key)

    def set(self, record: Record) -> None:
        """Whatever its version: for adapters that order the versions themselves."""
        if self._records[record.kind].get(record.key) != record:
            self._records[record.kind][record.key] = record
            self._notify(record.kind, record.key)

    def remove(self, kind: Kind, key: str) -> None:
        if self._records[kind].pop(key, None) is not None:
            self._notify(kind, key)

    def replace(self, kind: Kind, records: Iterable[Record]) -> None:
        """The whole kind was read anew."""
        fresh = {record.key: record for record in records}
        for key in [key for key in self._records[kind] if key not in fresh]:
            self.remove(kind, key)
        for record in fresh.values():
            self.apply(record)

    def subscribe(self) -> RecordWatch:
        watch = RecordWatch(self)
        self._watches.add(watch)
        return watch

    def unsubscribe(self, watch: RecordWatch) -> None:
        self._watches.discard(watch)

    def _notify(self, kind: Kind, key: str) -> None:
        for watch in self._watches:
            watch.notify(kind, key)
