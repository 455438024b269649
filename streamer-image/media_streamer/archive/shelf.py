"""The file that a stream is being recorded into: segments are appended, each whole or not at all.

Belongs to the thread of its disk. A file ends with its hour, its span or its tracks; none is
continued by another process, so what a crash left half-written is cut off once and stays as it is.
"""

import contextlib
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from media_streamer.archive.container import (
    MICROSECONDS,
    ArchivedTrack,
    Piece,
    make_head,
    make_mark,
    renumber,
)
from media_streamer.archive.library import read_all
from media_streamer.archive.places import (
    HOUR_MS,
    OWNER_FILE,
    RecordedFile,
    file_path,
    files_between,
    index_path,
)

log = logging.getLogger(__name__)

CLOCK_TICKS = 90_000
MAX_OVERLAP_MS = 10_000
"""A recording that begins a little before the last one ended begins where that ended; more than
this means that somebody has set the clock."""
MAX_LISTED_MS = 10 * 60_000
"""No stream lists more than this."""
LOOK_BACK_MS = 24 * HOUR_MS
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
_NEW = _APPEND | os.O_CREAT | os.O_EXCL


@dataclass(frozen=True, slots=True, eq=False)
class Section:
    """Tracks that are recorded together, and their initialisation sections."""

    tracks: tuple[ArchivedTrack, ...]
    inits: tuple[bytes, ...]


@dataclass(slots=True)
class Part:
    """What one track has of a segment: a file in shared memory, or the descriptor of it."""

    path: str
    descriptor: int
    """-1: it is opened when it is written."""
    size: int
    time: int
    """Decode time on the stream's clock in ticks of the track."""
    duration: float

    def read(self) -> bytearray:
        """Its bytes; raises OSError where they are gone."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor < 0:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = bytearray(os.pread(descriptor, self.size, 0))
        finally:
            os.close(descriptor)
        if len(data) != self.size:
            raise OSError(f"{self.path} is shorter than it was")
        return data

    def drop(self) -> None:
        """It will not be read."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


@dataclass(slots=True)
class SegmentJob:
    """A segment of all tracks, in the order of the section."""

    section: Section
    parts: Sequence[Part]
    period: tuple[int, int]
    """Wall clock in ms and clock of the stream in ticks of 90 kHz at the same moment."""
    broken: bool

    @property
    def size(self) -> int:
        return sum(part.size for part in self.parts)


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
    dirty: bool = False
    """Something was written that the disk may not have yet."""
    _media: int = -1
    _index: int = -1
    _size: int = 0
    _start_ms: int = 0
    _section: Section | None = None
    _sequence: int = 1
    _end_ms: int = 0
    _period: tuple[int, int] | None = None
    _shift_ms: int = 0
    _looked_back: bool = False
    _began: bool = False
    """Something was written."""

    def write(self, job: SegmentJob) -> bool:
        """Append a segment; False if it is there already.

        Raises OSError or ValueError, and then nothing of it is there.
        """
        pieces = [part.read() for part in job.parts]
        if not self._looked_back:
            self._look_back(job)
        start_ms, times = self._times(job)
        if not self._began and self._is_there(start_ms, job.parts[0].duration):
            self._period = None
            return False
        self._began = True
        if self._must_turn(start_ms, job.section):
            self._turn(start_ms, job.section)
        sequence = self._sequence
        for number, (data, part, time) in enumerate(
            zip(pieces, job.parts, times, strict=True), start=1
        ):
            sequence = renumber(data, number, time - part.time, sequence)
        marked = [
            Piece(part.size, time, round(part.duration * MICROSECONDS))
            for part, time in zip(job.parts, times, strict=True)
        ]
        duration_us = marked[0].duration_us
        mark = make_mark(start_ms, duration_us, job.broken, marked)
        self._append([mark, *pieces])
        with contextlib.suppress(OSError):
            # The file is the truth; what the index lacks is read from there.
            os.write(self._index, mark)
        self._sequence = sequence
        self._end_ms = start_ms + duration_us // 1000
        return True

    def _is_there(self, start_ms: int, seconds: float) -> bool:
        """Who begins to record gets what the stream still lists, which may be on the disk."""
        overlap_ms = self._end_ms - start_ms + self._shift_ms - round(seconds * 500)
        return 0 < overlap_ms < MAX_LISTED_MS

    def sync(self) -> None:
        """Wait until the disk has what was written; raises OSError."""
        self.dirty = False
        if self._media >= 0:
            os.fdatasync(self._media)

    def close(self) -> None:
        """End the file."""
        self.dirty = False
        for descriptor in (self._media, self._index):
            if descriptor >= 0:
                os.close(descriptor)
        self._media = self._index = -1

    def _times(self, job: SegmentJob) -> tuple[int, list[int]]:
        """Start in Unix ms, and the decode time of each part since 1970."""
        if job.period != self._period:
            self._period, self._shift_ms = job.period, 0
            start_ms, _ = self._times(job)
            if 0 < self._end_ms - start_ms < MAX_OVERLAP_MS:
                self._shift_ms = self._end_ms - start_ms
        utc_ms, clock = job.period
        ticks = (utc_ms + self._shift_ms) * (CLOCK_TICKS // 1000) - clock
        scales = [track.timescale for track in job.section.tracks]
        times = [
            part.time + ticks * scale // CLOCK_TICKS
            for part, scale in zip(job.parts, scales, strict=True)
        ]
        if min(times) < 0:
            raise ValueError("a segment of before 1970")
        return -(-times[0] * 1000 // scales[0]), times

    def _must_turn(self, start_ms: int, section: Section) -> bool:
        return (
            self._media < 0
            or section is not self._section
            or start_ms // HOUR_MS != self._start_ms // HOUR_MS
            or start_ms - self._start_ms >= self.span_ms
        )

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
                self._media = os.open(path, _NEW, 0o644)
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
        self._start_ms, self._section, self._sequence = start_ms, section, 1

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
        self.dirty = True

    def _look_back(self, job: SegmentJob) -> None:
        """Cut off what the last process left half-written, and know where its recording ended."""
        now_ms = job.period[0]
        files = files_between(self.folder, now_ms - LOOK_BACK_MS, now_ms + LOOK_BACK_MS)
        self._looked_back = True
        if files:
            self._end_ms = repair(files[-1])


def repair(file: RecordedFile) -> int:
    """Make a file end with its last whole segment; returns where it ends, 0 if it has none.

    Raises OSError.
    """
    size = file.path.stat().st_size
    try:
        _, groups = read_all(file, size)
    except ValueError:
        log.warning("archive: %s has no head and is left as it is", file.path)
        return 0
    if not groups:
        return 0
    last = groups[-1]
    end = last.offset + last.size
    if end < size:
        log.warning("archive: %s: %d bytes of a segment cut off", file.path, size - end)
        os.truncate(file.path, end)
    return last.end_ms
