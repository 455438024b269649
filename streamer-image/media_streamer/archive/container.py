"""What a file of the archive holds: fragmented MP4 that any player reads, with marks between.

    ftyp moov uuid(tracks)            the head: all tracks in one file
    uuid(mark) styp moof mdat ...     a segment: its fragments, track after track
    uuid(mark) ...

A mark says when its segment was and how long each track's part is, so the index is rebuilt from the
file by going from mark to mark. Decode times count from 1970 (UTC), whatever the clock of the
stream did: what is taken out of several files plays as one, and a gap is a gap. Pure.
"""

import struct
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import msgspec

from media_streamer.archive.essence import essence
from media_streamer.archive.ranges import GAP_MS, Range
from media_streamer.syntax.boxes import box, boxes, find

TRACKS_UUID = bytes.fromhex("8f1d6ea03c1b4f5e9a2d5b7c1e4f2a61")
MARK_UUID = bytes.fromhex("8f1d6ea03c1b4f5e9a2d5b7c1e4f2a62")
MAX_HEAD_BYTES = 256 * 1024
MAX_TRACKS = 64
MICROSECONDS = 1_000_000
_VERSION = 1
_BREAK = 1
"""Flag of a mark: the segment does not continue the one before."""
_ERASED = 2
"""Another one: somebody deleted the segment; its place in the file is kept."""
FLAGS_OFFSET = 25
"""Of the flags in a mark."""
_UUID = struct.Struct(">I4s16s")
_MARK = ">I4s16sBBHQI"
"""Box header, version, flags, number of tracks, start in Unix ms, duration in us."""
_TRACK = "IQI"
"""Size in bytes, decode time in ticks of the track, duration in us."""
_MARK_HEAD = struct.Struct(_MARK)
_MARK_KNOWN = struct.Struct(_MARK[:-4])
"""What all marks of a file begin with."""
_PIECE_REST = struct.calcsize(">QI")
"""Bytes of a track in a mark after its size."""


class ArchivedTrack(msgspec.Struct, frozen=True):
    """A track of a file; its number in the file is its place in the head plus one."""

    name: str
    kind: str
    codecs: str
    timescale: int
    width: int = 0
    height: int = 0
    fps: float = 0.0
    bandwidth: int = 0
    channels: int = 0
    sample_rate: int = 0
    language: str = ""
    group: str = ""
    rank: int = 0


class Head(NamedTuple):
    """What a file begins with."""

    init: bytes
    """`ftyp` and `moov` with all tracks."""
    tracks: tuple[ArchivedTrack, ...]
    size: int
    """Bytes up to the first mark."""
    essence: bytes
    """What decoders need to know: the same in two files whose rates were measured differently."""


class Piece(msgspec.Struct, frozen=True, gc=False):
    """What one track has of a segment.

    There are hundreds of thousands in memory: the garbage collector looks at none of them.
    """

    size: int
    time: int
    """Decode time of its first sample in ticks of the track since 1970."""
    duration_us: int


class Group(msgspec.Struct, frozen=True, gc=False):
    """A segment of all tracks."""

    start_ms: int
    """Unix ms."""
    duration_us: int
    broken: bool
    """It does not continue the segment before."""
    offset: int
    """Where the bytes of its first track begin in the file."""
    pieces: tuple[Piece, ...]
    """In the order of the head."""
    erased: bool = False
    """Its bytes are gone."""

    @property
    def end_ms(self) -> int:
        return self.start_ms + self.duration_us // 1000

    @property
    def size(self) -> int:
        """Bytes of all tracks, without the mark."""
        return sum(piece.size for piece in self.pieces)

    def place(self, track: int) -> tuple[int, int]:
        """Offset and size of a track's bytes; `track` counts from 0."""
        before = sum(piece.size for piece in self.pieces[:track])
        return self.offset + before, self.pieces[track].size


def mark_bytes(tracks: int) -> int:
    """Size of a mark."""
    return _MARK_HEAD.size + struct.calcsize(f">{_TRACK}") * tracks


def make_mark(start_ms: int, duration_us: int, broken: bool, pieces: Sequence[Piece]) -> bytes:
    """The mark before a segment."""
    fields = [n for one in pieces for n in (one.size, one.time, one.duration_us)]
    return struct.pack(
        f"{_MARK}{_TRACK * len(pieces)}",
        mark_bytes(len(pieces)),
        b"uuid",
        MARK_UUID,
        _VERSION,
        _BREAK if broken else 0,
        len(pieces),
        start_ms,
        duration_us,
        *fields,
    )


