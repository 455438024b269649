"""A sink for a reader with a pace of its own: a thread that writes files, or waits for a network.

The event loop puts in and never waits; what the reader does not take is bounded, and a reader that
falls behind loses its place at the stream (it hears so, and may attach again for a fresh state).
"""

import threading
from collections import deque
from collections.abc import Sequence

from media_streamer.wire.media import Chunk, Event, Frames, Header

MAX_BYTES = 32 * 1024 * 1024
_EVENT_BYTES = 512
"""What an event weighs without media."""


class SinkOverflow(Exception):  # noqa: N818 - what happened to a sink
    """The reader does not keep up."""


class QueueSink:
    """Give `take` and `end` to `StreamRunner.attach`; read in a thread."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self.ended = ""
        """Why nothing more comes for now; a pinned sink may get more later."""
        self._max_bytes = max_bytes
        self._events: deque[Event] = deque()
        self._bytes = 0
        self._changed = threading.Condition()

    def take(self, events: Sequence[Event]) -> None:
        """Called by the event loop; raises SinkOverflow, and then all that waits is dropped."""
        size = sum(map(_size, events))
        with self._changed:
            self._bytes += size
            if self._bytes > self._max_bytes:
                waiting = self._bytes
                self._events.clear()
                self._bytes = 0
                raise SinkOverflow(f"{waiting} bytes wait for the reader")
            self.ended = ""
            self._events.extend(events)
            self._changed.notify()

    def end(self, reason: str) -> None:
        """Called by the event loop: nothing more comes."""
        with self._changed:
            self.ended = reason
            self._changed.notify()

    def read(self, timeout_seconds: float) -> list[Event]:
        """All events that wait, in order; none after the time is over or at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._events or self.ended, timeout_seconds)
            events = list(self._events)
            self._events.clear()
            self._bytes = 0
        return events


def _size(event: Event) -> int:
    match event:
        case Chunk():
            return sum(map(len, event.packets)) + _EVENT_BYTES
        case Frames():
            return sum(len(frame.data) for frame in event.frames) + _EVENT_BYTES
        case Header():
            return len(event.data) + _EVENT_BYTES
        case _:
            return _EVENT_BYTES
