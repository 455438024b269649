"""Key frames of VP8 (RFC 6386 9.1) and VP9 (bitstream specification 0.6, 6.2 and 7.2): what their
headers say without a decoder."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

_VP8_START = b"\x9d\x01\x2a"
_VP9_SYNC = 0x498342
_RGB = 7
_MARK = 0xC0
"""Of the index of a superframe: three bits (annex B)."""
MAX_FRAMES = 8
"""Of a superframe."""


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


def vp9_key_frame(data: bytes) -> KeyFrame | None:
    """The same of a frame, or of a superframe that begins with one: as large as what it shows."""
    frames = split(data)
    first, last = frames[0], frames[-1]
    key = _vp9_key_frame(first)
    shown = vp9_inter_size(last)
    return key if key is None or shown is None else replace(key, width=shown[0], height=shown[1])


def vp9_inter_size(frame: bytes) -> tuple[int, int] | None:
    """Of a frame that is predicted, where it says its size itself."""
    bits = _Bits(frame[:32])
    if bits.take(2) != 2:
        return None
    profile = bits.take(1) | bits.take(1) << 1
    bits.take(profile == 3)
    shown_again, other, shown, resilient = (bits.take(1) for _ in range(4))
    if shown_again or not other or not shown:
        return None
    bits.take((0 if resilient else 2) + 8 + 3 * 4)
    if any(bits.take(1) for _ in range(3)):
        return None
    size = bits.take(16) + 1, bits.take(16) + 1
    return size if bits.left >= 0 else None


def _vp9_key_frame(frame: bytes) -> KeyFrame | None:
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


def superframe(frames: Sequence[bytes]) -> bytes:
    """Frames with an index behind them (annex B); one alone is as it is."""
    if len(frames) == 1:
        return frames[0]
    width = max(1, (max(map(len, frames)).bit_length() + 7) // 8)
    mark = bytes((_MARK | width - 1 << 3 | len(frames) - 1,))
    sizes = b"".join(len(frame).to_bytes(width, "little") for frame in frames)
    return b"".join((*frames, mark, sizes, mark))


def split(data: bytes) -> list[bytes]:
    """The frames of a superframe; what is none is one frame."""
    mark = data[-1] if data else 0
    if mark & 0xE0 != _MARK:
        return [data]
    count, width = (mark & 7) + 1, (mark >> 3 & 3) + 1
    start = len(data) - 2 - count * width
    if start < 0 or data[start] != mark:
        return [data]
    frames, at = [], 0
    for number in range(count):
        place = start + 1 + number * width
        size = int.from_bytes(data[place : place + width], "little")
        frames.append(data[at : min(at + size, start)])
        at += size
    return [frame for frame in frames if frame] or [data]


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
