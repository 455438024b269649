"""AAC as MP4A-LATM (RFC 6416 6): what GStreamer publishes and some cameras send.

The configuration stands in the SDP (`cpresent=0`) as a StreamMuxConfig (ISO/IEC 14496-3 1.7.3);
only what is common is taken: one program of one layer, one frame in each element.
"""

from media_streamer.rtp.payloads.base import Sample
from media_streamer.rtp.payloads.simple import MAX_SOUND_BYTES

_HEAD_BITS = 15
"""Version 0, same framing for all, one frame, one program, one layer."""
_HEAD = 0b0_1_000000_0000_000
_ESCAPE_RATE = 15
_LOW_COMPLEXITY_BITS = 16
_RATE_BITS = 24
_SBR_BITS = 25
_SBR_TYPES = (5, 29)


def audio_config(mux_config: bytes) -> bytes:
    """AudioSpecificConfig in a StreamMuxConfig; raises ValueError where it is not that of AAC-LC
    or HE-AAC in the common form."""
    total = 8 * len(mux_config)
    value = int.from_bytes(mux_config, "big")
    if total < _HEAD_BITS + _LOW_COMPLEXITY_BITS or value >> total - _HEAD_BITS != _HEAD:
        raise ValueError("a StreamMuxConfig of another form")
    rest = total - _HEAD_BITS
    value &= (1 << rest) - 1
    kind, rate = value >> rest - 5, value >> rest - 9 & 15
    if kind in _SBR_TYPES and rate != _ESCAPE_RATE:
        size = _SBR_BITS
    elif kind == 2:
        size = _LOW_COMPLEXITY_BITS + (_RATE_BITS if rate == _ESCAPE_RATE else 0)
    else:
        raise ValueError(f"MPEG-4 audio of type {kind}")
    if size > rest:
        raise ValueError("a StreamMuxConfig ends early")
    padding = -size % 8
    return (value >> rest - size << padding).to_bytes((size + padding) // 8, "big")


class LatmDepacketizer:
    """An AudioMuxElement a packet, or over several up to the marker."""

    def __init__(self) -> None:
        self._partial = bytearray()
        self._timestamp = 0
        self._broken = False

    def lose(self) -> None:
        self._partial.clear()
        self._broken = True  # what comes may be the rest of an element

    def feed(self, payload: bytes, timestamp: int, marker: bool) -> list[Sample]:
        if timestamp != self._timestamp:
            self._partial.clear()
            self._broken = False
        self._timestamp = timestamp
        self._partial += payload
        if len(self._partial) > MAX_SOUND_BYTES:
            self._partial.clear()
            self._broken = True
        if not marker:
            return []
        element, broken = bytes(self._partial), self._broken
        self._partial.clear()
        self._broken = False
        unit = b"" if broken else _unit(element)
        return [Sample(timestamp, unit, True)] if unit else []


def _unit(element: bytes) -> bytes:
    """The access unit behind its length (PayloadLengthInfo); b"" if it is not all there."""
    size = position = 0
    while position < len(element):
        byte = element[position]
        size, position = size + byte, position + 1
        if byte != 0xFF:
            unit = element[position : position + size]
            return unit if len(unit) == size else b""
    return b""
