"""Reading an archive: which segments there are of a time, from the files alone.

Of what is in a bucket the indexes are here; a file that is on a disk too is read there.

Invariants: the index of a file only saves reading: what it lacks is found by the marks in the file,
and what it has too much (a cut of power) is left out. Files that end are read once and kept, within
bounds. Everything here blocks on the disk: it is called in threads.
"""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple, TypeVar

from media_streamer import opening
from media_streamer.archive.container import (
    MAX_HEAD_BYTES,
    Group,
    Head,
    mark_bytes,
    read_head,
    read_mark,
    read_marks,
    read_times,
    single_init,
)
from media_streamer.archive.copied import Copied
from media_streamer.archive.month_times import FileTimes, Months
from media_streamer.archive.patience import Patience
from media_streamer.archive.places import (
    HOUR_MS,
    MAX_MS,
    Place,
    RecordedFile,
    files_between,
    index_path,
)
from media_streamer.archive.ranges import GAP_MS, Range, merge

Read = TypeVar("Read")
Result = TypeVar("Result")
Where = Path | Sequence[Place]
"""A folder, or all places that a stream's archive has."""

MAX_KEPT_GROUPS = 200_000
"""Of all files together: some 60 MB, or ten days of segments of 5 s."""
MAX_KEPT_TIMES = 50_000
"""Files of which it is known when there is something: 25 MB, or some years of a stream."""
CONTINUES_MS = 500
"""Segments of one recording follow each other closer than this."""
OVERLAP_MS = 5
"""Segments of two files that have more than this in common are of two recordings."""
BEFORE_MS = 60_000
"""A segment is no longer than this."""
SPREAD_MS = 2000
"""The tracks of a segment begin closer to each other than this."""


class FileContent(NamedTuple):
    """What is in a file."""

    file: RecordedFile
    head: Head
    groups: tuple[Group, ...]
    """Those that nobody deleted."""
    size: int
    """Bytes of the file."""
    changed_ns: int = 0
    """When it was written to last."""
    copied: Copied | None = None
    """Where its media is, if not on a disk."""


class Entry(NamedTuple):
    """A segment and where it is."""

    group: Group
    content: FileContent
    broken: bool
    """It does not continue the entry before."""


class TooMuch(ValueError):  # noqa: N818 - the answer to a question
    """More segments than may be listed at once."""


