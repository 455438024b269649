"""Where the samples of a track lie in its file, when they are decoded and shown.

The tables are kept as the file has them, as runs in arrays (ISO/IEC 14496-12 8.6 and 8.7): 24 bytes
a sample would be 12 MB for a film, and most of a file is never asked for. What a segment needs is
made of them then.

Pure. Invariants: `count` samples are described in full by every table; times never go back.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple


class Runs(NamedTuple):
    """Samples that have something alike: from sample `firsts[n]` on it is `values[n]`."""

    firsts: "array[int]"
    values: "array[int]"

    def find(self, sample: int) -> int:
        """Position of the run that holds a sample."""
        return bisect_right(self.firsts, sample) - 1

    def expand(self, first: int, end: int) -> Iterator[int]:
        """The value of each sample from `first` to before `end`."""
        position = self.find(first)
        firsts, values = self.firsts, self.values
        while first < end:
            stop = firsts[position + 1] if position + 1 < len(firsts) else end
            for _ in range(first, min(stop, end)):
                yield values[position]
            first, position = min(stop, end), position + 1


class Span(NamedTuple):
    """Bytes of a file."""

    offset: int
    size: int


class Samples:
    """The samples of one track, numbered from 0."""

    def __init__(
        self,
        *,
        sizes: "array[int]",
        durations: Runs,
        starts: "array[int]",
        offsets: Runs | None,
        syncs: "array[int] | None",
        chunks: "array[int]",
        chunk_firsts: "array[int]",
        count: int,
    ) -> None:
        """`starts`: decode time at the begin of each run of `durations`, in ticks. `offsets`: from
        decode time to presentation time. `syncs`: where decoding can start, None for everywhere.
        `chunks`: place of each chunk in the file, `chunk_firsts` its first sample.
        """
        self._sizes = sizes
        self._durations = durations
        self._starts = starts
        self._offsets = offsets
        self.syncs = syncs
        self.chunks = chunks
        self.chunk_firsts = chunk_firsts
        self.count = count

    @property
    def held_bytes(self) -> int:
        """Memory that the tables take, about."""
        tables = [self._sizes, self._starts, self.chunks, self.chunk_firsts, *self._durations]
        tables += [*(self._offsets or ()), *([self.syncs] if self.syncs is not None else ())]
        return sum(len(table) * table.itemsize for table in tables)

    def time(self, sample: int) -> int:
        """Decode time of a sample in ticks; that of `count` is the end."""
        run = self._durations.find(sample)
        first, duration = self._durations.firsts[run], self._durations.values[run]
        return self._starts[run] + (sample - first) * duration

    def at(self, time: int) -> int:
        """The first sample that is decoded at `time` or later; `count` if there is none."""
        run = max(0, bisect_right(self._starts, time - 1) - 1)
        first, duration = self._durations.firsts[run], self._durations.values[run]
        behind = max(0, time - self._starts[run])
        within = -(-behind // duration) if duration else 0
        following = run + 1 < len(self._starts)
        limit = self._durations.firsts[run + 1] if following else self.count
        return min(first + within, limit, self.count)

    def durations(self, first: int, end: int) -> Iterator[int]:
        """Of each sample, in ticks."""
        return self._durations.expand(first, end)

    def offsets(self, first: int, end: int) -> Iterator[int] | None:
        """From decode time to presentation time of each, in ticks; None if there is none."""
        return None if self._offsets is None else self._offsets.expand(first, end)

    def sizes(self, first: int, end: int) -> "array[int]":
        """Bytes of each."""
        return self._sizes[first:end]

    def bytes(self, first: int, end: int) -> int:
        """Of all together."""
        return sum(self._sizes[first:end])

    def sync_numbers(self, first: int, end: int) -> set[int] | None:
        """Samples at which decoding can start; None: all."""
        if self.syncs is None:
            return None
        low, high = bisect_right(self.syncs, first - 1), bisect_right(self.syncs, end - 1)
        return set(self.syncs[low:high])

    def spans(self, first: int, end: int) -> list[Span]:
        """Where their bytes lie, in their order; neighbours are joined."""
        found: list[Span] = []
        sizes, chunks, firsts = self._sizes, self.chunks, self.chunk_firsts
        chunk = bisect_right(firsts, first) - 1
        last, offset, size, follows = len(firsts) - 1, 0, 0, -1
        while first < end:
            stop = min(end, firsts[chunk + 1]) if chunk < last else end
            begin = chunks[chunk]
            if first > firsts[chunk]:
                begin += self.bytes(firsts[chunk], first)
            if begin != follows:
                if size:
                    found.append(Span(offset, size))
                offset, size = begin, 0
            own = sizes[first] if stop - first == 1 else sum(sizes[first:stop])
            size += own
            follows = begin + own
            first, chunk = stop, chunk + 1
        if size:
            found.append(Span(offset, size))
        return found

    def keep_below(self, file_size: int) -> None:
        """Drop what lies behind the end of the file, and all after it: it was cut off."""
        if not self.chunks:
            self.count = 0
            return
        if self._ends(self.chunks.index(max(self.chunks))) <= file_size:
            return
        for number, offset in enumerate(self.chunks):
            if offset >= file_size or self._ends(number) > file_size:
                self.count = min(self.count, self.chunk_firsts[number])
                return

    def _ends(self, chunk: int) -> int:
        first = self.chunk_firsts[chunk]
        following = chunk + 1 < len(self.chunk_firsts)
        end = self.chunk_firsts[chunk + 1] if following else self.count
        return self.chunks[chunk] + self.bytes(first, end)
