"""Waiting until something is true of what changes now and then, with an end."""

import asyncio
from collections.abc import Callable


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
