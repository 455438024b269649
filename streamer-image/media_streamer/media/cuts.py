"""Where the segments of a stream begin, and their numbers: one count for all of its formats.

A stream that is taken from another of our servers is cut where that one cuts it (`Frame.cut`), as
long as what comes lies on the clock that it has there (`timeline`): then viewers find the same
segments under the same numbers on both. Else, and once the source is another one, it counts on by
itself. Pure but for the numbers to begin with.
"""

import math
import time

from msgspec.structs import replace

from media_streamer.media.frame import TICKS_PER_MS, Cut, Frame
from media_streamer.media.segmenter import SegmentPlanner, first_msn

DISCONTINUITY_SECONDS = 10
MAX_FIRST_DISCONTINUITY = 10_000


def first_discontinuity(unix_seconds: float) -> int:
    """Where discontinuities are counted from if no worker died, from `unix_seconds` since 1970.

    It follows the clock, so that a player that saw the stream before a restart does not meet the
    same numbers again, but it stays small: it starts over once in 28 hours.
    hls.js has arrays indexed by it and goes through them: the seconds since 1970 as the count made
    Chromium's page hang within seconds (hls.js 1.7.4).
    """
    return int(unix_seconds / DISCONTINUITY_SECONDS) % MAX_FIRST_DISCONTINUITY


class Cuts:
    """The segments of one stream."""

    def __init__(self, duration_ms: int, *, lasting: bool = False) -> None:
        """`lasting`: see `SegmentPlanner`."""
        self.running: Cut | None = None
        """The segment under way."""
        self._planner = SegmentPlanner(duration_ms, first_msn(duration_ms), lasting=lasting)
        self._target_ms = duration_ms
        self._told = False
        """The running segment is one that another server has told."""
        self._broken = False
        """What comes does not continue the running segment."""

    def set_duration(self, duration_ms: int) -> None:
        """Another target from the next boundary on."""
        self._planner.set_duration(duration_ms)
        self._target_ms = duration_ms

    def gap(self) -> None:
        """What comes does not continue what came."""
        self._planner.stop()
        self._told = False
        self._broken = self.running is not None

    def jumps(self, frame: Frame) -> bool:
        """Whether another server tells of a discontinuity, or of a hole, before this frame."""
        told, running = frame.cut, self.running
        if told is None or running is None or self._broken:
            return False
        return not told.continues(running) or not 0 <= told.msn - running.msn <= 1

    def boundary(self, frame: Frame) -> Frame:
        """A segment may begin with this frame: the frame with the one that it is in."""
        if frame.cut is not None:
            self.running, self._told, self._broken = frame.cut, True, False
            self._planner.follow(frame.cut.msn, frame.dts)
        elif not self._told and self._planner.starts(frame.dts):
            self.running, self._broken = self._next(frame), False
        return frame if frame.cut is self.running else replace(frame, cut=self.running)

    def _next(self, frame: Frame) -> Cut:
        before = self.running
        if before is None:
            count, period = first_discontinuity(time.time()), (frame.utc_ms, frame.pts)
        elif not self._broken:
            count, period = before.discontinuities, (before.period_utc_ms, before.period_time)
        else:
            # A source whose clock is fast has shown more than the time that has passed: what
            # follows begins where it ended, for players cut off what lies beyond the start of the
            # next period.
            shown = math.ceil((frame.pts - before.period_time) / TICKS_PER_MS)
            utc_ms = max(frame.utc_ms, before.period_utc_ms + shown)
            count, period = before.discontinuities + 1, (utc_ms, frame.pts)
        return Cut(self._planner.msn, count, *period, frame.dts, self._target_ms)
