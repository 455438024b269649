"""The file that a stream is being recorded into: segments are appended, each whole or not at all.

Belongs to the thread of its disk; a stream that is recorded on several disks has one on each, with
one timeline. A file ends with its hour, its span or its tracks, and where it is gone from its
place, for what is written to it then nobody finds; none is continued by another process, so what a
crash left half-written is cut off once and stays as it is.
"""

import contextlib
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from media_streamer.archive.container import make_head, make_mark
from media_streamer.archive.job import Section, SegmentJob
from media_streamer.archive.library import read_all
from media_streamer.archive.places import (
    HOUR_MS,
    OWNER_FILE,
    RecordedFile,
    file_path,
    files_between,
    index_path,
)
from media_streamer.archive.timeline import Timeline

log = logging.getLogger(__name__)

LOOK_BACK_MS = 24 * HOUR_MS
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
_NEW = _APPEND | os.O_CREAT | os.O_EXCL


@dataclass(slots=True)
class Figures:
    """What became of the segments of a stream; written by the thread, read by the event loop."""

    bytes: int = 0
    segments: int = 0
    dropped: int = 0
    errors: int = 0
    error: str = ""
    """Why nothing is recorded now; empty while it is."""
    written_at: float = 0.0
    """Unix seconds."""


@dataclass(slots=True, eq=False)
class Shelf:
    """The archive of one stream as its writer sees it."""

    stream: str
    root: Path
    folder: Path
    span_ms: int
    figures: Figures = field(default_factory=Figures)
    timeline: Timeline = field(default_factory=Timeline)
    _media: int = -1
    _index: int = -1
    _path: Path = Path()
    """Of the media."""
    _size: int = 0
    _start_ms: int = 0
    _section: Section | None = None
    _looked_back: bool = False

    def write(self, job: SegmentJob) -> bool:
        """Append a segment; False if it is there already.

        Raises OSError or ValueError, and then nothing of it is there; PartsGone where no disk
        could write it.
        """
        job.load()
        if not self._looked_back:
            self._look_back(job)
        ready = self.timeline.prepare(job)
        if ready is None:
            return False
        if self._must_turn(ready.start_ms, job.section):
            self._turn(ready.start_ms, job.section)
        mark = make_mark(ready.start_ms, ready.duration_us, ready.broken, ready.pieces)
        self._append([mark, *job.data])
        with contextlib.suppress(OSError):
            # The file is the truth; what the index lacks is read from there.
            os.write(self._index, mark)
        self.timeline.written(ready)
        return True

    def sync(self) -> None:
        """Wait until the disk has what was written; raises OSError."""
        if self._media >= 0:
            os.fdatasync(self._media)

    def close(self) -> None:
        """End the file."""
        for descriptor in (self._media, self._index):
            if descriptor >= 0:
                os.close(descriptor)
        self._media = self._index = -1

    def _must_turn(self, start_ms: int, section: Section) -> bool:
        return (
            self._is_gone()
            or section is not self._section
            or start_ms // HOUR_MS != self._start_ms // HOUR_MS
            or start_ms - self._start_ms >= self.span_ms
        )

    def _is_gone(self) -> bool:
        """No file is open, or it was deleted or its disk unmounted; raises OSError."""
        if self._media < 0:
            return True
        opened = os.fstat(self._media)
        try:
            there = os.stat(self._path)
        except (FileNotFoundError, NotADirectoryError):
            there = None
        if there is not None and (there.st_dev, there.st_ino) == (opened.st_dev, opened.st_ino):
            return False
        log.error(
            "stream %s: %s is gone while it was recorded: deleted, or its disk is not mounted any"
            " more; another file is begun",
            self.stream,
            self._path,
        )
        return True

    def _turn(self, start_ms: int, section: Section) -> None:
        """Begin a new file; raises OSError."""
        self.close()
        if not (self.root / OWNER_FILE).exists():
            # Without its disk the folder would fill the one below.
            raise FileNotFoundError(f"{self.root} is not the archive that it was: is it mounted?")
        head = make_head(section.inits, section.tracks)
        while True:
            path = file_path(self.folder, start_ms)
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._media, self._path = os.open(path, _NEW, 0o644), path
                break
            except FileExistsError:
                start_ms += 1  # a file of before the clock was set back
        try:
            self._index = os.open(index_path(path), _NEW | os.O_TRUNC, 0o644)
            self._size = 0
            self._append([head])
            os.write(self._index, head)
        except OSError:
            self.close()
            for one in (path, index_path(path)):
                one.unlink(missing_ok=True)
            raise
        self._start_ms, self._section = start_ms, section

    def _append(self, data: Sequence[bytes | bytearray]) -> None:
        """Append all or nothing; raises OSError."""
        rest = [memoryview(one) for one in data if one]
        written = 0
        try:
            while rest:
                count = os.writev(self._media, rest)
                written += count
                while rest and count >= len(rest[0]):
                    count -= len(rest.pop(0))
                if rest:
                    rest[0] = rest[0][count:]
        except OSError:
            try:
                os.ftruncate(self._media, self._size)
            except OSError:
                self.close()  # what is half-written stays the end of this file
            raise
        self._size += written

    def _look_back(self, job: SegmentJob) -> None:
        """Cut off what the last process left half-written, and know where its recording ended."""
        now_ms = job.period[0]
        files = files_between(self.folder, now_ms - LOOK_BACK_MS, now_ms + LOOK_BACK_MS)
        self._looked_back = True
        if files:
            self.timeline.looked_back(repair(files[-1]))


def repair(file: RecordedFile) -> int:
    """Make a file end with its last whole segment; returns where it ends, 0 if it has none.

    Raises OSError.
    """
    size = file.path.stat().st_size
    try:
        head, groups = read_all(file, size)
    except ValueError:
        log.warning("archive: %s has no head and is left as it is", file.path)
        return 0
    end = groups[-1].offset + groups[-1].size if groups else head.size
    if end < size:
        log.warning("archive: %s: %d bytes of a segment cut off", file.path, size - end)
        os.truncate(file.path, end)
    return groups[-1].end_ms if groups else 0
