"""Reading an archive: which segments there are of a time, from the files alone.

Invariants: the index of a file only saves reading: what it lacks is found by the marks in the file,
and what it has too much (a cut of power) is left out. Files that end are read once and kept, within
bounds. Everything here blocks on the disk: it is called in threads.
"""

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from media_streamer.archive.container import (
    MAX_HEAD_BYTES,
    Group,
    Head,
    mark_bytes,
    read_head,
    read_mark,
    read_marks,
)
from media_streamer.archive.places import (
    HOUR_MS,
    MAX_MS,
    RecordedFile,
    files_between,
    index_path,
)

MAX_KEPT_GROUPS = 200_000
"""Of all files together: some 60 MB, or ten days of segments of 5 s."""
CONTINUES_MS = 500
"""Segments of one recording follow each other closer than this."""

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
    changed_ns: int
    """When it was written to last."""


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
        self._lock = threading.Lock()

    def content(self, file: RecordedFile) -> FileContent | None:
        """What is in a file; None if it is gone or no file of an archive."""
        try:
            now = file.path.stat()
        except OSError:
            return None
        with self._lock:
            kept = self._kept.get(file.path)
            if kept is not None and (kept.size, kept.changed_ns) == (now.st_size, now.st_mtime_ns):
                self._kept.move_to_end(file.path)
                return kept
        try:
            content = read_file(file, now.st_size, now.st_mtime_ns)
        except (OSError, ValueError):
            return None
        self._keep(content)
        return content

    def entries(
        self, folder: Path, from_ms: int, to_ms: int, limit: int | None = None
    ) -> list[Entry]:
        """Segments that begin within `from_ms <= start <= to_ms`, oldest first.

        Raises TooMuch for more than `limit`.
        """
        found: list[Entry] = []
        before: tuple[FileContent, Group] | None = None
        for file in files_between(folder, from_ms, to_ms):
            content = self.content(file)
            if content is None:
                continue
            for group in content.groups:
                if not from_ms <= group.start_ms <= to_ms:
                    continue
                broken = before is not None and not continues(*before, content, group)
                found.append(Entry(group, content, broken))
                before = content, group
            if limit is not None and len(found) > limit:
                raise TooMuch(f"more than {limit} segments")
        return found

    def find(self, folder: Path, start_ms: int) -> tuple[FileContent, Group] | None:
        """The segment that begins at that very time."""
        for file in reversed(files_between(folder, start_ms - HOUR_MS, start_ms)):
            content = self.content(file)
            for group in content.groups if content is not None else ():
                if group.start_ms == start_ms:
                    assert content is not None
                    return content, group
        return None

    def find_time(
        self, folder: Path, track: str, timescale: int, time: int
    ) -> tuple[FileContent, Group] | None:
        """The segment in which a track begins at `time`, in ticks of `timescale` since 1970."""
        near_ms = min(time * 1000 // timescale, MAX_MS)
        for file in reversed(files_between(folder, near_ms - HOUR_MS, near_ms + SPREAD_MS)):
            content = self.content(file)
            names = [one.name for one in content.head.tracks] if content is not None else []
            if content is None or track not in names:
                continue
            number = names.index(track)
            if content.head.tracks[number].timescale != timescale:
                continue
            for group in content.groups:
                if group.pieces[number].time == time:
                    return content, group
        return None

    def contents(self, folder: Path) -> Iterator[FileContent]:
        """All files of a stream, oldest first."""
        for file in files_between(folder, 0, MAX_MS):
            if (content := self.content(file)) is not None:
                yield content

    def _keep(self, content: FileContent) -> None:
        with self._lock:
            old = self._kept.pop(content.file.path, None)
            self._count += len(content.groups) - (len(old.groups) if old is not None else 0)
            self._kept[content.file.path] = content
            while self._count > self._max_groups and len(self._kept) > 1:
                _, gone = self._kept.popitem(last=False)
                self._count -= len(gone.groups)


def continues(before: FileContent, last: Group, content: FileContent, group: Group) -> bool:
    """Whether players can go from `last` to `group` without a break."""
    if group.broken or before.head.essence != content.head.essence:
        return False
    return abs(group.start_ms - last.end_ms) < CONTINUES_MS


def read_file(file: RecordedFile, size: int, changed_ns: int = 0) -> FileContent:
    """What is in a file of `size` bytes; raises OSError or ValueError."""
    head, groups = read_all(file, size)
    return FileContent(file, head, tuple(g for g in groups if not g.erased), size, changed_ns)


def read_all(file: RecordedFile, size: int) -> tuple[Head, list[Group]]:
    """The same with the segments that were deleted."""
    head, groups = _read_index(file, size)
    end = groups[-1].offset + groups[-1].size if groups else head.size if head else 0
    if head is None or end < size:
        with file.path.open("rb", buffering=0) as media:
            if head is None:
                head = read_head(media.read(MAX_HEAD_BYTES))
                end = head.size
            groups.extend(_walk(media.fileno(), head, end, size))
    return head, groups


def _read_index(file: RecordedFile, size: int) -> tuple[Head | None, list[Group]]:
    """What the index says and the file has; nothing if there is no index to be believed."""
    try:
        data = index_path(file.path).read_bytes()
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
