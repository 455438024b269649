"""The collector of cyclic garbage, so that it stops a busy server seldom and for a short time.

A full pass looks at every object there is, and nothing else runs meanwhile: 0.2 to 1 s in a worker
with thousands of connections, and CPython begins one whenever a quarter more has survived, which is
every few seconds while clients come and go. So what the program itself is made of is looked at no
more, and after a full pass none begins for 60 s, or for 500 times what the last one took: never
more than 0.2 % of the time. What is in no cycle is freed at once as ever, and passes over what is
young go on.
"""

import gc
import time
from collections.abc import Callable

LEAST_PAUSE_SECONDS = 60.0
PAUSE_FACTOR = 500
"""Between two full passes there are so many times what the first one took."""
NEVER = 1_000_000
"""So many passes over the middle generation that no full one begins."""


class Collector:
    """Paces the full passes of this process; one a process, as a callback of `gc`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._young, self._middle, self._full = gc.get_threshold()
        self._began = clock()
        self.due = self._began + LEAST_PAUSE_SECONDS

    def hold(self) -> None:
        """No full pass by itself from now on."""
        gc.set_threshold(self._young, self._middle, NEVER)

    def __call__(self, phase: str, info: dict[str, int]) -> None:
        now = self._clock()
        if info["generation"] == 2:
            if phase == "start":
                self._began = now
                return
            self.due = now + max(LEAST_PAUSE_SECONDS, PAUSE_FACTOR * (now - self._began))
            self.hold()
        elif phase == "stop" and info["generation"] == 1 and now >= self.due:
            gc.set_threshold(self._young, self._middle, self._full)


def hold_off() -> None:
    """The program begins: until it has, no pass. Nothing of what it imports becomes garbage, and to
    look for that takes a quarter of the time of a start."""
    gc.disable()


def settle() -> None:
    """The program has begun: what it consists of stays. To be called once."""
    gc.freeze()
    gc.enable()
    collector = Collector()
    collector.hold()
    gc.callbacks.append(collector)


def keep() -> None:
    """What the program has loaded since, and will have for long, is looked at no more, either. What
    of it is let go is freed as ever, as long as it is in no cycle. Nothing before `settle`."""
    if gc.get_freeze_count():
        gc.freeze()
