"""What all HTTP/2 connections of one address may cost together.

An exchange beyond the first of its connection counts as a connection of its address, for it costs
what one by HTTP/1.1 does. Frames that only make work are bounded by connection, and by address in
all: whoever is over waits to be read, as does who shares the address.
"""

import asyncio
from dataclasses import dataclass

from media_process.door import Doorkeeper, is_loopback
from media_rest.guessing import caller_key

from media_streamer.budgets import HTTP2_ADDRESS_FRAMES_PER_SECOND
from media_streamer.egress.allowance import Allowance


@dataclass(slots=True)
class _Frames:
    allowance: Allowance
    connections: int = 0


class Crowd:
    """Of one worker."""

    def __init__(self, door: Doorkeeper) -> None:
        self._door = door
        self._frames: dict[str, _Frames] = {}
        """By address (IPv6: a /64), while it has connections."""

    def join(self, address: str) -> "Share":
        """A connection has begun; it leaves by `Share.leave`."""
        if is_loopback(address) or self._door.exempt(address):
            return Share(self, address, None)
        now = asyncio.get_running_loop().time()
        key, rate = caller_key(address), HTTP2_ADDRESS_FRAMES_PER_SECOND
        frames = self._frames.setdefault(key, _Frames(Allowance(rate, rate, now)))
        frames.connections += 1
        return Share(self, address, frames.allowance)

    def _leave(self, address: str) -> None:
        key = caller_key(address)
        frames = self._frames[key]
        frames.connections -= 1
        if not frames.connections:
            del self._frames[key]


class Share:
    """Of one connection; made by `Crowd.join`."""

    __slots__ = ("_address", "_charged", "_crowd", "_frames")

    def __init__(self, crowd: Crowd, address: str, frames: Allowance | None) -> None:
        self._crowd, self._address, self._frames = crowd, address, frames
        self._charged = 0

    def count(self) -> None:
        """A frame that only makes work."""
        if self._frames is not None:
            self._frames.spend(1)

    def wait(self, now: float) -> float:
        """Seconds until more is read, 0 while the address has not sent too much."""
        if self._frames is None or self._frames.left(now) >= 1:
            return 0.0
        # Not for the next frame: five thousand connections that wait would wake up for each.
        return self._frames.wait(HTTP2_ADDRESS_FRAMES_PER_SECOND // 2)

    def begin(self, running: int) -> bool:
        """One more exchange beside so many; False: the address has too many."""
        if running:
            if not self._crowd._door.enter(self._address):
                return False
            self._charged += 1
        return True

    def ended(self, running: int) -> None:
        """So many exchanges are left."""
        while self._charged > max(0, running - 1):
            self._charged -= 1
            self._crowd._door.leave(self._address)

    def leave(self) -> None:
        """The connection is closed."""
        self.ended(0)
        if self._frames is not None:
            self._frames = None
            self._crowd._leave(self._address)
