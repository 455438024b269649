"""The samples of a fragmented MP4 file (ISO/IEC 14496-12 8.8), found by reading the head of each
fragment and none of its media. As with tables, no number is believed.
"""

import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate, groupby
from operator import mul

from media_streamer.files.disk import Read
from media_streamer.files.samples import Runs, Samples
from media_streamer.files.tables import MAX_SAMPLES, BadFile
from media_streamer.syntax.boxes import boxes

MAX_FRAGMENTS = 200_000
MAX_HEAD_BYTES = 8 * 1024 * 1024
_BASE_OFFSET, _DESCRIPTION = 0x01, 0x02
_DURATION, _SIZE, _FLAGS = 0x08, 0x10, 0x20
_DATA_OFFSET, _FIRST_FLAGS = 0x01, 0x04
_EACH = (0x100, 0x200, 0x400, 0x800)
_NON_SYNC = 0x00010000
_Defaults = tuple[int, int, int]
"""Duration, size and flags of a sample where a run does not say them."""


@dataclass(slots=True)
class FragmentedTrack:
    """What the fragments say of one track, gathered in the order of the file."""

    defaults: _Defaults
    start: int = -1
    """Decode time of the first sample."""
    end: int = 0
    sizes: "array[int]" = field(default_factory=lambda: array("I"))
    durations: "array[int]" = field(default_factory=lambda: array("I"))
    offsets: "array[int]" = field(default_factory=lambda: array("i"))
    syncs: "array[int]" = field(default_factory=lambda: array("I"))
    chunks: "array[int]" = field(default_factory=lambda: array("Q"))
    chunk_firsts: "array[int]" = field(default_factory=lambda: array("Q"))

    def goes_on_at(self, time: int) -> None:
        """The next sample is decoded then; one before that is missing lasts longer."""
        if self.start < 0:
            self.start = self.end = time
        gap = time - self.end
        if gap < 0 and -gap > sum(self.durations[-1:]):
            raise BadFile("the clock of a fragment goes back")
        if self.durations:
            self.durations[-1] += gap
        self.end = time

    def preceded_by(self, first: Samples) -> None:
        """The file has samples before its first fragment, in tables."""
        count = first.count
        self.chunk_firsts = first.chunk_firsts + array("Q", [n + count for n in self.chunk_firsts])
        self.chunks = first.chunks + self.chunks
        syncs = first.sync_numbers(0, count)
        before = range(count) if syncs is None else sorted(syncs)
        self.syncs = array("I", before) + array("I", [n + count for n in self.syncs])
        self.offsets = array("i", first.offsets(0, count) or [0] * count) + self.offsets
        self.sizes = first.sizes(0, count) + self.sizes
        durations = array("I", first.durations(0, count))
        durations[-1] += max(0, self.start - first.time(count))
        self.durations, self.start = durations + self.durations, first.time(0)

    def samples(self) -> Samples:
        """All of them; raises BadFile if there are none."""
        count = len(self.sizes)
        if not count:
            raise BadFile("it has no samples")
        durations = runs(self.durations)
        lengths = [*(b - a for a, b in zip(durations.firsts, durations.firsts[1:], strict=False))]
        starts = array("Q", accumulate(map(mul, lengths, durations.values), initial=self.start))
        return Samples(
            sizes=self.sizes,
            durations=durations,
            starts=starts,
            offsets=runs(self.offsets) if any(self.offsets) else None,
            syncs=None if len(self.syncs) == count else self.syncs or array("I", [0]),
            chunks=self.chunks,
            chunk_firsts=self.chunk_firsts,
            count=count,
        )


def runs(values: "array[int]") -> Runs:
    """The same in runs of samples that are alike."""
    firsts, alike, at = array("Q"), array("q"), 0
    for value, group in groupby(values):
        firsts.append(at)
        alike.append(value)
        at += sum(1 for _ in group)
    return Runs(firsts, alike)


