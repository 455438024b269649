"""A segment on its way from the memory of live to a disk of the archive."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from media_streamer.archive.container import ArchivedTrack, Piece


class PartsGone(FileNotFoundError):  # noqa: N818 - no fault of a disk
    """What live had of a segment is not there any more."""


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
        """Its bytes; raises PartsGone."""
        descriptor, self.descriptor = self.descriptor, -1
        try:
            if descriptor < 0:
                descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                data = bytearray(os.pread(descriptor, self.size, 0))
            finally:
                os.close(descriptor)
        except OSError as error:
            raise PartsGone(f"{self.path} is gone before it was recorded: {error}") from error
        if len(data) != self.size:
            raise PartsGone(f"{self.path} is shorter than it was")
        return data

    def drop(self) -> None:
        """It will not be read."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


class Ready(NamedTuple):
    """What a segment is called in the archive."""

    start_ms: int
    duration_us: int
    pieces: tuple[Piece, ...]
    broken: bool
    """It does not continue the one before."""


@dataclass(slots=True, eq=False)
class SegmentJob:
    """A segment of all tracks, in the order of the section."""

    section: Section
    parts: Sequence[Part]
    period: tuple[int, int]
    """Wall clock in ms and clock of the stream in ticks of 90 kHz at the same moment."""
    broken: bool
    utc_ms: int = 0
    """When it begins by the stream's wall clock, which follows that of the machine; 0: not told."""
    rescue: Callable[["SegmentJob"], bool] | None = None
    """Asked where a disk cannot write it: whether another one is going to."""
    data: list[bytearray] = field(default_factory=list)
    """Bytes of the parts once they are read; changed once, before any disk gets them."""
    ready: Ready | None = None
    """Once its times are known."""
    tried: set[Path] = field(default_factory=set)
    """Disks that could not."""

    def load(self) -> None:
        """Read the parts, if nobody did; raises PartsGone."""
        if not self.data:
            self.data = [part.read() for part in self.parts]

    def drop(self) -> None:
        """Nobody writes it any more."""
        for part in self.parts:
            part.drop()

    @property
    def size(self) -> int:
        return sum(part.size for part in self.parts)
