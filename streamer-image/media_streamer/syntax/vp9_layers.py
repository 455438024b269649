"""Spatial layers of VP9 as one picture (bitstream specification 0.6, 6.2 and annex B). Pure.

Each layer is a frame of its own that says that it is shown, so that whoever passes pictures on may
leave out those above it. Decoders but libvpx would show all of them, small and large ones by turns.
So all but the highest are told not to be shown, and the picture becomes a superframe, as that of an
encoder with pictures that are only referred to.

That a frame is not shown moves what is behind that bit, for it is asked then whether it is intra
alone; and where the bits of the header end is known to who knows the sizes of the pictures that it
refers to. Those are counted here from the last key frame on.
"""

from collections.abc import Sequence

from media_streamer.syntax.vpx import MAX_FRAMES, superframe

Size = tuple[int, int]

_REFERENCES = 8
_FEATURE_BITS = ((8, True), (6, True), (2, False), (0, False))
"""Of a segment: quantizer, loop filter, reference, skip; whether a sign follows (3.)."""


class NotReadError(ValueError):
    """A frame that is none, is cut off, or refers to what has not come."""


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.at = 0
        self._bits = 8 * len(data)
        self._value = int.from_bytes(data)

    def take(self, count: int) -> int:
        self.at += count
        if self.at > self._bits:
            raise NotReadError("cut off")
        return self._value >> (self._bits - self.at) & (1 << count) - 1

    def skip_if(self, *counts: int) -> None:
        """For each a bit that says whether there are so many more."""
        for count in counts:
            if self.take(1):
                self.take(count)


class Layers:
    """Makes one picture of the frames of its layers. Of one stream, for it counts references."""

    def __init__(self) -> None:
        self._sizes: list[Size | None] = [None] * _REFERENCES

    def join(self, frames: Sequence[bytes]) -> bytes:
        """The picture with these layers, lowest first. NotReadError for what cannot be joined; a
        key frame is needed then."""
        if len(frames) > MAX_FRAMES:
            raise NotReadError("too many layers")
        joined = []
        for frame in frames[:-1]:
            found = self._read(frame)
            if found is not None:
                joined.append(_hidden(frame, *found))
        self._read(frames[-1])
        return superframe([*joined, frames[-1]])

    def _read(self, frame: bytes) -> tuple[int, int] | None:
        """Where the bit is that shows it, and where its header ends; counts what it is kept as.
        None: it only shows a picture again."""
        bits = _Reader(frame[:256])
        if bits.take(2) != 2:
            raise NotReadError("no frame marker")
        profile = bits.take(1) | bits.take(1) << 1
        bits.take(profile == 3)
        if bits.take(1):
            return None
        is_key = not bits.take(1)
        show = bits.at
        is_shown, resilient = bits.take(1), bits.take(1)
        if is_key:
            bits.take(24)
            _colours(bits, profile)
            intra, kept, size = True, 0xFF, _size(bits)
        else:
            intra = bool(not is_shown and bits.take(1))
            bits.take(0 if resilient else 2)
            if intra:
                bits.take(24)
                if profile:
                    _colours(bits, profile)
                kept, size = bits.take(8), _size(bits)
            else:
                kept, size = self._inter(bits)
        bits.take(0 if resilient else 2)
        bits.take(2)
        _filters_and_segments(bits)
        _tiles(bits, size[0])
        bits.take(16)
        for number in range(_REFERENCES):
            if kept >> number & 1:
                self._sizes[number] = size
        return show, bits.at

    def _inter(self, bits: _Reader) -> tuple[int, Size]:
        kept = bits.take(8)
        referred = []
        for _ in range(3):
            referred.append(bits.take(3))
            bits.take(1)
        found = next((number for number in referred if bits.take(1)), None)
        if found is None:
            size = bits.take(16) + 1, bits.take(16) + 1
        else:
            known = self._sizes[found]
            if known is None:
                raise NotReadError("what it refers to has not come")
            size = known
        bits.skip_if(32)  # how large it is to be shown
        bits.take(1)
        if not bits.take(1):
            bits.take(2)
        return kept, size


def _hidden(frame: bytes, show: int, end: int) -> bytes:
    """Not to be shown. Of other than key frames it is said then that they are not intra alone."""
    header, rest = -(-end // 8), frame[-(-end // 8) :]
    text = f"{int.from_bytes(frame[:header]):0{8 * header}b}"[:end]
    if text[show] == "0":
        return frame
    is_key = text[show - 1] == "0"
    text = text[:show] + "0" + text[show + 1] + ("" if is_key else "0") + text[show + 2 :]
    size = -(-len(text) // 8)
    return int(text.ljust(8 * size, "0"), 2).to_bytes(size) + rest


def _colours(bits: _Reader, profile: int) -> None:
    if profile >= 2:
        bits.take(1)
    if bits.take(3) == 7:  # RGB
        bits.take(profile & 1)
    else:
        bits.take(4 if profile & 1 else 1)


def _size(bits: _Reader) -> Size:
    size = bits.take(16) + 1, bits.take(16) + 1
    bits.skip_if(32)
    return size


def _filters_and_segments(bits: _Reader) -> None:
    bits.take(9)
    if bits.take(1) and bits.take(1):
        bits.skip_if(*[7] * 6)
    bits.take(8)
    bits.skip_if(5, 5, 5)
    if not bits.take(1):
        return
    if bits.take(1):
        bits.skip_if(*[8] * 7)
        if bits.take(1):
            bits.skip_if(8, 8, 8)
    if bits.take(1):
        bits.take(1)
        for _ in range(8):
            bits.skip_if(*(width + signed for width, signed in _FEATURE_BITS))


def _tiles(bits: _Reader, width: int) -> None:
    columns = (width + 63) // 64
    least = 0
    while 64 << least < columns:
        least += 1
    most = 1
    while columns >> most >= 4:
        most += 1
    most -= 1
    count = least
    while count < most and bits.take(1):
        count += 1
    if bits.take(1):
        bits.take(1)