def make_head(inits: Sequence[bytes], tracks: Sequence[ArchivedTrack]) -> bytes:
    """The head of a file with these tracks; `inits` are their initialisation sections."""
    described = box(b"uuid", TRACKS_UUID, msgspec.json.encode(list(tracks)))
    return merge_inits(inits) + described


def read_head(data: bytes) -> Head:
    """The head at the beginning of `data`; raises ValueError if there is none."""
    position, init_end = 0, 0
    while position + _UUID.size <= len(data):
        size, kind, usertype = _UUID.unpack_from(data, position)
        end = position + size
        if size < 8 or end > len(data) or end > MAX_HEAD_BYTES:
            break
        if kind == b"moov":
            init_end = end
        elif kind == b"uuid" and usertype == TRACKS_UUID and init_end:
            init, tracks = data[:init_end], _read_tracks(data[position + _UUID.size : end])
            return Head(init, tracks, end, essence(init))
        elif kind != b"ftyp":
            break
        position = end
    raise ValueError("this is no file of an archive")


def _read_tracks(text: bytes) -> tuple[ArchivedTrack, ...]:
    try:
        tracks = msgspec.json.decode(text, type=list[ArchivedTrack])
    except msgspec.DecodeError as error:
        raise ValueError(f"the tracks of a file cannot be read: {error}") from error
    if not 0 < len(tracks) <= MAX_TRACKS or any(track.timescale <= 0 for track in tracks):
        raise ValueError("the tracks of a file make no sense")
    return tuple(tracks)


def read_mark(data: bytes, offset: int, tracks: int, at: int) -> Group | None:
    """The segment whose mark is at `data[offset:]`, None if there is no whole mark.

    `at` is where the mark is in the file.
    """
    size = mark_bytes(tracks)
    if offset + size > len(data):
        return None
    fields = struct.unpack_from(f"{_MARK}{_TRACK * tracks}", data, offset)
    if fields[:3] != (size, b"uuid", MARK_UUID) or fields[3] != _VERSION or fields[5] != tracks:
        return None
    pieces = tuple(Piece(*fields[at : at + 3]) for at in range(8, 8 + 3 * tracks, 3))
    flags = fields[4]
    return Group(
        fields[6], fields[7], bool(flags & _BREAK), at + size, pieces, bool(flags & _ERASED)
    )


def erased_flags(group: Group) -> bytes:
    """What stands at `FLAGS_OFFSET` of the mark of a segment that is deleted."""
    return bytes([_ERASED | (_BREAK if group.broken else 0)])


def read_marks(data: bytes, offset: int, head: Head) -> Iterator[Group]:
    """The segments that an index lists from `data[offset:]` on, until what is no mark."""
    step, at = mark_bytes(len(head.tracks)), head.size
    while (group := read_mark(data, offset, len(head.tracks), at)) is not None:
        yield group
        offset += step
        at = group.offset + group.size


