"""Decoding times for frames that carry presentation times only, as RTP's do.

Frames come in decoding order. With a reordering depth of D, a frame is decoded when D frames with
later presentation times are at hand, so its DTS is the (D+1)-th highest PTS so far. D is learned:
it grows when a frame comes after more than D frames that are shown later.
"""

from bisect import bisect_right, insort

MAX_DEPTH = 16
"""max_num_reorder_frames of H.264 and HEVC is at most 16 (Rec. ITU-T H.264 A.3.1)."""
JUMP_SECONDS = 10


class DecodeOrder:
    """One track. Times are in ticks of any clock; the DTS strictly grows but after a jump."""

    def __init__(self, clock_rate: int) -> None:
        self._jump = JUMP_SECONDS * clock_rate
        self._recent: list[int] = []
        self._depth = 0
        self._last: int | None = None

    @property
    def depth(self) -> int:
        """How many frames are shown later though they come earlier; 0 without B-frames."""
        return self._depth

    def dts(self, pts: int) -> int:
        """DTS of the next frame in decoding order, whose PTS is `pts`."""
        recent = self._recent
        if recent and abs(pts - recent[-1]) > self._jump:
            recent.clear()
            self._last = None
        later = len(recent) - bisect_right(recent, pts)
        self._depth = max(self._depth, min(later, MAX_DEPTH))
        insort(recent, pts)
        if len(recent) > MAX_DEPTH + 1:
            del recent[0]
        found = recent[max(0, len(recent) - 1 - self._depth)]
        if self._last is not None and found <= self._last:
            found = self._last + 1
        self._last = found
        return found
