"""Blocks of Matroska: the samples of a stretch (RFC 9559, 10). Blocks on the disk.

What lies between two marks is read at once and gone through element by element; clusters are gone
through as if they were not there, which also serves those that do not say where they end.
"""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from media_streamer.files.disk import Changed, Read
from media_streamer.files.ebml import Element, Window, children, number, read_head, read_number
from media_streamer.files.outline import MAX_STRETCH_BYTES, Found, Mark
from media_streamer.files.tables import BadFile

CLUSTER, TIMESTAMP, SIMPLE, GROUP = 0x1F43B675, 0xE7, 0xA3, 0xA0
_BLOCK, _DURATION, _REFERENCE = 0xA1, 0x9B, 0xFB
_KEY = 0x80
_LACED, _XIPH, _FIXED = 0x06, 0x02, 0x04
MAX_LACES = 256
MAX_FRAME_BYTES = 32 * 1024 * 1024
MAX_BLOCKS = 400_000
"""In a stretch."""
_LOOK_BYTES = 64


@dataclass(frozen=True, slots=True)
class MatroskaTrack:
    """A track as the head of a file says it."""

    number: int
    kind: str
    codec: str
    private: bytes
    language: str
    width: int = 0
    height: int = 0
    channels: int = 0
    rate: int = 0
    each: int = 0
    """Ticks of a frame, 0: not known."""
    delay: int = 0
    """Ticks that a decoder leaves out at the begin."""
    stripped: bytes = b""
    """What was taken from the begin of each frame."""
    deflated: bool = False

    def whole(self, frame: bytes) -> bytes:
        """A frame as its codec has it; raises BadFile."""
        if not self.deflated:
            return self.stripped + frame
        unpacking = zlib.decompressobj()
        try:
            return unpacking.decompress(frame, MAX_FRAME_BYTES)
        except zlib.error:
            raise BadFile("a frame is not packed as its track says") from None


class Block(NamedTuple):
    """A block whose frames were not looked at."""

    track: int
    time: int
    """From the time stamp of its cluster on, in ticks."""
    key: bool
    duration: int
    """0: it does not say."""
    flags: int
    begin: int
    """Of its frames, in what it was read from."""
    end: int


def block_of(data: bytes | memoryview, one: Element) -> Block | None:
    """From a SimpleBlock or a BlockGroup that lies whole in `data`; None: a group without a block.

    Raises BadFile.
    """
    if one.kind == SIMPLE:
        return _block(data, one.begin, one.end, None, 0)
    inner = children(data, one.begin, one.end)
    duration, refers, place = 0, False, None
    for child in inner:
        if child.kind == _BLOCK:
            place = child
        elif child.kind == _DURATION:
            duration = number(bytes(data[child.begin : child.end]))
        elif child.kind == _REFERENCE:
            refers = True
    return None if place is None else _block(data, place.begin, place.end, not refers, duration)


def _block(
    data: bytes | memoryview, begin: int, end: int, key: bool | None, duration: int
) -> Block:
    track, at = read_number(data, begin)
    if at + 3 > end:
        raise BadFile("a block ends early")
    time = int.from_bytes(data[at : at + 2], "big", signed=True)
    flags = data[at + 2]
    is_key = bool(flags & _KEY) if key is None else key
    return Block(track, time, is_key, min(duration, 1 << 31), flags, at + 3, end)


def look(window: Window, one: Element) -> Block | None:
    """What a block of a file says of itself, its frames unread; None for what is none.

    Whether a frame of a group refers to others stands behind it: those groups count as none.
    """
    size = min(one.end - one.begin, _LOOK_BYTES) if one.end >= 0 else 0
    data = window.bytes(one.begin, size)
    try:
        if one.kind == SIMPLE:
            return _block(data, 0, len(data), None, 0)
        return _group(window, one)
    except BadFile:
        return None


def _group(window: Window, one: Element) -> Block | None:
    at, block, duration, refers = one.begin, None, 0, False
    for _ in range(16):
        if at >= one.end:
            break
        child = window.element(at)
        if child is None or not child.begin <= child.end <= one.end:
            break
        if child.kind == _BLOCK:
            block = window.bytes(child.begin, min(child.end - child.begin, 16))
            begin, end = child.begin, child.end
        elif child.kind == _DURATION:
            duration = number(window.bytes(child.begin, min(8, child.end - child.begin)))
        elif child.kind == _REFERENCE:
            refers = True
        at = child.end
    if block is None:
        return None
    found = _block(block, 0, len(block), not refers, duration)
    return found._replace(begin=begin + found.begin, end=end)


