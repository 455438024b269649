"""Frames and tracks: the one form in which media travels, within a process and between processes.

Inputs turn whatever they read into this canonical form once; every muxer takes it from there.
The payload of a frame is what ISO BMFF stores as a sample (ISO/IEC 14496-15): H.264 and HEVC as
NAL units with a 4-byte length prefix, AAC without ADTS headers, AV1 as OBUs without temporal
delimiters, all else as the raw frame.
"""

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

import msgspec

TIME_BASE = 90_000
"""Ticks a second of every time stamp in a frame (the MPEG-TS clock, ISO/IEC 13818-1 2.4.2.1)."""
TICKS_PER_MS = TIME_BASE // 1000

TrackKind = Literal["video", "audio", "subtitles", "data"]

LETTERS: dict[TrackKind, str] = {"video": "v", "audio": "a", "subtitles": "t", "data": "d"}
"""First letter of a track's name."""


class Track(msgspec.Struct, frozen=True, array_like=True):
    """One elementary stream and everything that a muxer or a manifest must know of it."""

    number: int
    """Index of the track in its stream, from 0; `Frame.track` refers to it."""
    name: str
    """Name in URLs: a letter of `LETTERS` and a count from 1: `v1`, `v2`, `a1`, `t1` …"""
    kind: TrackKind
    codec: str
    """FFmpeg's codec name: h264, hevc, av1, vp8, vp9, mpeg2video, aac, mp3, mp2, ac3, eac3,
    opus, pcm_alaw, pcm_mulaw (G.711)."""
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
    """ISO 639-2 as the source says it; empty if it does not."""
    profile: str = ""
    level: str = ""
    pix_fmt: str = ""
    group: str = ""
    """Rendition group: tracks of one group show the same at different rates, with key frames at
    the same time stamps, and a player takes one of them. Empty: the track stands for itself."""
    rank: int = 0
    """Place in its group, 0 for the best rendition."""


_Count = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
_Ticks = Annotated[int, msgspec.Meta(ge=-(2**60), lt=2**60)]


class Cut(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A segment of a stream, as whoever counts them numbers it.

    It travels with the frames from server to server, so that all copies of a stream are cut where
    the stream itself is, under the same numbers.
    """

    msn: _Count
    """Media sequence number."""
    discontinuities: _Count
    """How many there were up to its start."""
    period_utc_ms: _Count
    """Wall clock at the start of what goes on without a discontinuity."""
    period_time: _Ticks
    """The same on the stream's clock: a PTS in ticks."""
    begin: _Ticks
    """DTS of its first frame."""
    target_ms: _Count
    """How long segments are to be at least."""

    def continues(self, before: "Cut") -> bool:
        """Whether no discontinuity lies between the two."""
        mine = self.discontinuities, self.period_utc_ms, self.period_time
        return mine == (before.discontinuities, before.period_utc_ms, before.period_time)


class Frame(msgspec.Struct, array_like=True, gc=False):
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
    utc_ms: int = 0
    """Wall clock at `dts`, in ms since the epoch. The switch sets it; a stage keeps it, or leaves
    0 for what follows from the stream's clock."""
    cut: Cut | None = None
    """Where a segment may begin, the one that it is in; None for all other frames."""


class Run(NamedTuple):
    """Frames of one track in the order of decoding."""

    dts: Sequence[int]
    pts: Sequence[int]
    keys: Sequence[bool]
    sizes: Sequence[int]
    data: memoryview
    """All of their bytes in canonical form, one after another. It may be written to, and is."""
