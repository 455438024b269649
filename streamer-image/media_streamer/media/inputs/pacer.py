"""Real time for sources that could be read faster: files and playlists.

Role: pure arithmetic; the caller sleeps.
"""

LEAD_SECONDS = 0.04
"""Frames are released in small groups this far ahead: a sleep a frame would cost more CPU than the
frame itself."""
PROMPT_LEAD_SECONDS = 0.01
"""The same where somebody waits for each part: players see the groups as lateness."""

LATE_SECONDS = 1.0
"""Later than this (starved playlist, suspended machine) the schedule starts anew instead of racing
to catch up."""

JUMP_SECONDS = 10.0
"""A larger step of the source's clock is a break, not a pause to wait for."""


class Pacer:
    """Maps the source's time to the monotonic clock, both in seconds."""

    __slots__ = ("_anchor", "_furthest", "lead")

    def __init__(self) -> None:
        self.lead = LEAD_SECONDS
        self._anchor: float | None = None
        self._furthest = 0.0

    def delay(self, position: float, now: float) -> float:
        """Seconds to wait before the frame at `position` goes out; 0 or less: at once."""
        anchor = self._anchor
        if anchor is None or abs(position - self._furthest) > JUMP_SECONDS:
            self._anchor = now - position
            self._furthest = position
            return 0.0
        if position > self._furthest:
            self._furthest = position
        due = anchor + position
        if now - due > LATE_SECONDS:
            self._anchor = now - position
            return 0.0
        delay = due - now
        return delay if delay > self.lead else 0.0

    def loop(self, first: float, end: float) -> None:
        """The source goes back from `end` to `first` and its schedule goes on."""
        if self._anchor is not None:
            self._anchor += end - first
        self._furthest = first
