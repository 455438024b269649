"""What flows through a stream inside a media worker, and into what."""

from collections.abc import Sequence
from typing import Protocol

from media_streamer.wire.frame import LETTERS, TICKS_PER_MS, TIME_BASE, Cut, Frame, Track, TrackKind

__all__ = [
    "LETTERS",
    "TICKS_PER_MS",
    "TIME_BASE",
    "Cut",
    "Frame",
    "FrameSink",
    "Track",
    "TrackKind",
]


class FrameSink(Protocol):
    """What tracks and frames flow into: each part of a stream behind the switch."""

    def set_tracks(self, tracks: Sequence[Track]) -> None:
        """Frames from now on belong to these tracks; also called when nothing has changed."""

    def push(self, frames: Sequence[Frame]) -> None:
        """Some frames in the order of their arrival; their tracks are among `set_tracks`."""

    def gap(self) -> None:
        """What follows is a discontinuity: the source restarted or was switched with a jump."""
