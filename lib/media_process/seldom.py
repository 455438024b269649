"""Log lines that strangers cause as often as they like: one a minute for each cause.

The first of a cause is said at once; the next, a minute later at the earliest, says how many were
left out. Causes may hold what strangers made up: beyond `MAX_CAUSES` in a minute, all others are
one. Any thread may ask.
"""

import threading
import time
from collections.abc import Callable

SAY_SECONDS = 60.0
MAX_CAUSES = 200
_OTHERS = ("others",)


class Seldom:
    """Of one kind of line in one process."""

    def __init__(
        self,
        seconds: float = SAY_SECONDS,
        most: int = MAX_CAUSES,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds, self._most, self._now = seconds, most, now
        self._said: dict[tuple[str, ...], float] = {}
        """When, the oldest first."""
        self._unsaid: dict[tuple[str, ...], int] = {}
        """Lines that were left out since then."""
        self._lock = threading.Lock()

    def tail(self, *cause: str) -> str | None:
        """What is added to a line of this cause; None: it is not said."""
        with self._lock:
            return self._tail(cause, self._now())

    def _tail(self, cause: tuple[str, ...], now: float) -> str | None:
        if cause not in self._said and len(self._said) >= self._most:
            self._forget(now)
            if len(self._said) >= self._most:
                cause = _OTHERS
        said = self._said.get(cause)
        if said is not None and now - said < self._seconds:
            self._unsaid[cause] = self._unsaid.get(cause, 0) + 1
            return None
        unsaid = self._unsaid.pop(cause, 0)
        self._said.pop(cause, None)
        self._said[cause] = now
        return f" ({unsaid} more like it were not logged)" if unsaid else ""

    def _forget(self, now: float) -> None:
        """Those that may be said anew, oldest first: what they left out is never told."""
        for cause, said in list(self._said.items()):
            if now - said < self._seconds:
                break
            del self._said[cause]
            self._unsaid.pop(cause, None)
