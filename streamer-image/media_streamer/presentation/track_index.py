"""One track as players see it: initialisation sections, segments, the parts of the one under way.

Pure. Media sequence numbers never go back and never leave a hole (RFC 8216, 6.2.1).
"""

import math
import zlib
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from media_streamer.archive.container import ArchivedTrack
from media_streamer.wire.media import InitSection

NAMED_BY_SECOND_MS = 1500
"""Segments shorter than this may start in one second: the clock of a stream is slewed to the wall
clock, so segments of a second may start a little closer than that."""


EMPTY_BYTES = 24
"""Size of a segment of fragmented MP4 that holds nothing (a `styp` box)."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Durations that a stream is configured with, in seconds."""

    segment: float = 5.0
    part: float = 0.2


@dataclass(frozen=True, slots=True)
class Init:
    """An initialisation section; `path` is empty for MPEG-TS. `bandwidth` is in bits a second."""

    number: int
    path: str = ""
    codecs: str = ""
    width: int = 0
    height: int = 0
    fps: float = 0.0
    bandwidth: int = 0
    channels: int = 0
    sample_rate: int = 0
    language: str = ""
    kind: str = ""
    """`video`, `audio`, `subtitles`, `data`, or `multiplex` of several."""
    group: str = ""
    """Rendition group: tracks of one group show the same at different rates. Empty: none."""
    rank: int = 0
    """Place in the group, 0 for the best."""
    timescale: int = 0
    """Ticks a second of `Segment.time`."""

    @property
    def name(self) -> str:
        """Name in URLs. It follows from the end of the file's name, which follows from what is in
        it: so all egress workers agree, and all servers that have the stream."""
        return f"{zlib.crc32(self.path.rpartition('-')[2].encode()):08x}"


def init_of(track: InitSection | ArchivedTrack, number: int = 0, path: str = "") -> Init:
    """What live or a file of an archive says of a track."""
    return Init(
        number=number,
        path=path,
        codecs=track.codecs,
        width=track.width,
        height=track.height,
        fps=track.fps,
        bandwidth=track.bandwidth,
        channels=track.channels,
        sample_rate=track.sample_rate,
        language=track.language,
        kind=track.kind,
        group=track.group,
        rank=track.rank,
        timescale=track.timescale,
    )


@dataclass(frozen=True, slots=True)
class Part:
    """A partial segment: a byte range of the segment's file. `duration` in seconds."""

    msn: int
    index: int
    """Place in its segment, from 0."""
    seq: int
    """Number in its track, over all segments: also that of the part to come is known."""
    duration: float
    independent: bool
    path: str
    offset: int
    size: int
    init: int | None = None
    discontinuity: bool | None = None
    discontinuities: int | None = None


@dataclass(frozen=True, slots=True)
class Period:
    """What is presented without a discontinuity: where its first picture lies.

    All egress workers know it alike, also those that came when that picture was long gone.
    """

    utc_ms: int
    """Wall clock in ms since the epoch; it names the period, for no two begin at once."""
    time: int
    """PTS in ticks of 90 kHz."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A finished segment: `size` bytes of a file from `offset` on.

    `duration` in seconds, `start_utc_ms` in ms since the epoch.
    """

    msn: int
    start_utc_ms: int
    duration: float
    path: str
    size: int
    discontinuity: bool
    init: int
    bandwidth: int
    parts: tuple[Part, ...] = ()
    discontinuities: int | None = None
    """Discontinuities of the stream up to this segment's start, if the media worker counts them:
    then workers that subscribed at different times agree on EXT-X-DISCONTINUITY-SEQUENCE."""
    offset: int = 0
    time: int = 0
    """Decode time of the first sample in ticks of `Init.timescale`."""
    period: Period | None = None
    """None where it is not known: of MPEG-TS, and of what a media worker left half-done."""
    independent: bool = True
    """It begins with a key frame."""
    late_ms: int = 0
    """How long after its moment it has come here, where that is much."""

    @property
    def is_empty(self) -> bool:
        """The track had no frames while the others went on."""
        return self.size <= EMPTY_BYTES

    @property
    def name(self) -> str:
        """`YYYY/MM/DD/hh/mm/ss-DDDDD`: start in UTC and duration in ms.

        Several short segments may start in one second: these have the milliseconds of their start
        behind. The name follows from the segment alone, so that all egress workers agree on it.
        """
        seconds, ms = divmod(self.start_utc_ms, 1000)
        start = datetime.fromtimestamp(seconds, UTC)
        duration = round(self.duration * 1000)
        short = f"-{ms:03d}" if duration < NAMED_BY_SECOND_MS else ""
        return f"{start:%Y/%m/%d/%H/%M/%S}-{duration:05d}{short}"


