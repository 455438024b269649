"""Frames on their way from threads into the event loop: in order, in batches, bounded.

Any thread puts in, the event loop takes out; whoever puts in never waits. What nobody takes out is
dropped up to the next key frame, so that a loop that hangs costs memory up to a bound.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

from media_streamer.media.frame import Frame, FrameSink, Track

log = logging.getLogger(__name__)

MAX_BYTES = 32 * 1024 * 1024


class _Tracks(NamedTuple):
    tracks: Sequence[Track]


_GAP = "gap"
_Item = list[Frame] | _Tracks | str


class Inbox:
    """A frame sink for threads; `drain` hands its content on to another one."""

    def __init__(self, stream: str) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._items: list[_Item] = []
        self._run: list[Frame] | None = None
        """The batch at the end of `_items`, if that is one."""
        self._bytes = 0
        self._video = -1
        self._stalled = False
        """Frames are dropped until the next key frame."""
        self._tell: Callable[[], None] | None = None
        self._told = False

    @property
    def held_bytes(self) -> int:
        """Frames that wait to be taken."""
        return self._bytes

    def set_tracks(self, tracks: Sequence[Track]) -> None:
        with self._lock:
            self._video = next((t.number for t in tracks if t.kind == "video"), -1)
            self._items.append(_Tracks(tracks))
            self._run = None

    def push(self, frames: Sequence[Frame]) -> None:
        with self._lock:
            for frame in frames:
                self._add(frame)
            if self._items and self._tell is not None and not self._told:
                self._told = True
                self._tell()

    def tell(self, back: Callable[[], None] | None) -> None:
        """Call `back` in the thread that puts frames in, once until they are taken out; it must not
        wait. None: nobody is told."""
        with self._lock:
            self._tell = back
            self._told = False

    def gap(self) -> None:
        with self._lock:
            self._items.append(_GAP)
            self._run = None

    def drain(self, sink: FrameSink) -> None:
        """Hand everything on, in order."""
        if not self._items:
            return
        with self._lock:
            items, self._items = self._items, []
            self._run = None
            self._bytes = 0
            self._told = False
        for item in items:
            if isinstance(item, list):
                sink.push(item)
            elif isinstance(item, _Tracks):
                sink.set_tracks(item.tracks)
            else:
                sink.gap()

    def _add(self, frame: Frame) -> None:
        if self._stalled:
            if not (self._video < 0 or (frame.key and frame.track == self._video)):
                return
            self._stalled = False
        self._bytes += len(frame.data)
        if self._bytes > MAX_BYTES:
            self._drop()
            return
        if self._run is None:
            self._run = []
            self._items.append(self._run)
        self._run.append(frame)

    def _drop(self) -> None:
        log.error(
            "stream %s: nobody took %d bytes of frames; dropped up to the next key frame",
            self._stream,
            self._bytes,
        )
        kept = [item for item in self._items if isinstance(item, _Tracks)]
        self._items = [*kept[-1:], _GAP]
        self._run = None
        self._bytes = 0
        self._stalled = True
