"""Frames and tracks: the one form in which media travels inside a media worker.

Inputs turn whatever they read into this canonical form once; every muxer takes it from there.
The payload of a frame is what ISO BMFF stores as a sample (ISO/IEC 14496-15): H.264 and HEVC as
NAL units with a 4-byte length prefix, AAC without ADTS headers, AV1 as OBUs without temporal
delimiters, all else as the raw frame.
"""

from dataclasses import dataclass
from typing import Literal

TIME_BASE = 90_000
"""Ticks a second of every time stamp in a frame (the MPEG-TS clock, ISO/IEC 13818-1 2.4.2.1)."""

TrackKind = Literal["video", "audio"]


@dataclass(frozen=True, slots=True)
class Track:
    """One elementary stream and everything that a muxer or a manifest must know of it."""

    number: int
    """Index of the track in its stream, from 0; `Frame.track` refers to it."""
    name: str
    """Name in URLs: `v1`, `v2`, `a1` …"""
    kind: TrackKind
    codec: str
    """FFmpeg's codec name: h264, hevc, av1, mpeg2video, aac, mp3, mp2, ac3, eac3, opus."""
    init: bytes
    """`ftyp` + `moov` of a fragmented MP4 with this track alone: the codec description for all."""
    codec_string: str
    """RFC 6381 string for CODECS attributes, such as `avc1.64001f`."""
    width: int = 0
    height: int = 0
    fps: float = 0.0
    channels: int = 0
    sample_rate: int = 0
    bit_rate: int = 0
    """Bits a second as the source declares it; 0 if it does not."""
    language: str = ""
    profile: str = ""
    level: str = ""
    pix_fmt: str = ""


@dataclass(slots=True)
class Frame:
    """One access unit or audio frame in canonical form.

    `dts`, `pts` and `duration` are in ticks of `TIME_BASE`, on the stream's own monotonic clock:
    the DTS of a track never goes back or repeats.
    """

    track: int
    dts: int
    pts: int
    duration: int
    key: bool
    """A decoder can start here (every audio frame, an IDR or CRA picture)."""
    data: bytes
