"""What is known of one HLS track: initialisation sections, finished segments, parts under way.

Pure state, fed by the messages of a media worker; playlists are rendered from it. Media sequence
numbers never go back and never leave a hole (RFC 8216, 6.2.1), even if the media worker dies and
its successor counts from the start again: a new generation is numbered on from the old one.
"""

import time
import zlib
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

NAMED_BY_SECOND_MS = 1500
"""Segments shorter than this may start in one second: the clock of a stream is slewed to the wall
clock, so segments of a second may start a little closer than that."""
GRACE_SECONDS = 30.0
"""A dropped segment stays readable this long (the media worker removes the file then)."""
MAX_DROPPED = 64


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

    @property
    def name(self) -> str:
        """Name in URLs. It follows from the file alone, so that all egress workers agree on it,
        also if some of them have seen more media workers come and go than others."""
        return f"{zlib.crc32(self.path.encode()):08x}"


@dataclass(frozen=True, slots=True)
class Part:
    """A partial segment: a byte range of the segment's file. `duration` in seconds."""

    msn: int
    index: int
    duration: float
    independent: bool
    path: str
    offset: int
    size: int
    init: int | None = None
    discontinuity: bool | None = None
    discontinuities: int | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """A finished segment. `duration` in seconds, `start_utc_ms` in ms since the epoch."""

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

    @property
    def name(self) -> str:
        """`YYYY/MM/DD/hh/mm/ss-DDDDD`: start in UTC and duration in ms.

        Several short segments may start in one second: these have the milliseconds of their start
        behind. The name follows from the segment alone, so that all
        egress workers agree on it.
        """
        seconds, ms = divmod(self.start_utc_ms, 1000)
        start = datetime.fromtimestamp(seconds, UTC)
        duration = round(self.duration * 1000)
        short = f"-{ms:03d}" if duration < NAMED_BY_SECOND_MS else ""
        return f"{start:%Y/%m/%d/%H/%M/%S}-{duration:05d}{short}"


