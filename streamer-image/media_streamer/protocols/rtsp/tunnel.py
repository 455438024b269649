"""RTSP over HTTP: the two connections of a tunnel find each other by their cookie.

Both must come to the same worker. They are two TCP connections, which the kernel may give to two
workers: a second half that finds no first one here is refused, and clients try again.
"""

import time
from collections.abc import Callable
from typing import Generic, TypeVar

MAX_WAITING = 1000
WAIT_SECONDS = 20.0

Half = TypeVar("Half")


class Tunnels(Generic[Half]):
    """First halves that wait for their second."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._waiting: dict[str, tuple[float, Half]] = {}

    def offer(self, cookie: str, half: Half) -> bool:
        """A first half waits; False if too many do."""
        now = self._now()
        for old in [c for c, (at, _) in self._waiting.items() if now - at > WAIT_SECONDS]:
            del self._waiting[old]
        if len(self._waiting) >= MAX_WAITING or cookie in self._waiting:
            return False
        self._waiting[cookie] = now, half
        return True

    def take(self, cookie: str, second: Half) -> Half | None:
        """The first half that a second one belongs to."""
        found = self._waiting.pop(cookie, None)
        return found[1] if found is not None and found[1] is not second else None

    def forget(self, half: Half) -> None:
        """It is gone."""
        for cookie in [c for c, (_, waiting) in self._waiting.items() if waiting is half]:
            del self._waiting[cookie]
