"""When the streams of a worker give their sinks what they have: as seldom as the sinks allow.

It is wake-ups that cost. A stream whose frames come in by the event loop (a publisher's) delivers
in the very wake-up that brought them; one that is fed by a thread, or has stages, is looked at in
turns, at the same moments as all others. How long a stream may gather is `StreamRunner.interval`.
"""

import asyncio
import logging
import math
from collections.abc import Callable
from functools import partial
from typing import Protocol

from media_streamer.rounds import PROMPT_SECONDS, TURN_SECONDS

log = logging.getLogger(__name__)

MAX_PROMPT = 16
"""Streams of threads that are passed on frame by frame while somebody waits for their parts; with
more of them it is cheaper to look at all in turns."""
EARLY_SECONDS = TURN_SECONDS / 2
"""What comes this much before its time is delivered at once: no wake-up for jitter."""


class Deliverer(Protocol):
    """What of a stream is used here."""

    name: str

    @property
    def interval(self) -> float:
        """Seconds that its sinks let it gather."""

    @property
    def is_busy(self) -> bool:
        """Somebody waits for what it has."""

    @property
    def is_polled(self) -> bool:
        """Frames come without a word to the event loop."""

    def flush(self) -> None:
        """Deliver."""

    def tell_of_frames(self, back: Callable[[], None] | None) -> None:
        """Call `back` in the event loop when threads have put frames in; None: it is polled."""


class Deliveries:
    """One per media worker; in the event loop."""

    def __init__(self) -> None:
        self._due: dict[Deliverer, float] = {}
        """Who has something to deliver, or has to be looked at, and when."""
        self._delivered: dict[Deliverer, float] = {}
        self._prompt: set[Deliverer] = set()
        """Those that tell of frames of threads."""
        self._timer: asyncio.TimerHandle | None = None

    def close(self) -> None:
        """Deliver nothing more."""
        self._due.clear()
        for stream in list(self._prompt):
            self._listen(stream, prompt=False)
        self._wind_up()

    def forget(self, stream: Deliverer) -> None:
        """The stream is gone."""
        self._listen(stream, prompt=False)
        self._due.pop(stream, None)
        self._delivered.pop(stream, None)

    def consider(self, stream: Deliverer) -> None:
        """A sink came, went or has another wish; or the stream shows another source."""
        if not stream.is_busy:
            self.forget(stream)
        elif stream.is_polled or stream in self._due:
            due = self._next(stream)
            self._due[stream] = min(due, self._due.get(stream, due))
        self._listen(stream, prompt=_hurries(stream))
        self._wind_up()

    def _listen(self, stream: Deliverer, *, prompt: bool) -> None:
        """Hear of its frames at once, or not any more."""
        if prompt and stream not in self._prompt and len(self._prompt) < MAX_PROMPT:
            self._prompt.add(stream)
            stream.tell_of_frames(partial(self.arrived, stream))
        elif not prompt and stream in self._prompt:
            self._prompt.discard(stream)
            stream.tell_of_frames(None)

    def arrived(self, stream: Deliverer) -> None:
        """Frames came in by the event loop."""
        if not stream.is_busy:
            return
        now = asyncio.get_running_loop().time()
        due = self._delivered.get(stream, 0.0) + stream.interval
        if due - now > EARLY_SECONDS:
            self._due.setdefault(stream, due)
        else:
            self._due.pop(stream, None)
            self._deliver(stream, now)
        self._wind_up()

    def _next(self, stream: Deliverer) -> float:
        now = asyncio.get_running_loop().time()
        interval = max(stream.interval, TURN_SECONDS)
        return (math.floor(now / interval) + 1) * interval

    def _deliver(self, stream: Deliverer, now: float) -> None:
        self._delivered[stream] = now
        try:
            stream.flush()
        except Exception:
            log.exception("%s: delivering failed", stream.name)
        if stream.is_busy and stream.is_polled:
            self._due[stream] = self._next(stream)
            self._listen(stream, prompt=_hurries(stream))  # another one may have gone

    def _turn(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        for stream, due in list(self._due.items()):
            if due - now <= EARLY_SECONDS:
                del self._due[stream]
                if stream.is_busy:
                    self._deliver(stream, now)
        self._wind_up()

    def _wind_up(self) -> None:
        due = min(self._due.values(), default=None)
        if self._timer is not None:
            if due is not None and self._timer.when() <= due:
                return  # it looks again then
            self._timer.cancel()
            self._timer = None
        if due is not None:
            self._timer = asyncio.get_running_loop().call_at(due, self._turn)


def _hurries(stream: Deliverer) -> bool:
    return stream.is_busy and stream.is_polled and stream.interval <= PROMPT_SECONDS
