"""When there is something of an archive, for statistics: measured file by file, kept as numbers.

Role: who looks at all files of a disk or of a bucket again and again reads the index of each but
once, and puts down what it read for who reads next (`archive/month_times`): a process that begins,
or is asked for a year. It belongs to the thread of that disk or bucket; what there is no time for
waits until the next look, and until then nothing is said.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from media_streamer.archive.container import read_head, read_times
from media_streamer.archive.library import read_file, times_by_index
from media_streamer.archive.month_times import FileTimes, Months, month_of, write_month
from media_streamer.archive.places import RecordedFile, index_path
from media_streamer.archive.ranges import Range, merge

LOOK_SECONDS = 1.0
"""So long indexes are read at once."""

SETTLED_NS = 2_000_000_000
"""What was changed later than this may be changed again within one tick of the file system's clock,
so nothing is put down of it."""

ReadTimes = Callable[[RecordedFile], Sequence[Range] | None]
"""When there is something of a file; None: that is not known yet."""


def times_of_file(file: RecordedFile) -> Sequence[Range] | None:
    """Of one on a disk; of what cannot be read there is nothing. Blocks."""
    try:
        size = file.path.stat().st_size
        found = times_by_index(file, size)
        if found is None:
            groups = read_file(file, size).groups
            found = merge(Range(group.start_ms, group.end_ms) for group in groups)
    except (OSError, ValueError):
        return ()
    return found


def times_of_index(file: RecordedFile) -> Sequence[Range] | None:
    """Of one whose index alone is here. Blocks."""
    try:
        data = index_path(file.path).read_bytes()
        return read_times(data, read_head(data))[0]
    except (OSError, ValueError):
        return None


class Measured:
    """Of the files of one stream in one place."""

    def __init__(
        self, read: ReadTimes = times_of_file, judged: Callable[[Path], Path] = Path
    ) -> None:
        """`judged`: what of a file tells whether it is as it was."""
        self._read = read
        self._judged = judged
        self._known: dict[int, tuple[int, ...]] = {}
        """By the start of a file its size then, and from when until when there is something."""
        self._forgotten = False
        self._merged: tuple[Range, ...] | None = None

    def forget(self) -> None:
        """Something was deleted within files; from any thread."""
        self._forgotten = True

    def look(
        self, sizes: Mapping[int, int], path: Callable[[int], Path], until: float
    ) -> tuple[Range, ...] | None:
        """When there is something of the files that begin then (Unix ms) and are so large.

        None if it is not known of all of them; none is read after `until`, by the monotonic clock.
        """
        if self._forgotten:
            self._forgotten = False
            self._known.clear()
        gone = self._known.keys() - sizes.keys()
        for start_ms in gone:
            del self._known[start_ms]
        changed, complete = bool(gone), True
        months, newest = Months(), max(sizes, default=0)
        fresh: dict[Path, dict[int, FileTimes]] = {}
        for start_ms, size in sizes.items():
            known = self._known.get(start_ms)
            if known is not None and known[0] == size:
                continue
            found = None
            if time.monotonic() < until:
                file = RecordedFile(start_ms, path(start_ms))
                found, put_down = self._look_at(file, months if known is None else None)
                if put_down is not None and start_ms != newest:  # that one may be written to
                    fresh.setdefault(month_of(file.path), {})[start_ms] = put_down
            if found is not None:
                self._known[start_ms] = size, *(ms for one in found for ms in one)
                changed = True
            elif known is None:
                complete = False
        for month, times in fresh.items():
            left = {start: one for start, one in months.of(month).items() if start in sizes}
            write_month(month, left | times)
        if changed or self._merged is None:
            self._merged = tuple(
                merge(
                    Range(*own[at : at + 2])
                    for own in self._known.values()
                    for at in range(1, len(own), 2)
                )
            )
        return self._merged if complete else None

    def _look_at(
        self, file: RecordedFile, months: Months | None
    ) -> tuple[Sequence[Range] | None, FileTimes | None]:
        """When there is something of a file, and what is to be put down of it.

        `months`: what is put down already; None of a file that is known to have changed.
        """
        try:
            state = self._judged(file.path).stat()
        except OSError:
            return self._read(file), None
        kept = months.times(file.start_ms, file.path, state) if months is not None else None
        if kept is not None:
            return kept.ranges, None
        found = self._read(file)
        if not found or time.time_ns() - state.st_mtime_ns < SETTLED_NS:
            return found, None
        return found, FileTimes(list(found), state.st_size, state.st_mtime_ns)