class Library:
    """What was read of late; may be used by several threads."""

    def __init__(self, max_groups: int = MAX_KEPT_GROUPS) -> None:
        self._max_groups = max_groups
        self._kept: OrderedDict[Path, FileContent] = OrderedDict()
        self._count = 0
        self._times: OrderedDict[Path, FileTimes] = OrderedDict()
        self._lock = threading.Lock()
        self._patience = Patience()

    def content(self, file: RecordedFile, place: Place | None = None) -> FileContent | None:
        """What is in a file; None if it is gone or no file of an archive.

        `place`: where it lies, if its media may be in a bucket.
        """
        bucket = place.bucket if place is not None else ""
        now = _state(file, bucket)
        if now is None:
            return None
        with self._lock:
            kept = self._kept.get(file.path)
            if kept is not None and (kept.size, kept.changed_ns) == (now.st_size, now.st_mtime_ns):
                self._kept.move_to_end(file.path)
                return kept
        try:
            if bucket and place is not None:
                content = _read_copied(file, place, now.st_size, now.st_mtime_ns)
            else:
                content = read_file(file, now.st_size, now.st_mtime_ns)
        except (OSError, ValueError):
            return None
        self._keep(content)
        return content

    def times(
        self, file: RecordedFile, place: Place | None = None, months: Months | None = None
    ) -> list[Range] | None:
        """When there is something of a file; None as for `content`. `months`: what is kept of a
        file that was never looked at."""
        bucket = place.bucket if place is not None else ""
        now = _state(file, bucket)
        if now is None:
            return None
        with self._lock:
            kept = self._times.get(file.path)
            if kept is not None and kept[1:] == (now.st_size, now.st_mtime_ns):
                self._times.move_to_end(file.path)
                return kept.ranges
        put_down = None
        if months is not None and kept is None:  # else it grows
            put_down = months.times(file.start_ms, file.path, now)
        if put_down is not None:
            ranges: list[Range] | None = put_down.ranges
        else:
            ranges = times_by_index(file, 0 if bucket else now.st_size)
        if ranges is None:
            content = self.content(file, place)
            if content is None:
                return None
            ranges = merge(Range(group.start_ms, group.end_ms) for group in content.groups)
        with self._lock:
            self._times[file.path] = FileTimes(ranges, now.st_size, now.st_mtime_ns)
            self._times.move_to_end(file.path)
            if len(self._times) > MAX_KEPT_TIMES:
                self._times.popitem(last=False)
        return ranges

    def entries(
        self, where: Where, from_ms: int, to_ms: int, limit: int | None = None
    ) -> list[Entry]:
        """Segments that begin within `from_ms <= start <= to_ms`, oldest first.

        Raises TooMuch for more than `limit`.
        """
        found: list[Entry] = []
        before: tuple[FileContent, Group] | None = None
        for content, group in self._segments(where, from_ms, to_ms, limit):
            broken = before is not None and not continues(*before, content, group)
            found.append(Entry(group, content, broken))
            before = content, group
            if limit is not None and len(found) > limit:
                raise TooMuch(f"more than {limit} segments")
        return found

    def _segments(
        self, where: Where, from_ms: int, to_ms: int, limit: int | None
    ) -> Iterator[tuple[FileContent, Group]]:
        """Of all places in order of time, none twice."""

        def of_disk(contents: Iterator[FileContent]) -> list[tuple[FileContent, Group]]:
            found: list[tuple[FileContent, Group]] = []
            for content in contents:
                groups = content.groups
                found += ((content, g) for g in groups if from_ms <= g.start_ms <= to_ms)
                if limit is not None and len(found) > limit:
                    raise TooMuch(f"more than {limit} segments")
            return found

        disks = self._of_disks(where, from_ms, to_ms, self.content, of_disk)
        if len(disks) == 1:
            yield from disks[0]
            return
        yield from without_doubles(chain(*disks))

    def _of_disks(
        self,
        where: Where,
        from_ms: int,
        to_ms: int,
        read: Callable[[RecordedFile, Place], Read | None],
        work: Callable[[Iterator[Read]], Result],
        *,
        newest_first: bool = False,
    ) -> list[Result]:
        """What `work` makes of what is read of the files of a time on each disk, without those that
        are silent."""

        def on(place: Place) -> Result:
            suffix = ".idx" if place.bucket else ".mp4"
            files = files_between(place.folder, from_ms, to_ms, suffix=suffix)
            return work(self._read_all(read, reversed(files) if newest_first else files, place))

        if isinstance(where, Path):
            return [on(Place(where, where))]
        if len(where) == 1:
            return [on(where[0])]
        return self._patience.ask({one.disk: partial(on, one) for one in where})

    def _read_all(
        self,
        read: Callable[[RecordedFile, Place], Read | None],
        files: Iterable[RecordedFile],
        place: Place,
    ) -> Iterator[Read]:
        for file in files:
            found = read(file, place)
            self._patience.heard(place.disk)
            if found is not None:
                yield found

    def is_partial(self, places: Sequence[Place]) -> bool:
        """Whether a disk of an archive does not answer, or is not there: what was not found may be
        on it. `places`: as they are declared. Blocks."""
        # What others sent or has been copied lies below a root, in a folder that begins with a dot.
        own = [one.disk for one in places if not one.bucket and not one.disk.name.startswith(".")]
        disks = set(own[1:] or own)  # where there are disks, the root need not be one

        def is_gone(disk: Path) -> bool:
            """One that is ours has at least the file that says so."""
            try:
                with opening.listed(disk) as entries:
                    return next(entries, None) is None
            except OSError:
                return True

        try:
            answers = self._patience.ask({disk: partial(is_gone, disk) for disk in disks})
        except OSError:
            return True
        return any(answers) or len(answers) < len(disks)

    def find(self, where: Where, start_ms: int) -> tuple[FileContent, Group] | None:
        """The segment that begins at that very time."""

        def first(contents: Iterator[FileContent]) -> tuple[FileContent, Group] | None:
            for content in contents:
                for group in content.groups:
                    if group.start_ms == start_ms:
                        return content, group
            return None

        found = self._of_disks(
            where, start_ms - HOUR_MS, start_ms, self.content, first, newest_first=True
        )
        return next((one for one in found if one is not None), None)

    def find_time(
        self, where: Where, track: str, timescale: int, time: int
    ) -> tuple[FileContent, Group] | None:
        """The segment in which a track begins at `time`, in ticks of `timescale` since 1970."""
        near_ms = min(time * 1000 // timescale, MAX_MS)

        def first(contents: Iterator[FileContent]) -> tuple[FileContent, Group] | None:
            for content in contents:
                names = [one.name for one in content.head.tracks]
                number = names.index(track) if track in names else -1
                if number < 0 or content.head.tracks[number].timescale != timescale:
                    continue
                for group in content.groups:
                    if group.pieces[number].time == time:
                        return content, group
            return None

        found = self._of_disks(
            where, near_ms - HOUR_MS, near_ms + SPREAD_MS, self.content, first, newest_first=True
        )
        return next((one for one in found if one is not None), None)

    def ranges(self, where: Where, from_ms: int = 0, to_ms: int = MAX_MS) -> list[Range]:
        """When something is recorded, without gaps, by the files of that time."""

        def of_disk(times: Iterator[list[Range]]) -> list[Range]:
            return merge(chain.from_iterable(times))

        read = partial(self.times, months=Months())
        return merge(chain(*self._of_disks(where, from_ms, to_ms, read, of_disk)))

    def init(self, where: Where, track: str, start_ms: int) -> bytes | None:
        """The initialisation section of a track in the file that began at that very time."""

        def of_disk(contents: Iterator[FileContent]) -> bytes | None:
            for content in contents:
                names = [one.name for one in content.head.tracks]
                if content.file.start_ms == start_ms and track in names:
                    return single_init(content.head.init, names.index(track))
            return None

        found = self._of_disks(where, start_ms, start_ms, self.content, of_disk)
        return next((one for one in found if one is not None), None)

    def _keep(self, content: FileContent) -> None:
        with self._lock:
            old = self._kept.pop(content.file.path, None)
            self._count += len(content.groups) - (len(old.groups) if old is not None else 0)
            self._kept[content.file.path] = content
            while self._count > self._max_groups and len(self._kept) > 1:
                _, gone = self._kept.popitem(last=False)
                self._count -= len(gone.groups)


def without_doubles(
    found: Iterable[tuple[FileContent, Group]],
) -> Iterator[tuple[FileContent, Group]]:
    """Segments of several places in order of time, without those that add nothing.

    One that a disk was too slow to take may be on another one too. Where a gap was filled from
    another server the segments of both overlap: what would leave a gap by going stays.
    """
    end_ms = 0
    for content, group in sorted(found, key=lambda one: one[1].start_ms):
        if group.end_ms - end_ms > min(GAP_MS, group.duration_us // 2000):
            yield content, group
            end_ms = group.end_ms


def continues(before: FileContent, last: Group, content: FileContent, group: Group) -> bool:
    """Whether players can go from `last` to `group` without a break."""
    if group.broken or before.head.essence != content.head.essence:
        return False
    is_other = before.file.path != content.file.path
    if is_other and last.end_ms - group.start_ms > OVERLAP_MS:
        return False  # one of them is from another server
    return abs(group.start_ms - last.end_ms) < CONTINUES_MS


def _state(file: RecordedFile, bucket: str) -> os.stat_result | None:
    """What tells whether a file, or its index alone, is as it was; None if it is gone."""
    try:
        return (index_path(file.path) if bucket else file.path).stat()
    except OSError:
        return None


def times_by_index(file: RecordedFile, size: int) -> list[Range] | None:
    """When there is something of a file of `size` bytes (0: its index alone is here), by its index;
    None if that does not say so of all of it."""
    try:
        data = opening.read_bytes(index_path(file.path))
        ranges, end = read_times(data, read_head(data))
    except (OSError, ValueError):
        return None
    return ranges if end == size or not size else None


def read_file(file: RecordedFile, size: int, changed_ns: int = 0) -> FileContent:
    """What is in a file of `size` bytes; raises OSError or ValueError."""
    head, groups = read_all(file, size)
    return FileContent(file, head, tuple(g for g in groups if not g.erased), size, changed_ns)


def _read_copied(file: RecordedFile, place: Place, size: int, changed_ns: int) -> FileContent:
    """The same of one whose index alone is here."""
    data = opening.read_bytes(index_path(file.path))
    head = read_head(data)
    groups = tuple(g for g in read_marks(data, head.size, head) if not g.erased)
    copied = Copied(place.bucket, file.path.relative_to(place.disk).as_posix())
    return FileContent(file, head, groups, size, changed_ns, copied)


def read_all(file: RecordedFile, size: int) -> tuple[Head, list[Group]]:
    """The same with the segments that were deleted."""
    head, groups = _read_index(file, size)
    end = groups[-1].offset + groups[-1].size if groups else head.size if head else 0
    if head is None or end < size:
        with opening.read_file(file.path) as media:
            if head is None:
                head = read_head(media.read(MAX_HEAD_BYTES))
                end = head.size
            groups.extend(_walk(media.fileno(), head, end, size))
    return head, groups


def _read_index(file: RecordedFile, size: int) -> tuple[Head | None, list[Group]]:
    """What the index says and the file has; nothing if there is no index to be believed."""
    try:
        data = opening.read_bytes(index_path(file.path))
        head = read_head(data)
    except (OSError, ValueError):
        return None, []
    return head, [g for g in read_marks(data, head.size, head) if g.offset + g.size <= size]


def _walk(descriptor: int, head: Head, at: int, size: int) -> Iterator[Group]:
    """The whole segments of a file from the mark at `at` on."""
    count = len(head.tracks)
    length = mark_bytes(count)
    while at + length <= size:
        group = read_mark(os.pread(descriptor, length, at), 0, count, at)
        if group is None or group.offset + group.size > size:
            return
        yield group
        at = group.offset + group.size
