"""Which rendition a receiver is sent. Pure: the clock is given.

Rules: down at once to what the path carries; up by one, on trial, when nothing has told of a limit
for a while, and more rarely each time that the trial fails.
"""

from collections.abc import Sequence

from media_streamer.protocols.webrtc.path import Measure

SETTLE_SECONDS = 3.0
"""After a change: the queue of before drains, and the rate shows."""
PATIENCE_SECONDS = 6.0
MAX_PATIENCE_SECONDS = 120.0
TRIAL_SECONDS = 20.0
"""What goes wrong within this after a step up was the step's fault."""
SHARE = 0.85
"""Of what gets through may be used: a key frame is larger than what comes between."""


class Rungs:
    """Of one receiver."""

    def __init__(self) -> None:
        self._settled_at = 0.0
        self._clear_since: float | None = None
        self._patience: dict[int, float] = {}
        self._tried: dict[int, float] = {}

    def switched(self, now: float) -> None:
        """The receiver is sent another rung from now on."""
        self._settled_at = now + SETTLE_SECONDS
        self._clear_since = None

    def judge(self, now: float, at: int, rates: Sequence[int], other: int, path: Measure) -> int:
        """The rung for who is at rung `at`; the best is 0.

        `rates`: bits a second of the rungs, falling; `other`: of what is sent besides.
        """
        if now < self._settled_at or not (path.is_over or path.is_clear):
            self._clear_since = None
            return at
        if path.is_over:
            self._clear_since = None
            if at + 1 >= len(rates):
                return at
            self._failed(at, now)
            return self._fitting(at + 1, rates, SHARE * path.rate - other)
        if self._clear_since is None:
            self._clear_since = now
        if at and now - self._clear_since >= self._patience.get(at - 1, PATIENCE_SECONDS):
            self._tried[at - 1] = now
            return at - 1
        return at

    def _failed(self, rung: int, now: float) -> None:
        """It was too much."""
        tried = self._tried.pop(rung, None)
        if tried is not None and now - tried < TRIAL_SECONDS:
            longer = 2 * self._patience.get(rung, PATIENCE_SECONDS)
            self._patience[rung] = min(longer, MAX_PATIENCE_SECONDS)
        else:
            self._patience[rung] = PATIENCE_SECONDS

    @staticmethod
    def _fitting(first: int, rates: Sequence[int], room: float) -> int:
        """The best rung from `first` on that there is room for, else the last."""
        fitting = (rung for rung in range(first, len(rates)) if rates[rung] <= room)
        return next(fitting, len(rates) - 1)