def read_times(data: bytes, head: Head) -> tuple[list[Range], int]:
    """When there is something of a file, as its whole index says without its segments, which is
    faster by far; and where the last segment ends in the file. Raises ValueError for an index that
    does not end with a mark."""
    count = len(head.tracks)
    step = mark_bytes(count)
    mark = struct.Struct(f">{FLAGS_OFFSET}sBHQI" + f"I{_PIECE_REST}x" * count)
    known = _MARK_KNOWN.pack(step, b"uuid", MARK_UUID, _VERSION)
    found: list[Range] = []
    begin_ms = end_ms = 0
    at = head.size
    try:
        marks = mark.iter_unpack(memoryview(data)[head.size :])
    except struct.error:
        raise ValueError("an index that ends within a mark") from None
    for begin, flags, tracks, start_ms, duration_us, *sizes in marks:
        if begin != known or tracks != count:
            raise ValueError("an index with something else than marks")
        at += step + sum(sizes)
        if flags & _ERASED:
            continue
        if not end_ms or not begin_ms <= start_ms <= end_ms + GAP_MS:
            if end_ms:
                found.append(Range(begin_ms, end_ms))
            begin_ms, end_ms = start_ms, 0
        end_ms = max(end_ms, start_ms + duration_us // 1000)
    if end_ms:
        found.append(Range(begin_ms, end_ms))
    return found, at


# Initialisation sections


def merge_inits(inits: Sequence[bytes]) -> bytes:
    """One section of all tracks, numbered from 1; raises ValueError for what is none."""
    movie = _need(find(inits[0], b"moov"), "moov")
    header = _need(find(movie, b"mvhd"), "mvhd")
    traks, trexes = [], []
    for number, init in enumerate(inits, start=1):
        traks.append(_numbered_trak(_need(find(init, b"moov", b"trak"), "trak"), number))
        trex = _need(find(init, b"moov", b"mvex", b"trex"), "trex")
        trexes.append(box(b"trex", trex[:4], number.to_bytes(4, "big"), trex[8:]))
    next_track = (len(inits) + 1).to_bytes(4, "big")
    moov = box(b"moov", box(b"mvhd", header[:-4], next_track), *traks, box(b"mvex", *trexes))
    return box(b"ftyp", _need(find(inits[0], b"ftyp"), "ftyp")) + moov


def single_init(init: bytes, track: int) -> bytes:
    """The section of one track of several, which counts from 0, under its number."""
    return chosen_init(init, (track,))


def chosen_init(init: bytes, tracks: Collection[int]) -> bytes:
    """The section of some tracks of several, which count from 0, under their numbers."""
    movie, numbers = _need(find(init, b"moov"), "moov"), {track + 1 for track in tracks}
    children = []
    for kind, begin, end in boxes(movie):
        payload = movie[begin:end]
        if kind == b"trak" and _track_number(payload) not in numbers:
            continue
        if kind == b"mvex":
            trexes = [payload[b:e] for k, b, e in boxes(payload) if k == b"trex"]
            payload = b"".join(
                box(b"trex", one) for one in trexes if int.from_bytes(one[4:8], "big") in numbers
            )
        children.append(box(kind, payload))
    return box(b"ftyp", _need(find(init, b"ftyp"), "ftyp")) + box(b"moov", *children)


def _number_offset(tkhd: bytes) -> int:
    return 12 if tkhd[0] == 0 else 20


def _track_number(trak: bytes) -> int:
    tkhd = _need(find(trak, b"tkhd") or None, "tkhd")
    offset = _number_offset(tkhd)
    return int.from_bytes(tkhd[offset : offset + 4], "big")


def _numbered_trak(trak: bytes, number: int) -> bytes:
    parts = []
    for kind, begin, end in boxes(trak):
        payload = trak[begin:end]
        if kind == b"tkhd" and payload:
            offset = _number_offset(payload)
            payload = payload[:offset] + number.to_bytes(4, "big") + payload[offset + 4 :]
        parts.append(box(kind, payload))
    return box(b"trak", *parts)


def _need(found: bytes | None, name: str) -> bytes:
    if found is None:
        raise ValueError(f"initialisation section without {name}")
    return found


# Fragments


def renumber(data: bytearray, track: int, shift: int, sequence: int) -> int:
    """Make fragments those of track number `track`, `shift` ticks later; in place.

    `sequence` is the number of the first fragment; returns that of the next one. Raises ValueError
    for what is no whole fragment.
    """
    try:
        for kind, begin, end in boxes(data):
            if kind != b"moof":
                continue
            for name, start, stop in boxes(data, begin, end):
                if name == b"mfhd":
                    struct.pack_into(">I", data, start + 4, sequence & 0xFFFFFFFF)
                    sequence += 1
                elif name == b"traf":
                    _renumber_track(data, start, stop, track, shift)
    except (struct.error, IndexError):
        raise ValueError("a fragment that ends early or was at an impossible time") from None
    return sequence


def _renumber_track(data: bytearray, start: int, stop: int, track: int, shift: int) -> None:
    for name, begin, _ in boxes(data, start, stop):
        if name == b"tfhd":
            struct.pack_into(">I", data, begin + 4, track)
        elif name == b"tfdt":
            if data[begin] != 1:
                raise ValueError("a decode time of 32 bits cannot be moved")
            (time,) = struct.unpack_from(">Q", data, begin + 4)
            struct.pack_into(">Q", data, begin + 4, time + shift)
