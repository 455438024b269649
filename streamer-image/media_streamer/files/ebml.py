"""Elements of EBML, the form of Matroska and WebM (RFC 8794), in memory and in a file.

Strangers write sizes, so none is believed: an element never reaches beyond what it lies in, each
step moves on, and what is read at once has a bound.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from media_streamer.files.disk import Read
from media_streamer.files.tables import BadFile

WINDOW_BYTES = 32 * 1024
HEAD_BYTES = 12
"""Of an element at most: four of its kind and eight of its size."""
MAX_TEXT_BYTES = 1024


class Element(NamedTuple):
    """Where one lies; `end` is -1 where the file does not say (RFC 8794, 6.2)."""

    kind: int
    at: int
    begin: int
    """Of its payload."""
    end: int


def read_head(data: bytes | memoryview, position: int, at: int = 0) -> Element | None:
    """The element that begins at `position` of `data`, whose first byte lies at `at` of the file.

    None: its head is not complete there. Raises BadFile for what is no element.
    """
    if position >= len(data):
        return None
    first = data[position]
    width = 9 - first.bit_length()
    if width > 4:
        raise BadFile(f"there is no element at byte {at + position}")
    behind = position + width
    if behind >= len(data):
        return None
    length = 9 - data[behind].bit_length()
    if length > 8:
        raise BadFile(f"an element at byte {at + position} has no size")
    begin = behind + length
    if begin > len(data):
        return None
    kind = int.from_bytes(data[position:behind], "big")
    size = int.from_bytes(data[behind:begin], "big") & (1 << 7 * length) - 1
    end = -1 if size == (1 << 7 * length) - 1 else at + begin + size
    return Element(kind, at + position, at + begin, end)


def read_number(data: bytes | memoryview, position: int) -> tuple[int, int]:
    """A number of variable length and the position behind it (RFC 8794, 4). Raises BadFile."""
    if position >= len(data) or not data[position]:
        raise BadFile("a number in a block ends early")
    width = 9 - data[position].bit_length()
    behind = position + width
    if behind > len(data):
        raise BadFile("a number in a block ends early")
    return int.from_bytes(data[position:behind], "big") & (1 << 7 * width) - 1, behind


def children(data: bytes | memoryview, begin: int = 0, end: int | None = None) -> Iterator[Element]:
    """The elements of `data[begin:end]`; one that does not fit is the last. Raises BadFile."""
    end = len(data) if end is None else end
    while begin < end:
        found = read_head(data, begin)
        if found is None or not found.begin <= found.end <= end:
            return
        yield found
        begin = found.end


def fields(data: bytes, begin: int = 0, end: int | None = None) -> dict[int, bytes]:
    """Payloads by kind; of several the last."""
    return {one.kind: data[one.begin : one.end] for one in children(data, begin, end)}


def number(data: bytes | None, default: int = 0) -> int:
    """An unsigned number (RFC 8794, 7.2)."""
    return int.from_bytes(data[:8], "big") if data else default


def real(data: bytes | None) -> float:
    """A number with a fraction (RFC 8794, 7.3); 0 if there is none."""
    if data is None or len(data) not in (4, 8):
        return 0.0
    found: float = struct.unpack(">f" if len(data) == 4 else ">d", data)[0]
    return found if found == found else 0.0  # not a number


def text(data: bytes | None) -> str:
    """A string, which may be padded with zeros."""
    return (data or b"")[:MAX_TEXT_BYTES].partition(b"\0")[0].decode("utf-8", "replace")


class Window:
    """Looks at a file in pieces: what follows what was read last costs no other reading."""

    def __init__(self, read: Read, size: int, step: int = WINDOW_BYTES) -> None:
        self.size = size
        self._read = read
        self._step = step
        self._at = 0
        self._data = b""

    def bytes(self, at: int, count: int) -> bytes:
        """From a place of the file on, fewer at its end. Raises OSError."""
        offset = at - self._at
        if not (offset >= 0 and offset + count <= len(self._data)):
            self._data, self._at = self._read(at, max(count, self._step)), at
            offset = 0
        return self._data[offset : offset + count]

    def element(self, at: int) -> Element | None:
        """The one that begins there; None at the end of the file. Raises BadFile, OSError."""
        return read_head(self.bytes(at, HEAD_BYTES), 0, at)
