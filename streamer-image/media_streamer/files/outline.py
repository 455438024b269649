"""Films in containers that have no tables of samples (Matroska, MPEG-TS).

Such a file is known by its marks: places at which decoding can start, and when that is. What lies
from one mark to the next is a stretch; its samples are found when it is read. In the tables of the
film (`Samples`) a stretch stands for one sample, so that whoever plans segments need not know.

Invariants: each sample of the file belongs to one stretch; decode times never go back and are never
later than the moment a picture is shown; no more than `MAX_STRETCH_BYTES` are read at once.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, pairwise
from operator import mul
from typing import NamedTuple, Protocol

from media_streamer.files.disk import Read
from media_streamer.files.fragments import runs
from media_streamer.files.samples import Runs, Samples
from media_streamer.files.tables import BadFile

MAX_STRETCH_BYTES = 80 * 1024 * 1024
MAX_MARKS = 200_000
MEASURED, MEASURED_SECONDS = 3, 2.0
"""At least so much at the begin tells how far pictures are out of order, and what a track takes."""
MEASURED_BYTES = 24 * 1024 * 1024


class Mark(NamedTuple):
    """Where decoding can start."""

    place: int
    time: int
    """When its picture is shown, in ticks of the file."""
    inside: int = 0
    """Bytes from the begin of what lies at `place` to the picture; 0: all of it belongs to it."""


class Found(NamedTuple):
    """A sample that was found in a stretch; times in ticks of the file."""

    pts: int
    dts: int | None
    """None: the container does not say, and it follows from the order."""
    duration: int
    """0: not known."""
    key: bool
    data: bytes


class Container(Protocol):
    """What is particular of a kind of file."""

    marks: Sequence[Mark]
    end_time: int
    """When the last sample ends, in ticks; 0: not known."""
    ticks: int
    """A second."""

    def read_stretch(self, read: Read, first: int, end: int) -> list[list[Found]]:
        """The samples of each track from mark `first` to before mark `end`, in their order.

        Raises BadFile, Changed, OSError.
        """
        ...


class BytesReader:
    """`Read` of bytes in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)

    def __call__(self, offset: int, size: int) -> bytes:
        return bytes(self._data[offset : offset + size])

    def into(self, offset: int, buffers: Sequence[memoryview]) -> int:
        begin = offset
        for buffer in buffers:
            found = self._data[offset : offset + len(buffer)]
            buffer[: len(found)] = found
            offset += len(found)
        return offset - begin


class Stretch(NamedTuple):
    """Samples that were read: the tables of each track, and the bytes that they speak of."""

    samples: Sequence[Samples]
    read: BytesReader
    size: int


@dataclass(frozen=True, slots=True)
class Outline:
    """A file and its clock. Ticks of the film are those of the file behind `base`."""

    container: Container
    delays: Sequence[int]
    """Ticks from when a picture is decoded to when it is shown, of each track; at least."""
    base: int
    """Ticks of the file at which the clock of the film begins."""
    end: int
    """When the film ends, in ticks of the file."""
    shares: Sequence[float]
    """How much of the bytes is of each track, about."""

    @property
    def zero(self) -> Fraction:
        """Seconds of the film at which the first picture is shown."""
        return Fraction(max(0, self.container.marks[0].time - self.base), self.container.ticks)

    def nominal(self, track: int, size: int) -> Samples:
        """A sample for each stretch of a track, in a file of so many bytes."""
        marks, share = self.container.marks, self.shares[track]
        lead = self.base + self.delays[track]
        times = [max(0, mark.time - lead) for mark in marks]
        end = max(times[-1] + 1, self.end - self.base)
        durations = [max(0, b - a) for a, b in pairwise([*times, end])]
        places = [mark.place + mark.inside for mark in marks]
        sizes = [max(1, round((b - a) * share)) for a, b in pairwise([*places, size])]
        return table(sizes, durations, times[0])

    def load(self, read: Read, first: int, end: int) -> Stretch:
        """The samples from mark `first` to before mark `end`. Raises BadFile, Changed, OSError."""
        found = self.container.read_stretch(read, first, end)
        tables, data, at = [], list[bytes](), 0
        for track, own in enumerate(found):
            if not own:
                began = max(0, self.container.marks[first].time - self.base - self.delays[track])
                tables.append(table([], [0], began))
                continue
            ordered = decode_times(own, self.delays[track], self.base)
            tables.append(_table_of(own, ordered, self.base, at))
            data.extend(one.data for one in own)
            at += sum(len(one.data) for one in own)
        return Stretch(tables, BytesReader(b"".join(data)), at)


