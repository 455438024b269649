"""Waiting until something is true of what changes now and then, with an end."""

import asyncio
import logging
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

log = logging.getLogger(__name__)


class Waiters:
    """Those who wait for a change of one thing; one call wakes them all."""

    def __init__(self) -> None:
        self._waiters: set[asyncio.Future[None]] = set()

    async def wait(self, condition: Callable[[], bool], timeout_seconds: float) -> bool:
        """Until `condition()` is true, at most so long; returns what it is then."""
        if condition():
            return True
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_seconds
        while True:
            waiter = loop.create_future()
            self._waiters.add(waiter)
            handle = loop.call_at(deadline, _release, waiter)
            try:
                await waiter
            finally:
                handle.cancel()
                self._waiters.discard(waiter)
            if condition():
                return True
            if loop.time() >= deadline:
                return False

    def wake(self) -> None:
        """Something has changed."""
        for waiter in self._waiters:
            _release(waiter)


def _release(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


CallBack = Callable[[bool], None]
"""Told whether it has come; False: not in time."""


@dataclass(slots=True)
class _Group:
    condition: Callable[[], bool]
    timer: asyncio.TimerHandle
    waiting: dict[CallBack, None] = field(default_factory=dict)


class Arrivals:
    """Those who are called once something has come. Hundreds wait for the same part: whether that
    is there is looked at once for all of them, and none has a future or a timer of its own."""

    def __init__(self) -> None:
        self._groups: dict[Hashable, _Group] = {}

    def __len__(self) -> int:
        return len(self._groups)

    def call(
        self, key: Hashable, condition: Callable[[], bool], seconds: float, back: CallBack
    ) -> Callable[[], None]:
        """Call `back` once, in a later turn: when `condition()` is true, or `seconds` after the
        first one asked for `key`, which says what is waited for. What is returned takes it back."""
        group = self._groups.get(key)
        if group is None:
            timer = asyncio.get_running_loop().call_later(seconds, self._end, key, False)
            group = self._groups[key] = _Group(condition, timer)
        group.waiting[back] = None

        def forget() -> None:
            group.waiting.pop(back, None)
            if not group.waiting and self._groups.get(key) is group:
                self._end(key, False)

        return forget

    def look(self) -> None:
        """Something has changed."""
        for key in [key for key, group in self._groups.items() if group.condition()]:
            self._end(key, True)

    def _end(self, key: Hashable, has_come: bool) -> None:
        group = self._groups.pop(key)
        group.timer.cancel()
        # Of all of them one turn: a turn each costs as much as what some of them do in it.
        asyncio.get_running_loop().call_soon(_tell, group, has_come)


def _tell(group: _Group, has_come: bool) -> None:
    """Those that were not taken back meanwhile, in the order in which they came."""
    waiting = group.waiting
    for back in list(waiting):
        if back not in waiting:
            continue
        del waiting[back]
        try:
            back(has_come)
        except Exception:
            log.exception("one of those who waited failed")
