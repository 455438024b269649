"""What is said of a disk that stores nothing: a line a minute and cause, however much there is."""

import logging
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

SAY_SECONDS = 60.0


class Complaints:
    """Of one directory."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._said: dict[int | None, float] = {}
        self._unsaid = 0

    def failed(self, stream: str, error: OSError) -> None:
        """A file of a stream was not stored."""
        now = self._now()
        if now - self._said.get(error.errno, -SAY_SECONDS) < SAY_SECONDS:
            self._unsaid += 1
            return
        more = f"; {self._unsaid} more since the last line" if self._unsaid else ""
        self._said[error.errno], self._unsaid = now, 0
        log.error("stream %s: not stored, disk: %s%s", stream, error.strerror, more)
