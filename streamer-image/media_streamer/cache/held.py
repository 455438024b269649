"""Stored files that are kept open, so that a hit is one call of the kernel.

Invariants: at most so many are open, those that were used last; a file that has left the index is
closed once nobody sends it, so its room on the disk is free; one that is given out lies in memory,
as far as could be seen within the last second, and is the file that the index means.
"""

import os
import resource
from collections import OrderedDict
from typing import IO

from media_streamer.cache.index import Entry, Meta
from media_streamer.page_cache import is_cached

MAX_HELD = 256
HELD_SHARE = 16
"""Never more than one in so many of the descriptors that the process may have."""
LOOK_SECONDS = 1.0
MAX_HEADS = 16


class Held:
    """An open file. `take` it while it is sent, `release` it then."""

    __slots__ = (
        "_dropped",
        "_heads",
        "_second",
        "_users",
        "descriptor",
        "entry",
        "looked_at",
        "meta",
    )

    def __init__(self, descriptor: int, entry: Entry, meta: Meta) -> None:
        self.descriptor = descriptor
        self.entry = entry
        self.meta = meta
        self.looked_at = -LOOK_SECONDS
        """When it was in memory; Unix seconds."""
        self._users = 0
        self._dropped = False
        self._second = 0
        self._heads: dict[str, tuple[bytes, int, int]] = {}

    def heads(self, second: int) -> dict[str, tuple[bytes, int, int]]:
        """What was told within a second, by the range that was asked for; a few at most."""
        if second != self._second or len(self._heads) >= MAX_HEADS:
            self._heads = {}
            self._second = second
        return self._heads

    def is_ready(self, now: float) -> bool:
        """Whether it can be sent without waiting for a disk."""
        if 0 <= now - self.looked_at < LOOK_SECONDS:
            return True
        status = os.fstat(self.descriptor)
        if not status.st_nlink or status.st_size != self.entry.size:
            return False
        if not is_cached(self.descriptor, self.meta.offset, self.meta.length):
            return False
        self.looked_at = now
        return True

    def take(self) -> None:
        """Somebody sends it."""
        self._users += 1

    def release(self) -> None:
        """Somebody has sent it."""
        self._users -= 1
        self._close()

    def drop(self) -> None:
        """Nobody else will take it."""
        self._dropped = True
        self._close()

    def _close(self) -> None:
        if self._dropped and not self._users and self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


class HeldFiles:
    """By the key of what is stored."""

    def __init__(self, most: int | None = None) -> None:
        """`most`: by default as many as the process' limit of descriptors leaves room for."""
        if most is None:
            most = min(MAX_HELD, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // HELD_SHARE)
        self._most = most
        self._files: OrderedDict[str, Held] = OrderedDict()
        self._keys: dict[str, str] = {}
        """By the key in the index, which is a digest."""

    def __len__(self) -> int:
        return len(self._files)

    def get(self, key: str) -> Held | None:
        found = self._files.get(key)
        if found is not None:
            self._files.move_to_end(key)
        return found

    def hold(self, key: str, file: IO[bytes], entry: Entry, meta: Meta) -> Held:
        """Keep it open beyond the end of `file`. Raises OSError."""
        found = self._files.get(key)
        if found is not None and found.entry is entry:
            return found
        held = Held(os.dup(file.fileno()), entry, meta)
        if found is not None:
            self.forget(found.entry)
        self._files[key] = held
        self._keys[entry.key] = key
        while len(self._files) > self._most:
            self.forget(next(iter(self._files.values())).entry)
        return held

    def forget(self, entry: Entry) -> None:
        """It has left the index."""
        key = self._keys.get(entry.key)
        if key is not None and self._files[key].entry is entry:
            del self._keys[entry.key]
            self._files.pop(key).drop()

    def close(self) -> None:
        for held in self._files.values():
            held.drop()
        self._files.clear()
        self._keys.clear()
