"""Another frame rate: which pictures are dropped and which are shown twice. Pure.

The stamps of the result are whole multiples of its frame duration on the stream's clock, so that
renditions of different rates share stamps, also after a restart.
"""

from media_streamer.wire.frame import TIME_BASE

MAX_REPEATS = 25
"""A longer hole in the source stays a hole."""


class FrameRate:
    """Of one rendition."""

    def __init__(self, numerator: int, denominator: int) -> None:
        """Frames a second as a fraction, above 0."""
        self._ticks = TIME_BASE * denominator
        """Ticks of `numerator` frames."""
        self._numerator = numerator
        self._last: int | None = None
        """Number of the last frame on the grid."""

    @property
    def frame_ticks(self) -> int:
        """Ticks of one frame, rounded."""
        return max(1, self._ticks // self._numerator)

    def stamps(self, pts: int) -> list[int]:
        """Stamps at which the picture of `pts` is shown: none, one, or more to fill a hole.

        Those of a hole come first: there the picture before it should be shown; see `repeats`.
        """
        slot = (pts * self._numerator * 2 + self._ticks) // (self._ticks * 2)
        last, first = self._last, slot
        if last is not None:
            if slot <= last:
                return []
            if slot - last - 1 <= MAX_REPEATS:
                first = last + 1
        self._last = slot
        return [number * self._ticks // self._numerator for number in range(first, slot + 1)]
