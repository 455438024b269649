"""A track that grows: fed by what a media worker says, over all its restarts.

Pure state. Numbers never go back, even if the media worker dies and its successor counts from the
start again: a new generation is numbered on from the old one.
"""

import time
from collections import deque
from dataclasses import dataclass, field, replace

from media_streamer.presentation.track_index import (
    Init,
    Part,
    Segment,
    TrackIndex,
    find_part_in,
    find_time_in,
)

GRACE_SECONDS = 30.0
"""A dropped segment stays readable this long (the media worker removes the file then)."""
MAX_DROPPED = 64


@dataclass
class LiveTrack(TrackIndex):
    """State of one track of one container."""

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
    def discontinuity_sequence(self) -> int:
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
    def open_discontinuity(self) -> bool:
        return self._broken or super().open_discontinuity

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
        return self._by_name.get(name)

    def find_time(self, period_utc_ms: int, time: int) -> Segment | None:
        dropped = (old for _, old in reversed(self._dropped))
        found = super().find_time(period_utc_ms, time)
        return found or find_time_in(dropped, period_utc_ms, time)

    def find_msn(self, msn: int) -> Segment | None:
        dropped = (old for _, old in self._dropped if old.msn == msn)
        return super().find_msn(msn) or next(dropped, None)

    def find_part(self, seq: int) -> Part | None:
        dropped = (old for _, old in reversed(self._dropped))
        return super().find_part(seq) or find_part_in(dropped, seq)

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