@dataclass
class TrackIndex:
    """What may be listed of one track of one container, oldest first.

    An archive or a file fills `inits` and `segments` and leaves the rest; `LiveTrack` follows a
    media worker.
    """

    name: str
    inits: dict[int, Init] = field(default_factory=dict)
    segments: deque[Segment] = field(default_factory=deque)
    parts: list[Part] = field(default_factory=list)
    """Parts of the segment under way, whose number is `next_msn`."""
    longest_segment: float = 0.0
    longest_part: float = 0.0
    target: float = 0.0
    """How long segments are to be at least, in seconds, as who cuts them says: of a copy it is the
    server that it is taken from. 0: nobody said it."""
    captions: bool | None = None
    """Whether there were closed captions in its pictures so far; None: not known."""
    complete: bool = False
    """Nothing more will come."""
    dated: bool = True
    """Its segments were presented at `Segment.start_utc_ms`; those of a film only count from it."""

    @property
    def next_msn(self) -> int:
        """Number of the segment under way, or of the first one."""
        if self.parts:
            return self.parts[0].msn
        return self.segments[-1].msn + 1 if self.segments else 0

    @property
    def next_part(self) -> int:
        """`Part.seq` of the part to come; 0 if there was none yet."""
        if self.parts:
            return self.parts[-1].seq + 1
        newest = next((s.parts[-1] for s in reversed(self.segments) if s.parts), None)
        return newest.seq + 1 if newest is not None else 0

    @property
    def last(self) -> tuple[int, int]:
        """Media sequence number and part index of the newest part; part -1 if it has none."""
        if self.parts:
            return self.parts[-1].msn, self.parts[-1].index
        if self.segments:
            return self.segments[-1].msn, len(self.segments[-1].parts) - 1
        return -1, -1

    @property
    def is_between(self) -> bool:
        """The newest segment is over, and of the next one no part is there yet."""
        if self.parts or self.complete or len(self.segments) < 2:
            return False
        return bool(self.segments[-1].parts)

    @property
    def is_independent(self) -> bool:
        """Each listed segment can be decoded without the one before."""
        return all(segment.independent for segment in self.segments)

    @property
    def discontinuity_sequence(self) -> int:
        """EXT-X-DISCONTINUITY-SEQUENCE: discontinuities before the first listed segment."""
        if self.segments:
            first = self.segments[0]
            return (first.discontinuities or 0) - first.discontinuity
        return 0

    @property
    def init(self) -> Init | None:
        """The newest initialisation section."""
        return self.inits[max(self.inits)] if self.inits else None

    @property
    def open_init(self) -> int:
        """Number of the initialisation section of the segment under way."""
        if self.parts and self.parts[0].init is not None:
            return self.parts[0].init
        return max(self.inits, default=0)

    @property
    def open_discontinuity(self) -> bool:
        """Whether the segment under way follows a discontinuity."""
        if self.parts and self.parts[0].discontinuity is not None:
            return self.parts[0].discontinuity
        return bool(self.segments) and self.segments[-1].init != self.open_init

    @property
    def end_time(self) -> int:
        """Where the newest segment ends, in ticks of its section; -1 if there is none."""
        if not self.segments:
            return -1
        newest = self.segments[-1]
        init = self.inits.get(newest.init)
        return newest.time + round(newest.duration * init.timescale) if init else -1

    @property
    def bandwidth(self) -> int:
        """Highest bit rate of the listed segments (BANDWIDTH of RFC 8216, 4.3.4.2)."""
        rates = [segment.bandwidth for segment in self.segments]
        declared = self.init.bandwidth if self.init else 0
        return max(rates, default=0) or declared

    @property
    def average_bandwidth(self) -> int:
        """Bit rate over all listed segments (AVERAGE-BANDWIDTH); 0 while there are none."""
        seconds = sum(segment.duration for segment in self.segments)
        return round(8 * sum(segment.size for segment in self.segments) / seconds) if seconds else 0

    def target_seconds(self, timing: Timing) -> int:
        """The longest that a segment is, in whole seconds: never lowered (RFC 8216, 6.2.1)."""
        wanted = math.ceil(self.target or timing.segment)
        return max(1, wanted, math.floor(self.longest_segment + 0.5))

    def find(self, name: str) -> Segment | None:
        """A segment by `Segment.name`."""
        return next((segment for segment in self.segments if segment.name == name), None)

    def find_time(self, period_utc_ms: int, time: int) -> Segment | None:
        """A segment by the period and the decode time at which it starts."""
        return find_time_in(reversed(self.segments), period_utc_ms, time)

    def find_msn(self, msn: int) -> Segment | None:
        """A segment by number."""
        if self.segments and self.segments[0].msn <= msn <= self.segments[-1].msn:
            return self.segments[msn - self.segments[0].msn]
        return None

    def find_init(self, name: str) -> Init | None:
        """An initialisation section by `Init.name`."""
        newest_first = sorted(self.inits, reverse=True)
        return next((self.inits[one] for one in newest_first if self.inits[one].name == name), None)

    def find_part(self, seq: int) -> Part | None:
        """A part by `Part.seq`."""
        return _among(self.parts, seq) or find_part_in(reversed(self.segments), seq)

    def part_from(self, seq: int) -> Part | None:
        """The oldest listed part with this `Part.seq` or a later one."""
        for segment in self.segments:
            if segment.parts and segment.parts[-1].seq >= seq:
                return next(part for part in segment.parts if part.seq >= seq)
        return next((part for part in self.parts if part.seq >= seq), None)


def find_part_in(segments: Iterable[Segment], seq: int) -> Part | None:
    """The part with `Part.seq` in some segments, the newest first."""
    for segment in segments:
        if found := _among(segment.parts, seq):
            return found
    return None


def find_time_in(segments: Iterable[Segment], period_utc_ms: int, time: int) -> Segment | None:
    """The segment that starts there, the newest first."""
    for segment in segments:
        period = segment.period
        if segment.time == time and period is not None and period.utc_ms == period_utc_ms:
            return segment
    return None


def _among(parts: Sequence[Part], seq: int) -> Part | None:
    if parts and parts[0].seq <= seq <= parts[-1].seq:
        return parts[seq - parts[0].seq]
    return None