def table(sizes: Sequence[int], durations: Sequence[int], start: int) -> Samples:
    """Samples that lie together from byte 0 on; decoding can start at each."""
    alike = runs(array("Q", durations))
    return Samples(
        sizes=array("I", (min(size, 0xFFFFFFFF) for size in sizes)),
        durations=alike,
        starts=_starts(alike, start),
        offsets=None,
        syncs=array("I", range(len(sizes))),
        chunks=array("Q", [0]),
        chunk_firsts=array("Q", [0]),
        count=len(sizes),
    )


def _starts(durations: Runs, start: int) -> "array[int]":
    lengths = [b - a for a, b in pairwise(durations.firsts)]
    return array("Q", accumulate(map(mul, lengths, durations.values), initial=start))


def decode_times(found: Sequence[Found], delay: int, base: int) -> list[int]:
    """When each is decoded, in ticks of the file: later than the one before, never before `base`,
    and not after the moment at which it is shown where that leaves room."""
    if found[0].dts is not None:
        wished = [one.pts if one.dts is None else one.dts for one in found]
    else:
        wished = [pts - delay for pts in sorted(one.pts for one in found)]
    latest = [one.pts for one in found]
    for place in range(len(latest) - 2, -1, -1):
        latest[place] = min(latest[place], latest[place + 1])
    times, last = [], base - 1
    for own, bound in zip(wished, latest, strict=True):
        last = max(last + 1, min(own, bound))
        times.append(last)
    return times


def delay_of(found: Sequence[Found]) -> int:
    """Ticks by which pictures are decoded before they are shown."""
    if not found:
        return 0
    if found[0].dts is not None:
        return max(0, found[0].pts - found[0].dts)
    ordered = sorted(one.pts for one in found)
    return max(0, *(when - one.pts for when, one in zip(ordered, found, strict=True)), 0)


def _table_of(found: Sequence[Found], times: Sequence[int], base: int, at: int) -> Samples:
    durations = [b - a for a, b in pairwise(times)]
    durations.append(found[-1].duration or (durations[-1] if durations else 0))
    alike = runs(array("Q", durations))
    offsets = [max(0, one.pts - time) for one, time in zip(found, times, strict=True)]
    syncs = [number for number, one in enumerate(found) if one.key]
    return Samples(
        sizes=array("I", (len(one.data) for one in found)),
        durations=alike,
        starts=_starts(alike, times[0] - base),
        offsets=runs(array("q", offsets)) if any(offsets) else None,
        syncs=None if len(syncs) == len(found) else array("I", syncs),
        chunks=array("Q", [at]),
        chunk_firsts=array("Q", [0]),
        count=len(found),
    )


def measured(container: Container, size: int) -> int:
    """Up to which mark a file of `size` bytes is read to see what its tracks are."""
    marks = container.marks
    wanted = marks[0].time + round(MEASURED_SECONDS * container.ticks)
    for stop in range(1, len(marks)):
        following = marks[stop + 1].place if stop + 1 < len(marks) else size
        is_enough = stop >= MEASURED and marks[stop].time >= wanted
        if is_enough or following - marks[0].place > MEASURED_BYTES:
            return stop
    return len(marks)


def outlined(container: Container, read: Read, size: int, tracks: int) -> Outline:
    """Measure the begin of a file, and the end where it does not say when that is.

    Raises BadFile, Changed, OSError.
    """
    marks = container.marks
    if not marks:
        raise BadFile("there is no picture in the file at which decoding can start")
    stop = measured(container, size)
    found = container.read_stretch(read, 0, stop)
    delays = [delay_of(own) for own in found]
    end = marks[stop].place + marks[stop].inside if stop < len(marks) else size
    total = max(1, end - marks[0].place)
    shares = [min(1.0, sum(len(one.data) for one in own) / total) for own in found]
    firsts = [
        decode_times(own, delay, -(1 << 62))[0]
        for own, delay in zip(found, delays, strict=True)
        if own
    ]
    base = min(firsts, default=marks[0].time)
    end = container.end_time
    if not end:
        last = container.read_stretch(read, len(marks) - 1, len(marks))
        end = max((one.pts + one.duration for own in last for one in own[-16:]), default=0)
    return Outline(container, delays, base, max(end, marks[-1].time + 1), shares)


def increasing(marks: Sequence[Mark]) -> list[Mark]:
    """Those whose time and place are later than those of all before them."""
    kept: list[Mark] = []
    for mark in sorted(marks)[:MAX_MARKS]:
        here = mark.place + mark.inside
        if not kept or (mark.time > kept[-1].time and here > kept[-1].place + kept[-1].inside):
            kept.append(mark)
    return kept
