"""ISO BMFF boxes (ISO/IEC 14496-12 4.2): reading them from a track's init, writing them."""

import struct
from collections.abc import Iterator

_HEADER = struct.Struct(">I4s")


def box(kind: bytes, *parts: bytes) -> bytes:
    """A box of type `kind` around `parts`."""
    payload = b"".join(parts)
    return _HEADER.pack(8 + len(payload), kind) + payload


def full_box(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    """A box with version and flags."""
    return box(kind, (version << 24 | flags).to_bytes(4, "big"), *parts)


def boxes(
    data: bytes | bytearray, start: int = 0, end: int | None = None
) -> Iterator[tuple[bytes, int, int]]:
    """Type, begin and end of the payload of each box in `data[start:end]`.

    Raises ValueError if a box does not fit.
    """
    end = len(data) if end is None else end
    while start + 8 <= end:
        size, kind = _HEADER.unpack_from(data, start)
        if size < 8 or start + size > end:
            raise ValueError(f"box {kind!r} of {size} bytes does not fit")
        yield kind, start + 8, start + size
        start += size


def find(data: bytes, *path: bytes) -> bytes | None:
    """Payload of the first box at `path` (`find(init, b"moov", b"mvex")`), None if absent."""
    place = _locate(data, *path)
    return None if place is None else data[place[0] : place[1]]


def _locate(data: bytes, *path: bytes) -> tuple[int, int] | None:
    """Begin and end of the payload of the first box at `path`."""
    start, end = 0, len(data)
    for name in path:
        for kind, begin, stop in boxes(data, start, end):
            if kind == name:
                start, end = begin, stop
                break
        else:
            return None
    return start, end


# Bytes before the child boxes of a sample entry (ISO/IEC 14496-12 12.1.3 and 12.2.3).
_VISUAL_ENTRY_BYTES = 78
_AUDIO_ENTRY_BYTES = 28


def sample_entry(init: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    """Type of the one sample entry of an init segment and the payloads of its child boxes.

    Raises ValueError if there is none.
    """
    handler = find(init, b"moov", b"trak", b"mdia", b"hdlr")
    table = find(init, b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")
    if handler is None or table is None:
        raise ValueError("init segment without a sample description")
    fixed = _VISUAL_ENTRY_BYTES if handler[8:12] == b"vide" else _AUDIO_ENTRY_BYTES
    for kind, begin, end in boxes(table, 8):
        children = {
            name: table[start:stop] for name, start, stop in boxes(table, begin + fixed, end)
        }
        return kind, children
    raise ValueError("init segment without a sample entry")


def timescale(init: bytes) -> int:
    """Ticks a second of the media in an init segment (mdhd); raises ValueError if unknown."""
    header = find(init, b"moov", b"trak", b"mdia", b"mdhd")
    if header is None:
        raise ValueError("init segment without mdhd")
    offset = 12 if header[0] == 0 else 20
    return int.from_bytes(header[offset : offset + 4], "big")


def track_id(init: bytes) -> int:
    """Number of the track in an init segment (tkhd); raises ValueError if unknown."""
    header = find(init, b"moov", b"trak", b"tkhd")
    if header is None:
        raise ValueError("init segment without tkhd")
    offset = 12 if header[0] == 0 else 20
    return int.from_bytes(header[offset : offset + 4], "big")


def with_track_id(init: bytes, number: int) -> bytes:
    """An init segment whose one track has another number (tkhd, trex); raises ValueError."""
    header = _locate(init, b"moov", b"trak", b"tkhd")
    extends = _locate(init, b"moov", b"mvex", b"trex")
    if header is None or extends is None:
        raise ValueError("init segment without tkhd or trex")
    made = bytearray(init)
    for offset in (header[0] + (12 if init[header[0]] == 0 else 20), extends[0] + 4):
        made[offset : offset + 4] = number.to_bytes(4, "big")
    return bytes(made)
