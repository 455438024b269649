"""What a segment of the archive holds, sample by sample, as it was written. Pure."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from media_streamer.syntax.boxes import boxes

MAX_SAMPLES = 1 << 20
"""In a run; more would be a lie."""
_BASE_DATA_OFFSET = 0x000001
_SAMPLE_DESCRIPTION = 0x000002
_DEFAULT_DURATION = 0x000008
_DEFAULT_SIZE = 0x000010
_DEFAULT_FLAGS = 0x000020
_DATA_OFFSET = 0x000001
_FIRST_FLAGS = 0x000004
_EACH_DURATION = 0x000100
_EACH_SIZE = 0x000200
_EACH_FLAGS = 0x000400
_EACH_OFFSET = 0x000800
_NON_SYNC = 0x00010000


class Sample(NamedTuple):
    """A sample; times in ticks of its track."""

    time: int
    """Decode time."""
    offset: int
    """From there to its presentation time."""
    duration: int
    key: bool
    data: bytes


class Row(NamedTuple):
    """A sample of a table of samples: where its bytes are."""

    time: int
    offset: int
    duration: int
    key: bool
    place: int
    size: int


def read_samples(data: bytes) -> Iterator[Sample]:
    """The samples of fragments of one track (ISO/IEC 14496-12 8.8), in the order of decoding.

    Raises ValueError for what are no whole fragments.
    """
    for time, offset, duration, key, place, size in read_rows(data):
        yield Sample(time, offset, duration, key, bytes(data[place : place + size]))


def read_rows(data: bytes) -> Iterator[Row]:
    """The same without their bytes."""
    try:
        yield from _read(data)
    except (struct.error, IndexError):
        raise ValueError("a fragment ends early") from None


def _read(data: bytes) -> Iterator[Row]:
    for kind, begin, end in boxes(data):
        if kind != b"moof":
            continue
        for name, start, stop in boxes(data, begin, end):
            if name == b"traf":
                yield from _read_track(data, begin - 8, start, stop)


def _read_track(data: bytes, moof: int, start: int, stop: int) -> Iterator[Row]:
    duration = size = flags = time = 0
    for name, begin, end in boxes(data, start, stop):
        if name == b"tfhd":
            duration, size, flags = _defaults(data, begin)
        elif name == b"tfdt":
            (time,) = struct.unpack_from(">Q" if data[begin] == 1 else ">I", data, begin + 4)
        elif name == b"trun":
            for row in _run(data, moof, begin, end, (time, duration, size, flags)):
                yield row
                time = row.time + row.duration


def _defaults(data: bytes, at: int) -> tuple[int, int, int]:
    (given,) = struct.unpack_from(">I", data, at)
    at += 8 + 8 * bool(given & _BASE_DATA_OFFSET) + 4 * bool(given & _SAMPLE_DESCRIPTION)
    found = []
    for flag in (_DEFAULT_DURATION, _DEFAULT_SIZE, _DEFAULT_FLAGS):
        value = 0
        if given & flag:
            (value,) = struct.unpack_from(">I", data, at)
            at += 4
        found.append(value)
    return found[0], found[1], found[2]


def _run(
    data: bytes, moof: int, at: int, end: int, default: tuple[int, int, int, int]
) -> Iterator[Row]:
    time, duration, size, flags = default
    version_flags, count = struct.unpack_from(">II", data, at)
    given = version_flags & 0xFFFFFF
    at += 8
    if not given & _DATA_OFFSET:
        raise ValueError("a run does not say where its samples are")
    (place,) = struct.unpack_from(">i", data, at)
    place += moof
    at += 4
    first = flags
    if given & _FIRST_FLAGS:
        (first,) = struct.unpack_from(">I", data, at)
        at += 4
    has_duration, has_size = bool(given & _EACH_DURATION), bool(given & _EACH_SIZE)
    has_flags, has_offset = bool(given & _EACH_FLAGS), bool(given & _EACH_OFFSET)
    row = struct.Struct(">" + "I" * (has_duration + has_size + has_flags) + "i" * has_offset)
    if row.size * count > end - at or count > MAX_SAMPLES:
        raise ValueError("a run has not all of its samples")
    for number in range(count):
        each = iter(row.unpack_from(data, at))
        at += row.size
        long = next(each) if has_duration else duration
        length = next(each) if has_size else size
        own = next(each) if has_flags else first if number == 0 else flags
        offset = next(each) if has_offset else 0
        if place < 0 or place + length > len(data):
            raise ValueError("a sample lies outside of its segment")
        yield Row(time, offset, long, not own & _NON_SYNC, place, length)
        place += length
        time += long
