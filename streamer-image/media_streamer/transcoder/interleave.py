"""Frames of several tracks in one order of time, although encoders give them at different times.

A frame is given on when all tracks have come that far, or when it was held for too long: a track
that stays away never holds the others up for good. Pure.

Invariant: in each track DTS grows; a frame that would go back is moved behind the last one.
"""

from collections import deque
from collections.abc import Iterable, Mapping

from media_streamer.wire.frame import TIME_BASE, Frame

MAX_HOLD = 3 * TIME_BASE
MAX_BYTES = 32 * 1024 * 1024


class Interleaver:
    """Of one output."""

    def __init__(self, tracks: Iterable[int], newest: Mapping[int, int] | None = None) -> None:
        """`tracks`: numbers of those that are waited for; `newest`: what was given before."""
        self._queues: dict[int, deque[Frame]] = {number: deque() for number in tracks}
        self.newest: dict[int, int] = dict(newest or {})
        """DTS of the last frame that was added, by track."""
        self._absent: set[int] = set()
        self.held_bytes = 0

    def absent(self, tracks: Iterable[int]) -> None:
        """Do not wait for these until they have something."""
        self._absent.update(tracks)

    def add(self, frame: Frame) -> None:
        number = frame.track
        last = self.newest.get(number)
        if last is not None and frame.dts <= last:
            frame.dts = last + 1
            frame.pts = max(frame.pts, frame.dts)
        self.newest[number] = frame.dts
        self._absent.discard(number)
        self._queues.setdefault(number, deque()).append(frame)
        self.held_bytes += len(frame.data)

    def take(self) -> list[Frame]:
        """All that can be given on, in order of DTS."""
        taken: list[Frame] = []
        while (frame := self._next()) is not None:
            taken.append(frame)
        return taken

    def flush(self) -> list[Frame]:
        """All that is held: nothing more is waited for."""
        taken: list[Frame] = []
        while (number := self._first()) is not None:
            taken.append(self._pop(number))
        return taken

    def shed(self) -> None:
        """Nobody takes anything yet: keep no more than may be held."""
        while (number := self._first()) is not None:
            newest = max(self.newest.values())
            is_late = newest - self._queues[number][0].dts > MAX_HOLD
            if not is_late and self.held_bytes <= MAX_BYTES:
                return
            self._pop(number)

    def _first(self) -> int | None:
        return min(
            (number for number, queue in self._queues.items() if queue),
            key=lambda number: self._queues[number][0].dts,
            default=None,
        )

    def _next(self) -> Frame | None:
        number = self._first()
        if number is None:
            return None
        dts = self._queues[number][0].dts
        if not self._is_complete(dts):
            newest = max(self.newest.values())
            if newest - dts <= MAX_HOLD and self.held_bytes <= MAX_BYTES:
                return None
            self._absent |= {one for one in self._queues if not self._has_reached(one, dts)}
        return self._pop(number)

    def _is_complete(self, dts: int) -> bool:
        """Whether no track can have something before `dts` any more."""
        return all(one in self._absent or self._has_reached(one, dts) for one in self._queues)

    def _has_reached(self, number: int, dts: int) -> bool:
        return bool(self._queues[number]) or self.newest.get(number, dts - 1) >= dts

    def _pop(self, number: int) -> Frame:
        frame = self._queues[number].popleft()
        self.held_bytes -= len(frame.data)
        return frame
