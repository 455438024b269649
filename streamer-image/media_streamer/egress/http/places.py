"""Who may ask at a time: so many requests of an address, the others wait."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator

from media_rest.guessing import caller_key

from media_streamer.egress.access import AccessDenied

WAIT_SECONDS = 30.0
"""Longest wait of a request for its turn."""


class Places:
    """`each` of an address (IPv6: a /64). Who waits comes before who comes."""

    def __init__(self, each: int) -> None:
        self._each = each
        self._taken: dict[str, int] = {}
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    def __len__(self) -> int:
        """Addresses that ask or wait."""
        return len(self._taken.keys() | self._waiting.keys())

    def take(self, ip: str) -> bool:
        """Take a place, if one is free; `give` it back."""
        who = caller_key(ip)
        taken = self._taken.get(who, 0)
        waiting = self._waiting.get(who, ())
        # Who has given up and has not gone yet is woken by nobody, and keeps nobody waiting.
        if taken >= self._each or not all(waiter.done() for waiter in waiting):
            return False
        self._taken[who] = taken + 1
        return True

    def give(self, ip: str) -> None:
        who = caller_key(ip)
        for waiter in self._waiting.get(who, ()):
            if not waiter.done():
                waiter.set_result(None)  # it is the waiter's from now on
                return
        self._taken[who] -= 1
        if not self._taken[who]:
            del self._taken[who]

    @contextlib.asynccontextmanager
    async def one(self, ip: str) -> AsyncIterator[None]:
        """Raises AccessDenied(503) if none becomes free."""
        if not self.take(ip):
            await self._wait(ip)
        try:
            yield
        finally:
            self.give(ip)

    async def _wait(self, ip: str) -> None:
        who = caller_key(ip)
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiters = self._waiting.setdefault(who, deque())
        waiters.append(waiter)
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await waiter
        except BaseException as error:
            if waiter.done() and not waiter.cancelled():
                self.give(ip)  # it came too late
            if not isinstance(error, TimeoutError):
                raise
            title = "Your address asks too much at a time; try again"
            raise AccessDenied(503, "busy", title) from None
        finally:
            waiters.remove(waiter)
            if not waiters:
                del self._waiting[who]
