"""AV1 open bitstream units (AV1 Bitstream & Decoding Process Specification 5.3)."""

from collections.abc import Iterator

SEQUENCE_HEADER = 1
TEMPORAL_DELIMITER = 2
PADDING = 15
DELIMITER = b"\x12\x00"
"""A temporal delimiter: header with size field, size 0."""
MAX_UNITS = 8192
"""Of a temporal unit: of some MiB of empty ones each costs what a tile group does."""


def split(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and whole bytes (header included) of each OBU of a low-overhead temporal unit.

    Raises ValueError if an OBU ends behind the data, or there are more than `MAX_UNITS`.
    """
    position, total, left = 0, len(data), MAX_UNITS
    while position < total:
        left -= 1
        if left < 0:
            raise ValueError(f"more than {MAX_UNITS} OBUs")
        start, header = position, data[position]
        position += 2 if header & 0x04 else 1
        if header & 0x02:
            size, position = _leb128(data, position)
        else:
            size = total - position
        position += size
        if position > total or size < 0:
            raise ValueError(f"OBU ends at byte {position} of {total}")
        yield header >> 3 & 0x0F, data[start:position]


def _leb128(data: bytes, position: int) -> tuple[int, int]:
    """Little-endian base 128 number (4.10.5) and the position behind it."""
    value = 0
    for index in range(8):
        if position >= len(data):
            raise ValueError("OBU size ends early")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << 7 * index
        if not byte & 0x80:
            return value, position
    raise ValueError("OBU size of more than 8 bytes")