def frames_of(data: bytes | memoryview, block: Block) -> list[bytes]:
    """The frames of a block (RFC 9559, 10.3); raises BadFile."""
    at, end = block.begin, block.end
    lacing = block.flags & _LACED
    if not lacing:
        return [bytes(data[at:end])]
    if at >= end:
        raise BadFile("a block ends early")
    count, at = data[at] + 1, at + 1
    if lacing == _FIXED:
        each, rest = divmod(end - at, count)
        if rest or not each:
            raise BadFile("a block has frames of other lengths than it says")
        sizes = [each] * (count - 1)
    elif lacing == _XIPH:
        sizes, at = _xiph_sizes(data, at, end, count)
    else:
        sizes, at = _ebml_sizes(data, at, count)
    frames = []
    for size in sizes:
        if size < 0 or at + size > end:
            raise BadFile("a block has frames of other lengths than it says")
        frames.append(bytes(data[at : at + size]))
        at += size
    return [*frames, bytes(data[at:end])]


def _xiph_sizes(data: bytes | memoryview, at: int, end: int, count: int) -> tuple[list[int], int]:
    sizes = []
    for _ in range(count - 1):
        size = 0
        while True:
            if at >= end:
                raise BadFile("a block ends early")
            byte, at = data[at], at + 1
            size += byte
            if byte != 255:
                break
        sizes.append(size)
    return sizes, at


def _ebml_sizes(data: bytes | memoryview, at: int, count: int) -> tuple[list[int], int]:
    """The first as it is, the others by how much they are more than the one before."""
    sizes: list[int] = []
    for place in range(count - 1):
        begin = at
        value, at = read_number(data, at)
        if place:
            value += sizes[-1] - ((1 << 7 * (at - begin) - 1) - 1)
        sizes.append(value)
    return sizes, at


class Blocks:
    """The media of a file (`outline.Container`)."""

    def __init__(
        self,
        tracks: Sequence[MatroskaTrack],
        marks: Sequence[Mark],
        end_time: int,
        ticks: int,
        size: int,
    ) -> None:
        self.marks = marks
        self.end_time = end_time
        self.ticks = ticks
        self._tracks = {track.number: place for place, track in enumerate(tracks)}
        self._described = tracks
        self._size = size

    def read_stretch(self, read: Read, first: int, end: int) -> list[list[Found]]:
        """See `outline.Container`."""
        begin, time = place_of(read, self.marks[first])
        stop = self._size
        if end < len(self.marks):
            stop, _ = place_of(read, self.marks[end])
        if not 0 < stop - begin <= MAX_STRETCH_BYTES:
            raise BadFile("its key frames are too far apart")
        data = read(begin, stop - begin)
        if len(data) < stop - begin:
            raise Changed("the file is shorter than it was")
        found: list[list[Found]] = [[] for _ in self._described]
        for at, block in walk(data, time):
            place = self._tracks.get(block.track)
            if place is not None:
                found[place].extend(self._found(self._described[place], data, at, block))
        return found

    def _found(
        self, track: MatroskaTrack, data: bytes, cluster: int, block: Block
    ) -> Iterator[Found]:
        time = cluster + block.time - track.delay
        frames = frames_of(data, block)
        each = track.each or block.duration // len(frames)
        duration = block.duration if block.duration and len(frames) == 1 else each
        is_key = block.key or track.kind == "audio"
        for count, frame in enumerate(frames):
            if frame:
                yield Found(time + count * each, None, duration, is_key, track.whole(frame))


def place_of(read: Read, mark: Mark) -> tuple[int, int]:
    """Where the blocks of a mark begin, and the time stamp of their cluster; raises BadFile."""
    data = read(mark.place, 256)
    cluster = read_head(data, 0, mark.place)
    if cluster is None or cluster.kind != CLUSTER:
        raise BadFile("its index leads to what is no cluster")
    if not mark.inside:
        return mark.place, 0
    for one in children(data, cluster.begin - mark.place):
        if one.kind == TIMESTAMP:
            return cluster.begin + mark.inside, number(data[one.begin : one.end])
    raise BadFile("a cluster does not say when it is")


def walk(data: bytes, time: int) -> Iterator[tuple[int, Block]]:
    """The blocks in `data` and the time stamps of their clusters, up to where the file was cut off.

    Raises BadFile.
    """
    at, seen = 0, 0
    while at < len(data):
        one = read_head(data, at)
        if one is None:
            return
        if one.kind == CLUSTER:
            at = one.begin
            continue
        if one.end < 0:
            raise BadFile("an element between blocks does not say where it ends")
        if one.end > len(data):
            return
        if one.kind == TIMESTAMP:
            time = number(data[one.begin : one.end])
        elif one.kind in (SIMPLE, GROUP):
            seen += 1
            if seen > MAX_BLOCKS:
                raise BadFile("it has too many blocks between two key frames")
            if (block := block_of(data, one)) is not None:
                yield time, block
        at = one.end
