"""When a segment ends and when it began on the wall clock: the pure part of HLS segmenting.

Rules (RFC 8216 3, rfc8216bis B.1): segments start at boundaries, all tracks are cut at the same
frame, media sequence numbers grow by one, program date time follows the media clock.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from media_streamer.media.frame import TIME_BASE

TOLERANCE = 0.02
"""A GOP may be that much shorter than the segment duration and still end the segment: sources with
time stamps in ms give 4.999 s instead of 5 s, and the next key frame would be far."""

MIN_FORCED_GAP_MS = 20_000
_TICKS_PER_MS = TIME_BASE // 1000
FIRST_TICKS = 900 * _TICKS_PER_MS
"""The first segment ends at the first key frame after this, so that a fresh stream can be played
after about a second, whatever its segment duration."""

SLEW = 0.001
"""Share of a second by which the wall clock of a stream is set right in a second: program date
time may not jump without a discontinuity (rfc8216bis 4.4.4.6)."""
MAX_CLOCK_ERROR_MS = 1000


@dataclass(frozen=True)
class SegmentSettings:
    """Times in ms, `count` in segments."""

    stream: str
    directory: Path
    duration_ms: int
    count: int
    part_ms: int


def forced_gap_ticks(duration_ms: int) -> int:
    """Without a key frame for this long a segment ends all the same, in ticks of 90 kHz."""
    return max(2 * duration_ms, MIN_FORCED_GAP_MS) * _TICKS_PER_MS


class SegmentPlanner:
    """Decides at each boundary whether a segment starts there; pure."""

    def __init__(self, duration_ms: int, next_msn: int) -> None:
        self._is_first = True
        self.set_duration(duration_ms)
        self.msn = next_msn - 1
        """Media sequence number of the running segment."""
        self.start: int | None = None
        """DTS of its first frame, None while there is none."""

    def set_duration(self, duration_ms: int) -> None:
        """Use another target from the next boundary on."""
        self._target = duration_ms * _TICKS_PER_MS * (1 - TOLERANCE)

    def starts(self, dts: int) -> bool:
        """A boundary came at `dts`: whether it starts the next segment."""
        target = min(self._target, FIRST_TICKS) if self._is_first else self._target
        if self.start is not None:
            if 0 <= dts - self.start < target:
                return False
            self._is_first = False
        self.start = dts
        self.msn += 1
        return True

    def stop(self) -> None:
        """The running segment ends here; the next boundary starts another."""
        self.start = None


class WallClock:
    """Wall clock time of a media time: set at the first frame, then slewed, never stepped."""

    def __init__(self) -> None:
        self._offset_ms: float | None = None

    def start(self, dts: int, now_ms: float | None = None) -> None:
        """The frame with `dts` arrives now; only the first one counts."""
        if self._offset_ms is None:
            now = time.time() * 1000 if now_ms is None else now_ms
            self._offset_ms = now - dts / _TICKS_PER_MS

    def reset(self) -> None:
        """The next frame sets the clock: it comes after a discontinuity."""
        self._offset_ms = None

    def correct(self, dts: int, elapsed_ms: float, now_ms: float | None = None) -> None:
        """Slew towards the wall clock after `elapsed_ms` of media; the last frame has `dts`."""
        if self._offset_ms is None:
            return
        now = time.time() * 1000 if now_ms is None else now_ms
        error = now - self.utc_ms(dts)
        if abs(error) > MAX_CLOCK_ERROR_MS:
            step = max(elapsed_ms, 0.0) * SLEW
            self._offset_ms += step if error > 0 else -step

    def utc_ms(self, dts: int) -> int:
        """Milliseconds since the epoch at `dts`; now if no frame has come yet."""
        if self._offset_ms is None:
            return round(time.time() * 1000)
        return round(self._offset_ms + dts / _TICKS_PER_MS)


def first_msn(duration_ms: int, now_ms: float | None = None) -> int:
    """Media sequence number to start with: a restarted worker goes on above its predecessor.

    Only the first segment is much shorter than its target, so the count of half targets since the
    epoch grows faster than the numbers do.
    """
    now = time.time() * 1000 if now_ms is None else now_ms
    return int(2 * now // max(duration_ms, 1))