def read_fragments(read: Read, size: int, extends: bytes) -> dict[int, FragmentedTrack]:
    """What the fragments of a file hold, by the number of the track; `extends` is the payload of
    `mvex`. Raises BadFile, OSError."""
    tracks: dict[int, FragmentedTrack] = {}
    for kind, begin, _ in boxes(extends):
        if kind == b"trex":
            number, _, *defaults = struct.unpack_from(">IIIII", extends, begin + 4)
            tracks[number] = FragmentedTrack((defaults[0], defaults[1], defaults[2]))
    for place, head in _heads(read, size):
        for kind, begin, end in boxes(head):
            if kind == b"traf":
                _read_track(head[begin:end], place, tracks)
    return tracks


def _heads(read: Read, size: int) -> Iterator[tuple[int, bytes]]:
    """Place and payload of each `moof`."""
    position, count = 0, 0
    while position + 8 <= size:
        found = read(position, 16)
        if len(found) < 16:
            return
        length, kind = struct.unpack_from(">I4s", found)
        if length == 1:
            length = int.from_bytes(found[8:16], "big")
        elif length == 0:
            return
        if length < 8:
            raise BadFile("a box of the file is shorter than its head")
        if kind == b"moof" and position + length <= size:
            count += 1
            if count > MAX_FRAGMENTS or length > MAX_HEAD_BYTES:
                raise BadFile("it has too many fragments, or too long ones")
            yield position, read(position + 8, length - 8)
        position += length


def _read_track(traf: bytes, moof: int, tracks: dict[int, FragmentedTrack]) -> None:
    parts = [(kind, traf[begin:end]) for kind, begin, end in boxes(traf)]
    header = next((data for kind, data in parts if kind == b"tfhd"), None)
    if header is None:
        raise BadFile("a fragment does not say which track it is of")
    flags, number = struct.unpack_from(">II", header)
    track = tracks.get(number)
    if track is None:
        return
    base, defaults = _defaults(header, flags, track.defaults, moof)
    place = base
    for kind, data in parts:
        if kind == b"tfdt":
            form = ">Q" if data[0] == 1 else ">I"
            track.goes_on_at(struct.unpack_from(form, data, 4)[0])
        elif kind == b"trun":
            place = _read_run(data, track, base, place, defaults)


def _defaults(header: bytes, flags: int, said: _Defaults, moof: int) -> tuple[int, _Defaults]:
    """Where the media is counted from, and what samples are alike in."""
    at, base = 8, moof
    if flags & _BASE_OFFSET:
        (base,) = struct.unpack_from(">Q", header, at)
        at += 8
    at += 4 * bool(flags & _DESCRIPTION)
    values = list(said)
    for index, flag in enumerate((_DURATION, _SIZE, _FLAGS)):
        if flags & flag:
            (values[index],) = struct.unpack_from(">I", header, at)
            at += 4
    return base, (values[0], values[1], values[2])


def _read_run(
    data: bytes, track: FragmentedTrack, base: int, place: int, defaults: _Defaults
) -> int:
    """The samples of a run; returns where the next one begins if it does not say so."""
    flags, count = struct.unpack_from(">II", data)
    at = 8
    if flags & _DATA_OFFSET:
        place = base + int(struct.unpack_from(">i", data, at)[0])
        at += 4
    first_flags = defaults[2]
    if flags & _FIRST_FLAGS:
        (first_flags,) = struct.unpack_from(">I", data, at)
        at += 4
    each = [bool(flags & flag) for flag in _EACH]
    row = struct.Struct(">" + "I" * sum(each[:3]) + "i" * each[3])
    if count * row.size > len(data) - at or len(track.sizes) + count > MAX_SAMPLES:
        raise BadFile("a run has not all of its samples")
    if not row.size and count > 1 << 16:
        raise BadFile("a run has more samples than it can mean")
    if place < 0:
        raise BadFile("a run lies before the file")
    if not count:
        return place
    track.chunks.append(place)
    track.chunk_firsts.append(len(track.sizes))
    if track.start < 0:
        track.goes_on_at(0)
    for number in range(count):
        values = iter(row.unpack_from(data, at))
        at += row.size
        duration = next(values) if each[0] else defaults[0]
        length = next(values) if each[1] else defaults[1]
        own = next(values) if each[2] else first_flags if number == 0 else defaults[2]
        track.offsets.append(next(values) if each[3] else 0)
        if not own & _NON_SYNC:
            track.syncs.append(len(track.sizes))
        track.sizes.append(length)
        track.durations.append(duration)
        track.end += duration
        place += length
    return place
