"""What a stream's configuration says about its output."""

from dataclasses import dataclass
from pathlib import Path

from media_streamer.media.frame import TICKS_PER_MS


@dataclass(frozen=True)
class OutputSettings:
    """Times in ms."""

    name: str
    """The stream's."""
    directory: Path
    """Where segment files live; the stream gets a sub-directory of its own."""
    segment_duration_ms: int = 5000
    segment_count: int = 4
    """Segments in a playlist."""
    chunk_duration_ms: int = 200
    """Longest part of a segment (LL-HLS)."""
    thumbnails: bool = True
    history_segments: int = 1
    """How many segments of frames to keep, so that a first viewer of segments finds so many."""

    lasting: bool = False
    """The stream always runs, whether anybody watches or not."""

    @property
    def history_ticks(self) -> int:
        """The history in ticks of 90 kHz."""
        return self.history_segments * self.segment_duration_ms * TICKS_PER_MS
