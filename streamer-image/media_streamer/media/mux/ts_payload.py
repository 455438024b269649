"""What stands in a PES packet, by codec: Annex B with delimiters, ADTS, Opus control headers."""

from typing import Protocol

from media_streamer.media.frame import Frame, Track
from media_streamer.media.mux.psi import STREAM_TYPES
from media_streamer.syntax import boxes, nal
from media_streamer.syntax.codec_strings import decoder_config

Data = bytes | bytearray | memoryview


class Payload(Protocol):
    """Of one track."""

    is_annex_b: bool
    """Lengths of NAL units become start codes."""

    def prefix(self, data: Data, key: bool) -> bytes:
        """What stands before the bytes of a frame in its canonical form."""
        ...


_AUD = {"h264": b"\x00\x00\x00\x01\x09\xf0", "hevc": b"\x00\x00\x00\x01\x46\x01\x50"}
"""Access unit delimiters for any picture type; 13818-1 2.14.1 wants one before each picture."""
_CONFIGURATION_BOX = {"h264": b"avcC", "hevc": b"hvcC"}

SAMPLING_FREQUENCIES = (
    96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350,
)  # fmt: skip
"""Sampling frequency index of ISO/IEC 14496-3 table 1.18."""
_EXPLICIT_FREQUENCY = 15
_SBR, _PS = 5, 29


def payload_of(track: Track) -> Payload:
    """Raises ValueError if MPEG-TS cannot carry the track."""
    if track.codec not in STREAM_TYPES:
        raise ValueError(f"there is no mapping for {track.codec}")
    if track.codec in nal.NAL_TYPES:
        return NalPayload(track)
    if track.codec == "aac":
        return AdtsPayload(track)
    return OpusPayload() if track.codec == "opus" else RawPayload()


def payload(by: Payload, frame: Frame) -> tuple[bytes, bytes | bytearray]:
    """Prefix and bytes of a frame."""
    data = nal.to_annex_b(frame.data) if by.is_annex_b else frame.data
    return by.prefix(frame.data, frame.key), data


class RawPayload:
    """MPEG audio, AC-3 and MPEG-2 video travel as they are."""

    is_annex_b = False

    def prefix(self, data: Data, key: bool) -> bytes:
        return b""


class NalPayload:
    """Annex B with an access unit delimiter, parameter sets before key frames that have none."""

    is_annex_b = True

    def __init__(self, track: Track) -> None:
        _, children = boxes.sample_entry(track.init)
        units = nal.parameter_sets(track.codec, children[_CONFIGURATION_BOX[track.codec]])
        self._types = nal.NAL_TYPES[track.codec]
        self._delimiter = _AUD[track.codec]
        self._key_prefix = self._delimiter + nal.join_annex_b(units)

    def prefix(self, data: Data, key: bool) -> bytes:
        return self._key_prefix if key and not self._has_sps(data) else self._delimiter

    def _has_sps(self, data: Data) -> bool:
        """In-band parameter sets come before the first slice."""
        shift, mask = self._types.shift, self._types.mask
        position = 4
        while position < len(data):
            kind = data[position] >> shift & mask
            if kind == self._types.sps:
                return True
            if kind in self._types.slices and kind not in self._types.special:
                return False
            position += int.from_bytes(data[position - 4 : position], "big") + 4
        return False


class AdtsPayload:
    """AAC behind an ADTS header (ISO/IEC 14496-3 1.A.2.2)."""

    is_annex_b = False

    def __init__(self, track: Track) -> None:
        _, children = boxes.sample_entry(track.init)
        _, config = decoder_config(children[b"esds"])
        profile, frequency, channels = adts_fields(config)
        self._third = profile << 6 | frequency << 2 | channels >> 2
        self._fourth = (channels & 3) << 6

    def prefix(self, data: Data, key: bool) -> bytes:
        length = len(data) + 7
        return bytes(
            (
                0xFF,
                0xF1,
                self._third,
                self._fourth | length >> 11,
                length >> 3 & 0xFF,
                (length & 7) << 5 | 0x1F,
                0xFC,
            )
        )


class OpusPayload:
    """Opus behind a control header ("Opus in MPEG-TS", 4.3): prefix 0x3FF and the size."""

    is_annex_b = False

    def prefix(self, data: Data, key: bool) -> bytes:
        full, rest = divmod(len(data), 255)
        return b"\x7f\xe0" + b"\xff" * full + bytes((rest,))


def adts_fields(config: bytes) -> tuple[int, int, int]:
    """ADTS profile, sampling frequency index and channel configuration of an ASC.

    ADTS knows only the core coder: with SBR or PS signalled, its rate is that of the core.
    Raises ValueError for what ADTS cannot express.
    """
    bits = int.from_bytes(config[:8].ljust(8, b"\x00"), "big")
    position = 0

    def take(count: int) -> int:
        nonlocal position
        position += count
        return bits >> 64 - position & (1 << count) - 1

    def frequency_index() -> int:
        index = take(4)
        if index == _EXPLICIT_FREQUENCY:
            index = SAMPLING_FREQUENCIES.index(take(24))
        return index

    kind = take(5)
    frequency = frequency_index()
    channels = take(4)
    if kind in (_SBR, _PS):
        frequency_index()
        kind = take(5)
    if not 1 <= kind <= 4 or channels > 7:
        raise ValueError(f"ADTS cannot carry audio object type {kind} with {channels} channels")
    return kind - 1, frequency, channels
