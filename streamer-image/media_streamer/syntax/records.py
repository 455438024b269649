"""Decoder configuration records out of bare parameter sets: what RTP and raw streams bring.

Sources: ISO/IEC 14496-15 5.3.3.1 (avcC) and 8.3.3.1 (hvcC), Rec. ITU-T H.265 7.3.2.2 and 7.3.3
(sequence parameter set), RFC 7845 5.1 (OpusHead). Pure.
"""

import struct
from collections.abc import Iterable, Sequence

from media_streamer.syntax import nal

_AVC_SPS, _AVC_PPS = 7, 8
_HEVC_VPS, _HEVC_SPS, _HEVC_PPS = 32, 33, 34
_PROFILE_BITS = 88
_LEVEL_BITS = 8
_WITH_CHROMA = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
"""Profiles of H.264 whose parameter sets say how colours are sampled."""
MAX_SETS = 16
"""Of one kind in a record."""
OPUS_PRE_SKIP = 312
"""Samples at 48 kHz that an encoder puts in front: libopus's usual number."""


def record(codec: str, units: Sequence[bytes]) -> bytes:
    """avcC or hvcC of H.264's or HEVC's parameter sets; b"" while one of them is missing.

    Other NAL units among `units` are passed over. Raises ValueError for a broken set.
    """
    return _avcc(units) if codec == "h264" else _hvcc(units)


def opus_head(channels: int) -> bytes:
    """Identification header of Opus as every decoder takes it."""
    return b"OpusHead" + struct.pack("<BBHIhB", 1, channels, OPUS_PRE_SKIP, 48_000, 0, 0)


def _avcc(units: Sequence[bytes]) -> bytes:
    sps = _distinct(unit for unit in units if unit[0] & nal.H264.mask == _AVC_SPS)
    pps = _distinct(unit for unit in units if unit[0] & nal.H264.mask == _AVC_PPS)
    if not sps or not pps:
        return b""
    if len(sps[0]) < 4:
        raise ValueError("a sequence parameter set ends early")
    head = bytes((1, *sps[0][1:4], 0xFF, 0xE0 | len(sps)))
    return head + _sized(sps) + bytes((len(pps),)) + _sized(pps)


def _hvcc(units: Sequence[bytes]) -> bytes:
    arrays = [
        (kind, _distinct(unit for unit in units if unit[0] >> 1 & nal.HEVC.mask == kind))
        for kind in (_HEVC_VPS, _HEVC_SPS, _HEVC_PPS)
    ]
    if not all(found for _, found in arrays):
        return b""
    sequence = _HevcSequence(arrays[1][1][0])
    head = (
        b"\x01"
        + sequence.profile
        + struct.pack(
            ">HBBBBHB",
            0xF000,  # spatial segmentation: not known
            0xFC,  # parallelism: not known
            0xFC | sequence.chroma,
            0xF8 | sequence.luma_depth - 8,
            0xF8 | sequence.chroma_depth - 8,
            0,  # average frame rate: not known
            sequence.layers << 3 | sequence.nested << 2 | 3,  # lengths of 4 bytes
        )
    )
    parts = [bytes((0x80 | kind, 0, len(found))) + _sized(found) for kind, found in arrays]
    return head + bytes((len(parts),)) + b"".join(parts)


def picture_size(codec: str, units: Sequence[bytes]) -> tuple[int, int]:
    """Width and height in pixels by the first sequence parameter set; (0, 0) if there is none.

    Raises ValueError for a broken one.
    """
    types = nal.NAL_TYPES[codec]
    for unit in units:
        if unit[0] >> types.shift & types.mask == types.sps:
            if codec == "h264":
                width, height = _avc_size(unit)
            else:
                sequence = _HevcSequence(unit)
                width, height = sequence.width, sequence.height
            if not (0 < width <= 0xFFFF and 0 < height <= 0xFFFF):
                raise ValueError("a picture has a size that cannot be")
            return width, height
    return 0, 0


