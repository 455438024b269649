"""Datagrams to one viewer, a burst spread over time: what a broadcast writes to for a viewer who
has no connection that would do that.

A viewer begins with a whole group of pictures, often a megabyte. A receiver's buffer holds 200 KiB
and its program is busy starting: what is sent at once is lost. So a burst leaves in steps, a large
one in larger steps, within `START_SECONDS`. What is live fits the first step, unless who sends has
steps of its own.

Invariants: order is kept; what waits is counted in `get_write_buffer_size`, by which a broadcast
bounds it as of any other viewer.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

STEP_SECONDS = 0.01
STEP_BYTES = 48 * 1024
"""In one step: 39 Mb/s."""
START_SECONDS = 0.25
"""Within which a burst that is larger than that allows leaves."""

Datagram = TypeVar("Datagram")


Cut = list[tuple[int, Datagram]]
"""Datagrams, each with its size."""


class LastCut(Generic[Datagram]):
    """All who are sent a broadcast are written the very same bytes, one after the other: they are
    cut once for all."""

    def __init__(self, cut: Callable[[bytes], Cut[Datagram]]) -> None:
        self._cut = cut
        self._data = b""
        self._last: Cut[Datagram] = []

    def of(self, data: bytes) -> Cut[Datagram]:
        """Must not be changed: it is everybody's."""
        if data is not self._data:
            self._data, self._last = data, self._cut(data)
        return self._last


class PacedSender(ABC, Generic[Datagram]):
    """The part of a transport that a broadcast uses."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, Datagram]] = deque()
        self._bytes = 0
        self._step = STEP_BYTES
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Put what a broadcast sends into datagrams, and those into `queue`; then `pump`."""

    @abstractmethod
    def send(self, datagrams: list[Datagram]) -> int:
        """Send them in order; how many there was room for. Must not wait."""

    @property
    def step_bytes(self) -> int:
        """What may leave in this step, of what waits."""
        return self._step

    def queue(self, datagrams: Sequence[tuple[int, Datagram]]) -> None:
        """Let them wait for their turn, each with its size."""
        if not self._closed:
            self._waiting.extend(datagrams)
            self._bytes += sum(size for size, _ in datagrams)

    def pump(self) -> None:
        """Send what may go now."""
        if self._timer is None and not self._closed:
            self._step = STEP_BYTES
            self._flush()
        self._step = max(self._step, round(self._bytes * STEP_SECONDS / START_SECONDS))

    def get_write_buffer_size(self) -> int:
        """Bytes that wait for their turn."""
        return self._bytes

    def is_closing(self) -> bool:
        return self._closed

    def close(self) -> None:
        """Send nothing more; may be called again."""
        self._closed = True
        self._waiting.clear()
        self._bytes = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def abort(self) -> None:
        """The viewer is given up."""
        self.close()

    def _flush(self) -> None:
        self._timer = None
        left, waiting = self.step_bytes, self._waiting
        step: list[tuple[int, Datagram]] = []
        while waiting and left > 0:
            step.append(waiting.popleft())
            left -= step[-1][0]
        if step:
            sent = self.send([datagram for _, datagram in step])
            if self._closed:
                return
            waiting.extendleft(reversed(step[sent:]))
            self._bytes -= sum(size for size, _ in step[:sent])
        if self._waiting:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(STEP_SECONDS, self._flush)
