"""Which files are stored, in the order of their last use. Pure: no disk, no clock.

Invariants: the sum of sizes never exceeds the limit; what is dropped for room is what was used
longest ago; an entry whose time is over is never found. Every entry that leaves is returned to the
caller, who removes its file.
"""

import heapq
import math
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Meta:
    """What is told to a viewer, from the file's own head."""

    offset: int
    """Of the body within the file, bytes."""
    length: int
    content_type: str
    cache_control: str
    public: bool
    """The origin gave it to a viewer without token."""


@dataclass(slots=True, eq=False)
class Entry:
    """A stored file. Times are Unix seconds."""

    key: str
    size: int
    """Bytes on disk."""
    stored_at: float
    expires_at: float = math.inf
    touched_at: float = 0.0
    name: str = ""
    meta: Meta | None = None
    """None: not read since the start of the program."""


class Index:
    """`limit` in bytes, infinity for none."""

    def __init__(self, limit: float = math.inf) -> None:
        self.limit = limit
        self.total = 0
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._ends: list[tuple[float, int, Entry]] = []
        self._number = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[str]:
        """Keys, the one used longest ago first."""
        return iter(self._entries)

    def add(self, entry: Entry) -> list[Entry]:
        """Take an entry as the one used last; returns what leaves for it, maybe itself."""
        if entry.size > self.limit:
            return [entry]
        left = [old] if (old := self.remove(entry.key)) is not None else []
        left += self.shrink(self.limit - entry.size)
        self._entries[entry.key] = entry
        self.total += entry.size
        if entry.expires_at < math.inf:
            self._number += 1
            heapq.heappush(self._ends, (entry.expires_at, self._number, entry))
            self._tidy()
        return left

    def get(self, key: str, now: float) -> Entry | None:
        """The entry; None if there is none or its time is over."""
        entry = self._entries.get(key)
        return None if entry is None or entry.expires_at <= now else entry

    def use(self, key: str, now: float) -> Entry | None:
        """Like `get`, and it counts as used now."""
        entry = self.get(key, now)
        if entry is not None:
            self._entries.move_to_end(key)
        return entry

    def remove(self, key: str) -> Entry | None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.total -= entry.size
        return entry

    def expire(self, now: float) -> list[Entry]:
        """Drop what is over."""
        left = []
        while self._ends and self._ends[0][0] <= now:
            entry = heapq.heappop(self._ends)[2]
            if self._entries.get(entry.key) is entry:
                self.remove(entry.key)
                left.append(entry)
        return left

    def shrink(self, size: float) -> list[Entry]:
        """Drop the entries used longest ago until at most `size` bytes are left."""
        left = []
        while self.total > size and self._entries:
            _, entry = self._entries.popitem(last=False)
            self.total -= entry.size
            left.append(entry)
        return left

    def _tidy(self) -> None:
        """Forget the ends of entries that left before their time; constant cost on average."""
        if len(self._ends) > 2 * len(self._entries) + 1000:
            self._ends = [end for end in self._ends if self._entries.get(end[2].key) is end[2]]
            heapq.heapify(self._ends)
