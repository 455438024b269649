"""Wall clock time of a stream's media clock: set at the first frame, then slewed, never stepped.

It is the time of the pictures where their sender tells that, else of their arrival.

Program date time may not jump without a discontinuity (rfc8216bis 4.4.4.6), and receivers of RTCP
expect the same, so a source whose clock is a little wrong is followed slowly.
"""

import time
from collections.abc import Callable

from media_streamer.media.frame import TICKS_PER_MS, TIME_BASE

SLEW = 0.001
"""Share of a second by which the clock is set right in a second of media."""
MAX_ERROR_MS = 1000
"""A smaller difference to the wall clock is the jitter of the source."""
MAX_TOLD_ERROR_MS = 20
"""The same where the sender tells the time, which does not depend on the way here."""

_CHECK_TICKS = TIME_BASE


class WallClock:
    """The clock of one stream; not thread-safe."""

    __slots__ = ("_check_at", "_now", "_offset_ms", "corrections")

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        """`now`: seconds since the epoch."""
        self._now = now
        self._offset_ms: float | None = None
        self._check_at = 0
        self.corrections = 0
        """Times that it was set right by a little."""

    def stamp(self, dts: int, age_ms: float = 0.0) -> int:
        """Milliseconds since the epoch of a frame that arrives now with `dts`, and was sent
        `age_ms` ago; 0: nobody says."""
        if self._offset_ms is None:
            self.start(dts, self._now() * 1000 - age_ms)
        elif dts >= self._check_at:
            tolerance_ms = MAX_TOLD_ERROR_MS if age_ms else MAX_ERROR_MS
            self.correct(dts, self._now() * 1000 - age_ms, tolerance_ms)
        return self.utc_ms(dts)

    def start(self, dts: int, now_ms: float) -> None:
        """The frame with `dts` sets the clock."""
        self._offset_ms = now_ms - dts / TICKS_PER_MS
        self._check_at = dts + _CHECK_TICKS

    def reset(self) -> None:
        """The next frame sets the clock: it comes after a discontinuity."""
        self._offset_ms = None

    def correct(self, dts: int, now_ms: float, tolerance_ms: float = MAX_ERROR_MS) -> None:
        """Slew towards the wall clock for the media since the last correction, up to `dts`."""
        assert self._offset_ms is not None
        error = now_ms - self.utc_ms(dts)
        if abs(error) > tolerance_ms:
            elapsed_ms = (dts - self._check_at + _CHECK_TICKS) / TICKS_PER_MS
            step = max(elapsed_ms, 0.0) * SLEW
            self._offset_ms += step if error > 0 else -step
            self.corrections += 1
        self._check_at = dts + _CHECK_TICKS

    def utc_ms(self, dts: int) -> int:
        """Milliseconds since the epoch at `dts`; there was a frame before."""
        assert self._offset_ms is not None
        return round(self._offset_ms + dts / TICKS_PER_MS)