@dataclass(slots=True)
class Track:
    """State of one track of one container."""

    name: str
    inits: dict[int, Init] = field(default_factory=dict)
    segments: deque[Segment] = field(default_factory=deque)
    parts: list[Part] = field(default_factory=list)
    """Parts of the segment under way, whose number is `next_msn`."""
    longest_segment: float = 0.0
    longest_part: float = 0.0
    _by_name: dict[str, Segment] = field(default_factory=dict)
    _dropped: deque[tuple[float, Segment]] = field(default_factory=deque)
    _dropped_discontinuities: int = 0
    _first_of: int = 0
    """Lowest number of the running generation."""
    _offset: int = 0
    _init_offset: int = 0
    _restarted: bool = False
    _broken: bool = False
    """The next segment starts a new generation and so is a discontinuity."""

    @property
    def next_msn(self) -> int:
        if self.parts:
            return self.parts[0].msn
        return self.segments[-1].msn + 1 if self.segments else 0

    @property
    def last(self) -> tuple[int, int]:
        """Media sequence number and part number of the newest part; part -1 if it has none."""
        if self.parts:
            return self.parts[-1].msn, self.parts[-1].index
        if self.segments:
            return self.segments[-1].msn, len(self.segments[-1].parts) - 1
        return -1, -1

    @property
    def discontinuity_sequence(self) -> int:
        """EXT-X-DISCONTINUITY-SEQUENCE: discontinuities before the first listed segment."""
        if self.segments:
            count, discontinuity = self.segments[0].discontinuities, self.segments[0].discontinuity
        elif self.parts:
            count, discontinuity = self.parts[0].discontinuities, self.open_discontinuity
        else:
            count = None
        if count is not None:
            return count - discontinuity
        return self._dropped_discontinuities

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
        if self._broken:
            return True
        if self.parts and self.parts[0].discontinuity is not None:
            return self.parts[0].discontinuity
        return bool(self.segments) and self.segments[-1].init != self.open_init

    @property
    def bandwidth(self) -> int:
        """Highest bit rate of the listed segments (BANDWIDTH of RFC 8216, 4.3.4.2)."""
        rates = [segment.bandwidth for segment in self.segments]
        declared = self.init.bandwidth if self.init else 0
        return max(rates, default=0) or declared

    def restart(self) -> None:
        """The media worker died: finish what was under way; its successor may count anew."""
        if self.parts:
            self._finish_open_segment()
        self._restarted = True

    def add_init(self, init: Init) -> None:
        known = self.inits.get(init.number + self._init_offset)
        if known is None or known.path != init.path:
            self._renumber_inits(init.number)
        number = init.number + self._init_offset
        self.inits[number] = replace(init, number=number)

    def add_part(self, part: Part) -> None:
        """A part of the segment under way; parts of finished segments are known already."""
        self._renumber(part.msn)
        init = None if part.init is None else part.init + self._init_offset
        part = replace(part, msn=part.msn + self._offset, init=init)
        if self.segments and part.msn <= self.segments[-1].msn:
            return
        if self.parts and part.msn != self.parts[0].msn:
            self.parts = []
        if part.index != len(self.parts):
            return
        if self.segments and part.msn != self.segments[-1].msn + 1:
            self._drop_all()
        self.parts.append(part)
        self.longest_part = max(self.longest_part, part.duration)

    def add_segment(self, segment: Segment) -> None:
        """The next finished segment. One that does not follow the last empties the playlist."""
        if self._is_known(segment):
            return
        self._renumber(segment.msn)
        segment = replace(
            segment,
            msn=segment.msn + self._offset,
            init=segment.init + self._init_offset,
            discontinuity=segment.discontinuity or self._broken,
        )
        if self.segments and segment.msn <= self.segments[-1].msn:
            return
        self._broken = False
        if self.parts and self.parts[0].msn == segment.msn:
            segment = replace(segment, parts=tuple(self.parts))
        self.parts = []
        if self.segments and segment.msn != self.segments[-1].msn + 1:
            self._drop_all()
        self.segments.append(segment)
        self._by_name[segment.name] = segment
        self.longest_segment = max(self.longest_segment, segment.duration)
        if self.segments[0].msn < self._first_of:
            # Nobody announces the end of the segments of a media worker that died.
            self._drop_first()

    def drop(self, msn: int) -> None:
        """The media worker takes segments up to `msn` out of the playlist."""
        while self.segments and self.segments[0].msn <= msn + self._offset:
            self._drop_first()

    def find(self, name: str) -> Segment | None:
        """A listed or recently dropped segment by `Segment.name`."""
        return self._by_name.get(name)

    def find_msn(self, msn: int) -> Segment | None:
        """A listed or recently dropped segment by number."""
        if self.segments and self.segments[0].msn <= msn <= self.segments[-1].msn:
            return self.segments[msn - self.segments[0].msn]
        return next((old for _, old in self._dropped if old.msn == msn), None)

    def find_init(self, name: str) -> Init | None:
        """The initialisation section of a listed or recently dropped segment by `Init.name`."""
        return next((init for init in self.inits.values() if init.name == name), None)

    def find_part(self, msn: int, index: int) -> Part | None:
        parts: tuple[Part, ...] | list[Part] = ()
        if self.parts and msn == self.parts[0].msn:
            parts = self.parts
        elif segment := self.find_msn(msn):
            parts = segment.parts
        return parts[index] if 0 <= index < len(parts) else None

    def _is_known(self, segment: Segment) -> bool:
        """The same media worker repeats its state after a reconnection."""
        old = self.find_msn(segment.msn + self._offset)
        if old is None or (old.path, old.start_utc_ms) != (segment.path, segment.start_utc_ms):
            return False
        self._restarted = False
        return True

    def _renumber_inits(self, number: int) -> None:
        """A successor's sections must count as newer than all that are known."""
        newest = max(self.inits, default=-1)
        if self._restarted and number + self._init_offset <= newest:
            self._init_offset = newest + 1 - number

    def _renumber(self, msn: int) -> None:
        if not self._restarted:
            return
        self._restarted = False
        if not self.segments:
            return
        following = self.segments[-1].msn + 1
        if msn + self._offset < following:
            self._offset = following - msn
        self._broken = True
        self._first_of = msn + self._offset

    def _finish_open_segment(self) -> None:
        first, last = self.parts[0], self.parts[-1]
        duration = sum(part.duration for part in self.parts)
        size = last.offset + last.size
        start = int(time.time() * 1000 - duration * 1000)
        if self.segments:
            previous = self.segments[-1]
            start = previous.start_utc_ms + round(previous.duration * 1000)
        segment = Segment(
            first.msn,
            start,
            duration,
            first.path,
            size,
            self.open_discontinuity,
            self.open_init,
            round(8 * size / duration) if duration else 0,
            tuple(self.parts),
            first.discontinuities,
        )
        self.parts = []
        self.segments.append(segment)
        self._by_name[segment.name] = segment

    def _drop_all(self) -> None:
        """The numbers jump: nothing that was listed can stand before what comes."""
        while self.segments:
            self._drop_first()

    def _drop_first(self) -> None:
        segment = self.segments[0]
        self._dropped_discontinuities = self.discontinuity_sequence + segment.discontinuity
        self.segments.popleft()
        now = time.monotonic()
        self._dropped.append((now, segment))
        while self._dropped and (
            now - self._dropped[0][0] > GRACE_SECONDS or len(self._dropped) > MAX_DROPPED
        ):
            _, old = self._dropped.popleft()
            if self._by_name.get(old.name) is old:
                del self._by_name[old.name]
        oldest = self._dropped[0][1].init if self._dropped else segment.init
        for number in [n for n in self.inits if n < oldest]:
            del self.inits[number]
