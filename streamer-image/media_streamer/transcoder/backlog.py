"""Frames that wait for the decoder: bounded, and counted by the time that they last.

Invariant: whoever puts in never waits. What waits for longer than `MAX_TICKS` is left out up to the
newest key frame, for a live stream must stay live.
"""

import threading
from collections import deque

from media_streamer.wire.frame import TIME_BASE, Frame

MAX_TICKS = 4 * TIME_BASE
MAX_BYTES = 48 * 1024 * 1024


class Backlog:
    """Of one track, between the thread of the channel and the one that decodes."""

    def __init__(self, *, whole: bool = False) -> None:
        """`whole`: every frame stands for itself (audio)."""
        self._frames: deque[Frame] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._whole = whole
        self._bytes = 0
        self._skipping = False
        self._jumped = False
        self.dropped = 0

    def put(self, frame: Frame) -> None:
        with self._changed:
            if self._skipping and not (frame.key or self._whole):
                self.dropped += 1
                return
            self._skipping = False
            self._frames.append(frame)
            self._bytes += len(frame.data)
            if self.lag > MAX_TICKS or self._bytes > MAX_BYTES:
                self._drop()
            self._changed.notify()

    def take(self) -> tuple[Frame, bool] | None:
        """The next frame, and whether frames before it were left out; waits for it. None: closed
        and empty."""
        with self._changed:
            while not self._frames:
                if self._closed:
                    return None
                self._changed.wait(1.0)
            frame = self._frames.popleft()
            self._bytes -= len(frame.data)
            jumped, self._jumped = self._jumped, False
            return frame, jumped

    def close(self) -> None:
        """Nothing more is put in; what is there is still taken."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def abandon(self) -> None:
        """`close`, and what is there is not wanted either."""
        with self._changed:
            self._frames.clear()
            self._bytes = 0
            self._closed = True
            self._changed.notify()

    @property
    def lag(self) -> int:
        """Ticks between the oldest and the newest frame that wait."""
        frames = self._frames
        return frames[-1].dts - frames[0].dts if len(frames) > 1 else 0

    def _drop(self) -> None:
        """Leave out what is before the newest key frame, or everything up to the next one."""
        frames = self._frames
        newest = next((i for i in range(len(frames) - 1, 0, -1) if frames[i].key), 0)
        count = newest or len(frames)
        for _ in range(count):
            self._bytes -= len(frames.popleft().data)
        self.dropped += count
        self._skipping = not newest
        self._jumped = True
