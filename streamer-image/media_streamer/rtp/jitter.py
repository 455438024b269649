"""Put packets back into order: a bound in packets and in time, after which a hole is a loss.

RFC 3550 A.1 for what counts as a restart of the sender.
"""

import time
from collections.abc import Callable

from media_streamer.rtp.packet import Packet, distance

MAX_WAITING_PACKETS = 512
MAX_DISORDER = 3000
"""A larger step is a restart of the sender (MAX_DROPOUT of RFC 3550 A.1)."""
WAIT_SECONDS = 0.2
"""For a packet that is missing, while later ones are there."""


class JitterBuffer:
    """Packets of one SSRC in the order of their numbers."""

    def __init__(
        self,
        wait_seconds: float = WAIT_SECONDS,
        *,
        max_packets: int = MAX_WAITING_PACKETS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wait = wait_seconds
        self._max = max_packets
        self._now = now
        self._waiting: dict[int, Packet] = {}
        self._next: int | None = None
        self._since = 0.0
        """When the first packet behind the hole came."""
        self.lost = 0
        self.reordered = 0
        self.duplicates = 0
        self.restarts = 0

    def push(self, packet: Packet) -> list[Packet]:
        """Take a packet; returns those that are in order now."""
        if self._next is None:
            self._next = packet.sequence
        step = distance(packet.sequence, self._next)
        if step == 0 and not self._waiting:
            self._next = (packet.sequence + 1) & 0xFFFF
            return [packet]
        if abs(step) > MAX_DISORDER:
            return self._restart(packet)
        if step < 0 or packet.sequence in self._waiting:
            self.duplicates += 1  # or it came after it was given up
            return self.poll()
        if self._waiting and step < max(distance(n, self._next) for n in self._waiting):
            self.reordered += 1
        if not self._waiting:
            self._since = self._now()
        self._waiting[packet.sequence] = packet
        return self.poll()

    def poll(self) -> list[Packet]:
        """Packets that are in order, or behind a hole that has been waited for long enough."""
        ready = self._take_run()
        while self._waiting and self._overdue():
            assert self._next is not None
            following = min(self._waiting, key=lambda n: distance(n, self._next or 0))
            self.lost += distance(following, self._next)
            self._next = following
            ready += self._take_run()
        return ready

    def missing(self) -> list[int]:
        """Numbers of the packets that are waited for, oldest first: what a NACK asks for."""
        if self._next is None or not self._waiting:
            return []
        last = max(distance(n, self._next) for n in self._waiting)
        numbers = ((self._next + step) & 0xFFFF for step in range(last))
        return [number for number in numbers if number not in self._waiting]

    def _overdue(self) -> bool:
        return len(self._waiting) >= self._max or self._now() - self._since >= self._wait

    def _take_run(self) -> list[Packet]:
        run: list[Packet] = []
        while self._next is not None and (packet := self._waiting.pop(self._next, None)):
            run.append(packet)
            self._next = (self._next + 1) & 0xFFFF
        if run and self._waiting:
            self._since = self._now()
        return run

    def _restart(self, packet: Packet) -> list[Packet]:
        """The sender counts anew: what waits is let go, in order."""
        start = self._next or 0
        rest = [self._waiting[n] for n in sorted(self._waiting, key=lambda n: distance(n, start))]
        self._waiting.clear()
        self.restarts += 1
        self._next = (packet.sequence + 1) & 0xFFFF
        return [*rest, packet]
