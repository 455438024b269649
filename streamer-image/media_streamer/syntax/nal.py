"""NAL units of H.264 and HEVC: the two ways they are delimited, and which of them matter here.

Annex B (Rec. ITU-T H.264 and H.265, annex B) puts start codes between NAL units, ISO BMFF
(ISO/IEC 14496-15) a length before each. Canonical frames use 4-byte lengths; a start code of four
bytes has the same size, so turning one into the other never moves the payload.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

START_CODE = b"\x00\x00\x00\x01"
MAX_UNITS = 8192
"""Of an access unit, those without a byte too: of some MiB of lengths of zero each costs what a
slice does. 8K in slices of a network packet each has half as many."""
_LENGTH = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class NalTypes:
    """NAL unit types of one codec by their role; `shift` and `mask` find the type in byte 0."""

    shift: int
    mask: int
    parameter_sets: frozenset[int]
    sps: int
    dropped: frozenset[int]
    """Access unit delimiters and filler: rebuilt by the muxers that need them."""
    random_access: frozenset[int]
    """Slices before which FFmpeg and our TS muxer repeat the parameter sets."""
    slices: frozenset[int]
    special: frozenset[int]
    """Types that make an access unit need more than a new delimiter."""


H264 = NalTypes(
    shift=0,
    mask=0x1F,
    parameter_sets=frozenset({7, 8, 13}),
    sps=7,
    dropped=frozenset({9, 12}),
    random_access=frozenset({5}),
    slices=frozenset({1, 2, 3, 4, 5}),
    special=frozenset({7, 8, 9, 12, 13}),
)
"""Rec. ITU-T H.264 table 7-1."""

HEVC = NalTypes(
    shift=1,
    mask=0x3F,
    parameter_sets=frozenset({32, 33, 34}),
    sps=33,
    dropped=frozenset({35, 38}),
    random_access=frozenset(range(16, 24)),
    slices=frozenset(range(32)),
    special=frozenset({32, 33, 34, 35, 38}),
)
"""Rec. ITU-T H.265 table 7-1."""

NAL_TYPES = {"h264": H264, "hevc": HEVC}


def split_annex_b(data: bytes) -> list[bytes]:
    """NAL units of an Annex B byte stream, without start codes and trailing zero bytes.

    Bytes before the first start code are not a NAL unit and are left out, as is what follows
    `MAX_UNITS`.
    """
    units: list[bytes] = []
    find = data.find
    start = find(b"\x00\x00\x01")
    while start >= 0:
        begin = start + 3
        start = find(b"\x00\x00\x01", begin)
        end = start if start >= 0 else len(data)
        # A NAL unit never ends in a zero byte (7.4.1): zeros belong to the next start code.
        if end > begin and data[end - 1] == 0:
            unit = data[begin:end].rstrip(b"\x00")
        else:
            unit = data[begin:end]
        if unit:
            units.append(unit)
            if len(units) == MAX_UNITS:
                break
    return units


def split_length_prefixed(data: bytes, length_size: int = 4) -> list[bytes]:
    """NAL units behind big-endian lengths of `length_size` bytes.

    Raises ValueError if a length points behind the end, or there are more than `MAX_UNITS`.
    """
    units: list[bytes] = []
    position, total, left = 0, len(data), MAX_UNITS
    while position < total:
        left -= 1
        if left < 0:
            raise ValueError(f"more than {MAX_UNITS} NAL units")
        begin = position + length_size
        position = begin + int.from_bytes(data[position:begin], "big")
        if position > total or begin > total:
            raise ValueError(f"NAL unit ends at byte {position} of {total}")
        if position > begin:
            units.append(data[begin:position])
    return units


def join_length_prefixed(units: Sequence[bytes]) -> bytes:
    """The canonical payload of an access unit: every NAL unit behind its 4-byte length."""
    return b"".join([part for unit in units for part in (len(unit).to_bytes(4, "big"), unit)])


def join_annex_b(units: Sequence[bytes]) -> bytes:
    """An Annex B byte stream with four-byte start codes."""
    return b"".join([part for unit in units for part in (START_CODE, unit)])


def to_annex_b(data: bytes) -> bytearray:
    """Canonical payload with every 4-byte length overwritten by a start code."""
    out = bytearray(data)
    put_start_codes(out, 0, len(out))
    return out


def put_start_codes(data: bytearray | memoryview, begin: int, end: int) -> None:
    """The same in place, of the bytes from `begin` to before `end`."""
    end -= 4
    while begin <= end:
        (length,) = _LENGTH.unpack_from(data, begin)
        _LENGTH.pack_into(data, begin, 1)
        begin += 4 + length


def parameter_sets(codec: str, extradata: bytes) -> list[bytes]:
    """Parameter sets (VPS, SPS, PPS) in `extradata`: Annex B, avcC or hvcC; [] if there are none.

    Raises ValueError for a broken configuration record.
    """
    types = NAL_TYPES[codec]
    if not extradata:
        return []
    if extradata[0] != 1:
        units = split_annex_b(extradata)
    elif codec == "h264":
        units = list(_avcc_units(extradata))
    else:
        units = list(_hvcc_units(extradata))
    return [unit for unit in units if unit[0] >> types.shift & types.mask in types.parameter_sets]


def length_size(codec: str, extradata: bytes) -> int:
    """Bytes of a NAL length by avcC or hvcC; 0 if `extradata` is none of them (Annex B)."""
    if len(extradata) < 7 or extradata[0] != 1:
        return 0
    position = 4 if codec == "h264" else 21
    return (extradata[position] & 3) + 1 if len(extradata) > position else 0


def _avcc_units(record: bytes) -> Iterator[bytes]:
    """SPS and PPS of an AVCDecoderConfigurationRecord (ISO/IEC 14496-15 5.3.3.1)."""
    position = 5
    for mask in (0x1F, 0xFF):
        if position >= len(record):
            raise ValueError("avcC ends early")
        count = record[position] & mask
        position += 1
        for _ in range(count):
            unit, position = _sized_unit(record, position)
            if unit:
                yield unit


def _hvcc_units(record: bytes) -> Iterator[bytes]:
    """Parameter sets of an HEVCDecoderConfigurationRecord (ISO/IEC 14496-15 8.3.3.1)."""
    if len(record) < 23:
        raise ValueError("hvcC ends early")
    position = 23
    for _ in range(record[22]):
        count = int.from_bytes(record[position + 1 : position + 3], "big")
        position += 3
        for _ in range(count):
            unit, position = _sized_unit(record, position)
            if unit:
                yield unit


def _sized_unit(record: bytes, position: int) -> tuple[bytes, int]:
    begin = position + 2
    end = begin + int.from_bytes(record[position:begin], "big")
    if end > len(record):
        raise ValueError("configuration record ends early")
    return record[begin:end], end
