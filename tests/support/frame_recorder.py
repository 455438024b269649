"""A frame sink for tests of what frames flow through."""

from collections.abc import Sequence

from media_streamer.media.frame import Frame, Track


class Recorder:
    """A frame sink that notes names of tracks, "gap", and batches as lists of DTS."""

    def __init__(self) -> None:
        self.told: list[str | list[int]] = []
        self.frames: list[Frame] = []

    def set_tracks(self, tracks: Sequence[Track]) -> None:
        self.told.append("".join(track.name for track in tracks))

    def push(self, frames: Sequence[Frame]) -> None:
        self.told.append([frame.dts for frame in frames])
        self.frames += frames

    def gap(self) -> None:
        self.told.append("gap")
