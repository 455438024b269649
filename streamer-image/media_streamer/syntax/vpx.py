"""Key frames of VP8 (RFC 6386 9.1) and VP9 (bitstream specification 0.6, 6.2 and 7.2): what their
headers say without a decoder."""

from dataclasses import dataclass

_VP8_START = b"\x9d\x01\x2a"
_VP9_SYNC = 0x498342
_RGB = 7


@dataclass(frozen=True, slots=True)
class KeyFrame:
    """What a decoder has to know, and in pixels the size."""

    width: int
    height: int
    profile: int = 0
    depth: int = 8


def vp8_key_frame(frame: bytes) -> KeyFrame | None:
    """None: it is no key frame, or none of VP8."""
    if len(frame) < 10 or frame[0] & 1 or frame[3:6] != _VP8_START:
        return None
    width, height = int.from_bytes(frame[6:8], "little"), int.from_bytes(frame[8:10], "little")
    return KeyFrame(width & 0x3FFF, height & 0x3FFF, frame[0] >> 1 & 7)  # above are scales


def vp9_key_frame(frame: bytes) -> KeyFrame | None:
    """The same of a frame, or of the first of a superframe."""
    bits = _Bits(frame[:16])
    if bits.take(2) != 2:
        return None
    profile = bits.take(1) | bits.take(1) << 1
    bits.take(profile == 3)
    shown_again, other, _shown, _resilient = (bits.take(1) for _ in range(4))
    if shown_again or other or bits.take(24) != _VP9_SYNC:
        return None
    depth = 8
    if profile >= 2:
        depth = 12 if bits.take(1) else 10
    rgb = bits.take(3) == _RGB
    bits.take(not rgb)  # range of colours
    if profile & 1:
        bits.take(1 if rgb else 3)  # subsampling, and a reserved bit
    width, height = bits.take(16) + 1, bits.take(16) + 1
    return KeyFrame(width, height, profile, depth) if bits.left >= 0 else None


class _Bits:
    """From the front; behind the end there are zeros."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data)
        self.left = 8 * len(data)

    def take(self, count: int) -> int:
        self.left -= count
        if self.left < 0:
            return 0
        return self._value >> self.left & (1 << count) - 1
