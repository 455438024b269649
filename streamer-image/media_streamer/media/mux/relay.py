"""Frames for another of our servers: see `media_streamer.wire.relay`."""

from collections.abc import Sequence

from media_streamer.media.frame import Frame, Track
from media_streamer.wire.relay import frame_record, tracks_record


class RelayMuxer:
    """Carries every track."""

    def __init__(self, tracks: Sequence[Track], before: "RelayMuxer | None" = None) -> None:
        self.reasons: dict[int, str] = {}
        self.left_out: list[Track] = []
        self.header = tracks_record(tracks)

    def mux(self, frame: Frame, boundary: bool) -> bytes:
        return frame_record(frame)

    def discontinuity(self) -> None:
        """Times are as they are: who reads them puts them on a clock of its own."""
