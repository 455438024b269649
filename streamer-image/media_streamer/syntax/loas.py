"""AAC in LOAS (ISO/IEC 14496-3 1.7.2, 1.7.3): what broadcasters put into MPEG-TS as stream type
0x11, in place of ADTS.

Only what is common is taken: one program of one layer, one frame in each element, AAC-LC with or
without SBR. It becomes ADTS, which everything behind it knows; SBR is then found by decoders in the
frames themselves (1.6.5.2).
"""

_SYNC, _SYNC_MASK = 0x56E0, 0xFFE0
_HEAD_BYTES = 3
_LOW_COMPLEXITY = 2
_SBR_TYPES = (5, 29)
_ESCAPE_RATE = 15
ADTS_HEAD_BYTES = 7


def is_loas(data: bytes) -> bool:
    """Whether AAC data begins with an AudioSyncStream."""
    return len(data) > _HEAD_BYTES and int.from_bytes(data[:2], "big") & _SYNC_MASK == _SYNC


class LoasReader:
    """One track; the configuration of an element holds until another one comes."""

    def __init__(self) -> None:
        self._config: tuple[int, int] | None = None
        """Index of the sampling frequency, channel configuration."""

    def adts(self, data: bytes) -> bytes:
        """The frame of an AudioSyncStream behind an ADTS header; raises ValueError for one that
        cannot be read, also because no configuration has come yet."""
        size = (data[1] & 0x1F) << 8 | data[2]
        bits = _Bits(data[_HEAD_BYTES : _HEAD_BYTES + size])
        if not bits.take(1):  # useSameStreamMux
            self._config = _mux_config(bits)
        if self._config is None:
            raise ValueError("LOAS without a configuration yet")
        length = byte = bits.take(8)
        while byte == 0xFF:
            byte = bits.take(8)
            length += byte
        return _adts_head(*self._config, length) + bits.take_bytes(length)


class _Bits:
    """Reads bits, the highest first."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    def take(self, count: int) -> int:
        """Raises ValueError at the end."""
        if count > self._left:
            raise ValueError("LOAS ends early")
        self._left -= count
        return self._value >> self._left & (1 << count) - 1

    def take_bytes(self, count: int) -> bytes:
        return self.take(8 * count).to_bytes(count, "big")


def _mux_config(bits: _Bits) -> tuple[int, int]:
    """StreamMuxConfig (1.7.3.1)."""
    version, same_framing, frames, program, layer = map(bits.take, (1, 1, 6, 4, 3))
    if version or not same_framing or frames or program or layer:
        raise ValueError("a StreamMuxConfig of another form")
    kind, rate, channels = map(bits.take, (5, 4, 4))
    if kind in _SBR_TYPES:
        if bits.take(4) == _ESCAPE_RATE:
            bits.take(24)
        kind = bits.take(5)
    # GASpecificConfig (4.4.1): ADTS can say neither short frames nor a layout of its own.
    short_frames, core = bits.take(1), bits.take(1)
    if core:
        bits.take(14)
    bits.take(1)
    if kind != _LOW_COMPLEXITY or rate == _ESCAPE_RATE or not 0 < channels < 8 or short_frames:
        raise ValueError(f"MPEG-4 audio of type {kind} that ADTS cannot carry")
    if bits.take(3):  # frameLengthType
        raise ValueError("a StreamMuxConfig of another form")
    bits.take(8)
    if bits.take(1):  # other data: how much of it is nobody's business
        while bits.take(1):
            bits.take(8)
        bits.take(8)
    if bits.take(1):
        bits.take(8)
    return rate, channels


def _adts_head(rate: int, channels: int, length: int) -> bytes:
    """adts_fixed_header and adts_variable_header without a CRC (1.A.2.2)."""
    size = length + ADTS_HEAD_BYTES
    if size >= 1 << 13:
        raise ValueError("a frame too long for ADTS")
    profile = _LOW_COMPLEXITY - 1
    value = 0xFFF1 << 40 | profile << 38 | rate << 34 | channels << 30 | size << 13 | 0x7FF << 2
    return value.to_bytes(ADTS_HEAD_BYTES, "big")
