"""Measured figures of a stream's frames: bit rates, GOPs, B-frames. Input thread, lock held."""

from dataclasses import dataclass, field
from typing import Any

from media_streamer.media.frame import TIME_BASE, Frame, Track

_WINDOW = 2 * TIME_BASE
"""Bit rates are measured over two seconds of media at least."""

_API_CODECS = {"mpeg2video": "mp2v", "mp2": "mp2a", "pcm_alaw": "pcma", "pcm_mulaw": "pcmu"}
"""Codec words of the API where they are not FFmpeg's."""


@dataclass(slots=True)
class TrackMeter:
    """Figures of one track."""

    frames: int = 0
    bytes: int = 0
    kbps: int = 0
    fps: float = 0.0
    gops: int = 0
    last_gop: int = 0
    gop_sum: int = 0
    bframes: int = 0
    _in_gop: int = 0
    _window_start: int | None = None
    _window_bytes: int = 0
    _window_frames: int = 0
    _max_pts: int = 0
    _reordered: int = 0

    def add(self, frame: Frame) -> None:
        """Count one frame."""
        size, dts = len(frame.data), frame.dts
        self.frames += 1
        self.bytes += size
        start = self._window_start
        if start is None or dts < start:
            self._window_start, self._window_bytes, self._window_frames = dts, 0, 0
        elif dts - start >= _WINDOW:
            self.kbps = round(self._window_bytes * 8 * TIME_BASE / (dts - start) / 1000)
            self.fps = round(self._window_frames * TIME_BASE / (dts - start), 2)
            self._window_start, self._window_bytes, self._window_frames = dts, 0, 0
        self._window_bytes += size
        self._window_frames += 1

    def add_video(self, frame: Frame) -> None:
        """Count one picture."""
        self.add(frame)
        if frame.key:
            if self.gops:
                self.last_gop = self._in_gop
                self.gop_sum += self._in_gop
            self.gops += 1
            self._in_gop = 0
        self._in_gop += 1
        # A picture shown before one that was decoded earlier is a B-frame (or held back like one).
        if frame.pts < self._max_pts and not frame.key:
            self._reordered += 1
            self.bframes = max(self.bframes, self._reordered)
        else:
            self._max_pts = frame.pts
            self._reordered = 0

    @property
    def average_gop(self) -> int:
        """Frames in a GOP on average, 0 before the second key frame."""
        return round(self.gop_sum / (self.gops - 1)) if self.gops > 1 else 0


@dataclass(slots=True)
class OutputStats:
    """A snapshot of a stream's output. Bit rates in kbit/s, `last_dts` in ticks of 90 kHz."""

    bytes_in: int = 0
    frames: int = 0
    gops: int = 0
    last_dts: int | None = None
    bitrate: int = 0
    subscribers: dict[str, int] = field(default_factory=dict)
    """Subscriptions by format; formats that are being built are listed even with none."""
    tracks: list[dict[str, Any]] = field(default_factory=list)
    """One map a track in the words of the API's TrackInfo."""

    @property
    def media_info(self) -> dict[str, Any]:
        """The API's MediaInfo."""
        return {"flow_type": "stream", "tracks": self.tracks}


def track_info(track: Track, meter: TrackMeter) -> dict[str, Any]:
    """A track in the words of the API's TrackInfo; unknown figures are left out."""
    info: dict[str, Any] = {
        "content": track.kind,
        "track_id": track.name,
        "codec": _API_CODECS.get(track.codec, track.codec),
        "bitrate": meter.kbps or round(track.bit_rate / 1000) or None,
        "language": track.language or None,
        "profile": track.profile or None,
        "level": track.level or None,
    }
    if track.kind == "video":
        info |= {
            "width": track.width or None,
            "height": track.height or None,
            "pixel_width": track.width or None,
            "pixel_height": track.height or None,
            "fps": track.fps or meter.fps or None,
            "avg_fps": meter.fps or None,
            "pix_fmt": track.pix_fmt or None,
            "gop_size": meter.last_gop or None,
            "last_gop": meter.last_gop or None,
            "avg_gop": meter.average_gop or None,
            "bframes": meter.bframes,
        }
    else:
        info |= {"channels": track.channels or None, "sample_rate": track.sample_rate or None}
    return {key: value for key, value in info.items() if value is not None}