def _avc_size(unit: bytes) -> tuple[int, int]:
    """Rec. ITU-T H.264 7.3.2.1.1."""
    bits = Bits(unit[1:])
    profile = bits.read(8)
    bits.skip(16)
    bits.golomb()  # identifier
    chroma = 1
    if profile in _WITH_CHROMA:
        chroma = bits.golomb()
        if chroma == 3:
            bits.skip(1)  # separate planes
        bits.golomb()  # depths
        bits.golomb()
        bits.skip(1)
        if bits.read(1):
            for number in range(8 if chroma != 3 else 12):
                if bits.read(1):
                    _skip_scaling_list(bits, 16 if number < 6 else 64)
    bits.golomb()  # frame numbers
    order = bits.golomb()
    if order == 0:
        bits.golomb()
    elif order == 1:
        bits.skip(1)
        for _ in range(2):
            bits.golomb()
        for _ in range(min(bits.golomb(), 255)):
            bits.golomb()
    bits.golomb()  # reference frames
    bits.skip(1)
    width, units_high = 16 * (bits.golomb() + 1), bits.golomb() + 1
    frames_only = bits.read(1)
    height = 16 * units_high * (2 - frames_only)
    bits.skip(1 if frames_only else 2)
    if bits.read(1):
        left, right, top, bottom = (bits.golomb() for _ in range(4))
        width -= (left + right) * (2 if chroma in (1, 2) else 1)
        height -= (top + bottom) * (2 if chroma == 1 else 1) * (2 - frames_only)
    return width, height


def _skip_scaling_list(bits: "Bits", count: int) -> None:
    """7.3.2.1.1.1."""
    last = following = 8
    for _ in range(count):
        if following:
            coded = bits.golomb()
            delta = (coded + 1) // 2 if coded & 1 else -(coded // 2)
            following = (last + delta) % 256
        last = following or last


class _HevcSequence:
    """What of a sequence parameter set its record repeats."""

    def __init__(self, unit: bytes) -> None:
        bits = Bits(unit[2:])
        bits.skip(4)
        sub_layers = bits.read(3)
        self.layers = sub_layers + 1
        self.nested = bits.read(1)
        self.profile = bits.read(_PROFILE_BITS + _LEVEL_BITS).to_bytes(12, "big")
        present = [(bits.read(1), bits.read(1)) for _ in range(sub_layers)]
        if sub_layers:
            bits.skip(2 * (8 - sub_layers))
        for profile, level in present:
            bits.skip(profile * _PROFILE_BITS + level * _LEVEL_BITS)
        bits.golomb()  # identifier
        self.chroma = bits.golomb()
        if self.chroma == 3:
            bits.skip(1)  # separate planes
        self.width, self.height = bits.golomb(), bits.golomb()
        if bits.read(1):  # conformance window, in samples of chroma
            left, right, top, bottom = (bits.golomb() for _ in range(4))
            self.width -= (left + right) * (2 if self.chroma in (1, 2) else 1)
            self.height -= (top + bottom) * (2 if self.chroma == 1 else 1)
        self.luma_depth = 8 + bits.golomb()
        self.chroma_depth = 8 + bits.golomb()
        if self.chroma > 3 or self.luma_depth > 15 or self.chroma_depth > 15:
            raise ValueError("a sequence parameter set says what cannot be")


class Bits:
    """Bits of a NAL unit, emulation prevention removed (7.4.2)."""

    def __init__(self, data: bytes) -> None:
        self._data = data.replace(b"\x00\x00\x03", b"\x00\x00")
        self._position = 0

    def read(self, count: int) -> int:
        end = self._position + count
        if end > 8 * len(self._data):
            raise ValueError("a parameter set ends early")
        first, last = self._position // 8, (end + 7) // 8
        value = int.from_bytes(self._data[first:last], "big") >> (8 * last - end)
        self._position = end
        return value & (1 << count) - 1

    def skip(self, count: int) -> None:
        self._position += count

    def golomb(self) -> int:
        """ue(v) (9.2)."""
        zeros = 0
        while not self.read(1):
            zeros += 1
            if zeros > 32:
                raise ValueError("a number of a parameter set does not end")
        return (1 << zeros) - 1 + self.read(zeros)


def _distinct(units: Iterable[bytes]) -> list[bytes]:
    return list(dict.fromkeys(units))[:MAX_SETS]


def _sized(units: Sequence[bytes]) -> bytes:
    return b"".join([part for unit in units for part in (len(unit).to_bytes(2, "big"), unit)])
