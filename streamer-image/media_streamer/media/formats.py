"""The formats of a stream, one row each: how it is built from frames.

A format is added by a row here and a module that builds it; nothing else knows their names. What
builds a format takes entries (a frame and its bytes in the container that the row names) and gives
events; it belongs to the event loop and never waits.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from media_streamer.media.frame import Frame, Track
from media_streamer.media.frames_format import FramesFormat
from media_streamer.media.gop import Entry
from media_streamer.media.mux.flv import FlvMuxer
from media_streamer.media.mux.flv_tracks import FlvTracksMuxer
from media_streamer.media.mux.mse import MseMuxer
from media_streamer.media.mux.relay import RelayMuxer
from media_streamer.media.mux.rtp import RtpMuxer
from media_streamer.media.mux.ts import TsMuxer
from media_streamer.media.mux.webrtc import WebRtcMuxer
from media_streamer.media.segments import Fmp4Segments
from media_streamer.media.settings import OutputSettings
from media_streamer.media.subscribers import ChunkHub
from media_streamer.media.ts_segments import TsSegments
from media_streamer.wire.media import Event


class UnknownFormat(ValueError):  # noqa: N818 - the answer to a question
    """There is no format of that name."""


class Muxer(Protocol):
    """A container that is written frame by frame, without segments."""

    header: bytes
    """What each viewer gets first."""
    left_out: list[Track]
    """Tracks that the container cannot carry."""
    reasons: dict[int, str]
    """Why, by the number of the track; none where the codec says it."""

    def mux(self, frame: Frame, boundary: bool) -> bytes:
        """Bytes of a frame; b"" for a track that is left out."""

    def discontinuity(self) -> None:
        """The clock may jump with the next frame."""


class Format(Protocol):
    """One format of a stream: takes entries, gives events, keeps what a new sink needs."""

    def set_tracks(self, tracks: Sequence[Track], header: bytes, audio_only: bool) -> None:
        """What follows belongs to these tracks; called once before all else.

        `tracks` are those that the container carries, `header` is the muxer's; `audio_only`: the
        stream has no video, whether carried or not.
        """

    def push(self, entries: Sequence[Entry]) -> None: ...

    def gap(self) -> None:
        """What comes next does not continue what came before."""

    def take(self) -> Sequence[Event]:
        """Events since the last call."""

    def replay(self) -> Sequence[Event]:
        """State so far, as a new sink needs it, right after `take`."""

    def reconfigure(self, settings: OutputSettings) -> None:
        """Use other settings from the next occasion on, without a break."""

    def close(self) -> None:
        """Stop and remove files."""


LIVE_SECONDS = 0.04
"""For who watches as it happens: a frame of 25 a second."""
PATIENT_SECONDS = 0.32
"""For what nobody waits for: whole segments, a stream that is not watched."""


@dataclass(frozen=True, slots=True)
class FormatSpec:
    """A row of the table."""

    make: Callable[[OutputSettings], Format]
    container: str = ""
    """Key of `CONTAINERS`: all formats of a container share one muxer. Empty: the entries have the
    canonical bytes of the frames."""
    history: bool = False
    """Begins with all frames that are kept, so that the first segment is there at once; else with
    the last group of pictures."""
    interval: float = LIVE_SECONDS
    """Seconds for which its events are gathered where a sink says nothing of it."""


CONTAINERS: dict[str, Callable[[Sequence[Track], Any], Muxer]] = {
    "flv": FlvMuxer,
    "flv_tracks": FlvTracksMuxer,
    "m4f": RelayMuxer,
    "mse": MseMuxer,
    "rtp": RtpMuxer,
    "ts": TsMuxer,
    "webrtc": WebRtcMuxer,
}
"""Makes the muxer for some tracks; the second argument is the muxer of before, if there was one."""

FORMATS: dict[str, FormatSpec] = {
    "flv": FormatSpec(ChunkHub, container="flv"),
    "flv_tracks": FormatSpec(ChunkHub, container="flv_tracks"),
    "ts": FormatSpec(ChunkHub, container="ts"),
    "m4f": FormatSpec(ChunkHub, container="m4f"),
    "rtp": FormatSpec(ChunkHub, container="rtp"),
    "mse": FormatSpec(ChunkHub, container="mse"),
    "webrtc": FormatSpec(ChunkHub, container="webrtc"),
    "hls_ts": FormatSpec(TsSegments, container="ts", history=True, interval=PATIENT_SECONDS),
    "hls_fmp4": FormatSpec(Fmp4Segments, history=True),
    "frames": FormatSpec(FramesFormat),
}


def find_format(name: str) -> FormatSpec:
    """The row of a format; raises UnknownFormat."""
    spec = FORMATS.get(name)
    if spec is None:
        raise UnknownFormat(f"unknown format {name!r}")
    return spec
