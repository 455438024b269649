"""When a segment ends: the pure part of segmenting.

Rules (RFC 8216 3, rfc8216bis B.1): segments start at boundaries, all tracks are cut at the same
frame, media sequence numbers grow by one.
"""

import time

from media_streamer.media.frame import TICKS_PER_MS

TOLERANCE = 0.02
"""A GOP may be that much shorter than the segment duration and still end the segment: sources with
time stamps in ms give 4.999 s instead of 5 s, and the next key frame would be far."""

MIN_FORCED_GAP_MS = 20_000
FIRST_MS = 900
FIRST_TICKS = FIRST_MS * TICKS_PER_MS
"""The first segment ends at the first key frame after this, so that a fresh stream can be played
after about a second, whatever its segment duration."""
START_DIVISOR = 3
"""Of a stream that always runs the next segments have a third of the target at least, ..."""
START_TARGETS = 1.5
"""... for so long: players of whole segments need that much before they can go on without a stop
(`presentation.index.SMOOTH_TARGETS`), and it is there sooner in short segments."""

WAIT_TICKS = 2000 * TICKS_PER_MS
"""Who comes in the midst of a segment may wait so long for its end. There is a key frame within
this time, mostly."""


def forced_gap_ticks(duration_ms: int) -> int:
    """Without a key frame for this long a segment ends all the same, in ticks of 90 kHz."""
    return max(2 * duration_ms, MIN_FORCED_GAP_MS) * TICKS_PER_MS


class SegmentPlanner:
    """Decides at each boundary whether a segment starts there; pure."""

    def __init__(self, duration_ms: int, next_msn: int, *, lasting: bool = False) -> None:
        """`lasting`: the stream always runs, so behind the first segment there are more short ones;
        else the first one is for who waits for it."""
        self._lasting = lasting
        self._is_first = True
        self._short_until: int | None = None
        """DTS up to which segments are short, None before the first frame."""
        self.set_duration(duration_ms)
        self.msn = next_msn - 1
        """Media sequence number of the running segment."""
        self.start: int | None = None
        """DTS of its first frame, None while there is none."""

    def follow(self, msn: int, dts: int) -> None:
        """Somebody else has said in which segment the boundary at `dts` is."""
        self.msn, self.start, self._is_first, self._short_until = msn, dts, False, dts

    def set_duration(self, duration_ms: int) -> None:
        """Use another target from the next boundary on."""
        self._target = duration_ms * TICKS_PER_MS * (1 - TOLERANCE)

    def starts(self, dts: int) -> bool:
        """A boundary came at `dts`: whether it starts the next segment."""
        if self._short_until is None:
            self._short_until = dts + round(START_TARGETS * self._target)
        if self.start is not None:
            if 0 <= dts - self.start < self._least(self.start, self._short_until):
                return False
            self._is_first = False
        self.start = dts
        self.msn += 1
        return True

    def _least(self, start: int, short_until: int) -> float:
        """How long a segment is at least that began at `start`, in ticks."""
        least = self._target
        if self._lasting and start < short_until:
            least /= START_DIVISOR
        return min(least, FIRST_TICKS) if self._is_first else least

    def stop(self) -> None:
        """The running segment ends here; the next boundary starts another."""
        self.start = None


def ends_late(dts: int, begin: int, duration_ms: int) -> bool:
    """Whether of a segment that began at `begin` more is to come after `dts` than whoever begins to
    watch there should wait for."""
    end = begin + duration_ms * TICKS_PER_MS * (1 - TOLERANCE)
    return dts > begin and end - dts > WAIT_TICKS


def first_msn(duration_ms: int, now_ms: float | None = None) -> int:
    """Media sequence number to start with: a restarted worker goes on above its predecessor.

    Segments are no shorter than what is counted since the epoch, so that grows faster than the
    numbers do.
    """
    now = time.time() * 1000 if now_ms is None else now_ms
    return int(now // min(max(duration_ms, 1) / START_DIVISOR, FIRST_MS))
