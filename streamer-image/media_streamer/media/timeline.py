"""One monotonic clock for a stream, whatever its sources do with theirs.

Role: a pure function of the time stamps that sources deliver; no wall clock, no threads.

Invariants of what comes out, for any input:
- the DTS of a track strictly grows, over restarts, switches, wraps and jumps alike;
- PTS >= DTS;
- tracks of one source share one offset, so the distance between its audio and its video is kept;
- a new source goes on where the last one stopped, never before it; of one that starts over (a file
  in a loop) each track goes on where it stopped itself.

A source that is the same stream on another of our servers has such a clock already, and keeps it
where that is not behind ours: viewers then find the same times on both.

How: all tracks of a source share an *epoch*, the offset from its clock to ours. A jump of one track
opens a new epoch that goes on at the head of the stream; the other tracks move to that epoch when
they make the same jump, a few packets later. A counter that wrapped (33 bits of 90 kHz in MPEG-TS,
ISO/IEC 13818-1 2.4.3.7; 32 bits of milliseconds in FLV and RTMP) is no jump: it is unrolled.
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import zip_longest
from typing import NamedTuple

from media_streamer.media.frame import TIME_BASE

START = TIME_BASE
"""DTS of the first frame: one second, so that muxers can reach back (PCR) without going below 0."""

JUMP = 10 * TIME_BASE
"""A larger step forward is a break of the clock; FFmpeg's dts_delta_threshold is the same 10 s."""

JITTER = TIME_BASE // 4
"""A smaller step back (or none) is rounding in the source: the frame follows its predecessor."""

WRAP = 2**33
"""Ticks after which the clock of MPEG-TS starts again; that of FLV does after exactly 45 times this
(2**32 ms), so that one modulus serves both."""

MAX_REORDER = 10 * TIME_BASE
"""A PTS further after its DTS is damaged: no encoder reorders over ten seconds."""

MAX_KEPT = 2**60
"""Where no clock that began at `START` ever comes."""

DEFAULT_DURATION = TIME_BASE // 25
"""Until a track shows its frame duration, where it is not told."""


class Stamp(NamedTuple):
    """Place of a frame on the stream's clock, in ticks of `TIME_BASE`."""

    dts: int
    pts: int
    duration: int
    discontinuity: bool
    """True for the first frame after a restart, a switch or a break of the source's clock."""


class _TrackClock:
    """What the timeline remembers of one track of the current source."""

    __slots__ = (
        "denominator", "duration", "end", "first", "last", "numerator", "offset", "settling",
        "wrap",
    )  # fmt: skip

    def __init__(self, time_base: Fraction, floor: int, duration: int) -> None:
        scale = time_base * TIME_BASE
        self.numerator = scale.numerator
        self.denominator = scale.denominator
        self.offset: int | None = None
        self.wrap = 0
        """Ticks to add to the source's counter because it wrapped."""
        self.last = floor - 1
        """DTS of the last frame that came out."""
        self.first = self.end = 0
        """Where the source's counter began, and where the last frame that came out ends."""
        self.duration = duration
        self.settling = True
        """In a new epoch, until the track has passed its old position: earlier frames are lost."""


class _Pass(NamedTuple):
    """A source as it was until it started over."""

    firsts: list[int | None]
    """Where the counter of each track began; None: it was silent."""
    lasts: list[int]
    """DTS of the last frame of each that came out."""
    offset: int
    """What brings a frame with the same counter to its place behind the pass: no track comes over
    its own end, and none has a hole but those that are shorter than others."""


class Timeline:
    """The clock of one stream. Not thread-safe: the stream serialises its sources."""

    __slots__ = (
        "_broken", "_clocks", "_former", "_head", "_offset", "_pass", "_started", "breaks", "kept",
        "moved", "restarts",
    )  # fmt: skip

    def __init__(self) -> None:
        self._clocks: list[_TrackClock] = []
        self._offset: int | None = None
        self._head = START
        """Where the next source starts: the end of the furthest frame."""
        self._pass: _Pass | None = None
        """What may be repeated now."""
        self._broken = False
        self._started = False
        self._former: list[int] = []
        """DTS of the last frame of each track of the source before."""
        self.kept: bool | None = None
        """Whether the source keeps its clock (`join`); None: nobody has asked since it began."""
        self.restarts = 0
        """Times that a source went on where another one, or itself, had stopped."""
        self.breaks = 0
        """Times that a source's clock jumped."""
        self.moved = 0
        """Frames that were put behind their predecessor."""

    @property
    def head(self) -> int:
        """End of the furthest frame so far, in ticks."""
        return self._head

    def restart(
        self,
        time_bases: Sequence[Fraction],
        durations: Sequence[int] = (),
        *,
        seamless: bool = False,
    ) -> None:
        """A source begins (again); its tracks count in `time_bases` seconds, and their frames
        usually have these durations in ticks (0: that cannot be told).

        `seamless`: the same source starts over on purpose (a file in a loop): no discontinuity.
        """
        head = self._head
        if seamless:
            durations = [clock.duration for clock in self._clocks]
        if self._started and any(clock.last >= START for clock in self._clocks):
            self._former = [clock.last for clock in self._clocks]
        self.kept = None
        self._pass = self._passed(len(time_bases)) if seamless else None
        self._clocks = [
            _TrackClock(base, head, duration or DEFAULT_DURATION)
            for base, duration in zip_longest(time_bases, durations[: len(time_bases)])
        ]
        self._offset = None
        self._broken = self._started and not seamless
        self.restarts += self._broken

    def _passed(self, tracks: int) -> _Pass | None:
        """The source until now; None where its tracks had no clock in common."""
        clocks, offset = self._clocks, self._offset
        if offset is None or len(clocks) != tracks:
            return None
        heard = [clock for clock in clocks if clock.offset is not None]
        if not heard or any(clock.offset != offset or clock.wrap for clock in heard):
            return None
        length = max(clock.end - clock.first - offset for clock in heard)
        firsts = [clock.first if clock.offset is not None else None for clock in clocks]
        return _Pass(firsts, [clock.last for clock in clocks], offset + length)

    def join(self, dts: int, *, same: bool) -> None:
        """A source begins at `dts` whose clock is one as this: see whether it can be kept.

        `same`: it is what was shown before, without a discontinuity in between; it begins a little
        in the past.
        """
        touches = same and dts <= self._head + JITTER
        ahead = not self._started or dts >= self._head - JITTER
        self.kept = START <= dts < MAX_KEPT and (touches or ahead)
        if self.kept:
            for clock, last in zip(self._clocks, self._former, strict=False):
                clock.last = last
                clock.settling = touches
            self._broken = self._started and not touches
            self.restarts -= self._started and touches

    def keep(self, track: int, dts: int, pts: int, duration: int) -> Stamp | None:
        """Place a frame of a source that keeps its clock, as `place` does."""
        clock = self._clocks[track]
        out = dts
        if out <= clock.last:
            if clock.settling:
                return None
            out = clock.last + 1
            self.moved += 1
        if not START <= out < MAX_KEPT:
            return None
        clock.settling = False
        clock.last = out
        length = self._length(clock, duration)
        self._head = max(self._head, out + length)
        broken, self._broken, self._started = self._broken, False, True
        return Stamp(out, pts if out <= pts <= out + MAX_REORDER else out, length, broken)

    def place(
        self, track: int, dts: int | None, pts: int | None, duration: int | None
    ) -> Stamp | None:
        """Place a frame; stamps are in the track's own time base, None where the source has none.

        Returns None for a frame that lies before the point where its source takes over.
        """
        clock = self._clocks[track]
        raw = self._raw_dts(clock, dts, pts)
        offset = clock.offset
        if offset is None:
            offset = self._adopt(track, raw)
        last = clock.last
        out = raw + clock.wrap + offset
        step = out - last
        if (
            step > JUMP
            or step <= -JITTER
            # Another track broke: this one does too, even if its own step is a little shorter.
            or (offset != self._offset and not 0 < step <= JITTER)
        ):
            out = self._after_break(clock, raw, out)
        elif 0 < step < TIME_BASE and dts is not None and not clock.settling:
            clock.duration = step  # of the frame before, which is no frame where a track begins
        if out <= last:
            if clock.settling:
                return None
            out = last + 1
            self.moved += 1
        clock.settling = False
        clock.last = out
        length = self._length(clock, duration)
        clock.end = end = out + length
        if end > self._head:
            self._head = end
        broken, self._broken, self._started = self._broken, False, True
        return Stamp(out, self._pts(clock, raw, pts, out), length, broken)

    def _raw_dts(self, clock: _TrackClock, dts: int | None, pts: int | None) -> int:
        """DTS on the source's clock in ticks; guessed from PTS or from the last frame."""
        if dts is not None:
            return dts * clock.numerator // clock.denominator
        offset = clock.offset if clock.offset is not None else self._offset
        if pts is None:
            if offset is None:
                return 0
            position = clock.last + clock.duration if clock.offset is not None else self._head
            return position - offset - clock.wrap
        raw = pts * clock.numerator // clock.denominator
        if offset is None or clock.settling:
            return raw
        # With B-frames PTS is not in order: DTS goes on evenly and stays at or below PTS.
        expected = clock.last + clock.duration - offset - clock.wrap
        if 0 <= raw - expected <= TIME_BASE:
            return expected
        earliest = clock.last + 1 - offset - clock.wrap
        return earliest if 0 < earliest - raw <= TIME_BASE else raw

    def _adopt(self, track: int, raw: int) -> int:
        """Offset for a track that delivers its first frame."""
        clock = self._clocks[track]
        clock.first = raw
        if self._offset is None:
            passed, self._pass = self._pass, None
            if passed is not None and raw == passed.firsts[track]:
                # With B-frames the picture's DTS begin before the sound's: a pass that began with
                # them at the head would leave a hole as long in both.
                self._offset = passed.offset
                for one, last in zip(self._clocks, passed.lasts, strict=True):
                    one.last = last
            else:
                self._offset = self._head - raw
        elif not self._unroll(clock, raw, self._offset, self._head, JUMP):
            # Its clock has nothing to do with that of the other tracks: start it at the head.
            clock.offset = self._head - raw
            return clock.offset
        clock.offset = self._offset
        return clock.offset

    def _after_break(self, clock: _TrackClock, raw: int, out: int) -> int:
        """Position of a frame that is not where its track was expected."""
        assert clock.offset is not None
        assert self._offset is not None
        if clock.settling and clock.last - JUMP <= out <= clock.last:
            return out  # the source is still before its take-over point
        if self._joins_epoch(clock, raw, out):
            clock.offset = self._offset
            clock.settling = True
            return raw + clock.wrap + self._offset
        if clock.last - JITTER < out <= self._head + JUMP:
            return out  # a hole, or the other tracks are there already: this one was silent
        if self._unroll(clock, raw, clock.offset, clock.last, JITTER):
            return raw + clock.wrap + clock.offset
        self._offset = self._head - raw - clock.wrap
        self._broken = True
        self.breaks += 1
        clock.offset = self._offset
        clock.settling = True
        return raw + clock.wrap + clock.offset

    def _joins_epoch(self, clock: _TrackClock, raw: int, out: int) -> bool:
        """True if the epoch of another track fits a frame better than its own (at `out`)."""
        if self._offset is None or self._offset == clock.offset:
            return False
        wrap = clock.wrap
        if self._unroll(clock, raw, self._offset, clock.last, JUMP):
            position = raw + clock.wrap + self._offset
            if abs(position - self._head) < abs(out - self._head):
                return True
            clock.wrap = wrap
        return False

    @staticmethod
    def _unroll(clock: _TrackClock, raw: int, offset: int, expected: int, back: int) -> bool:
        """Find the wraps that bring `raw` from `back` before to JUMP after `expected`, if any."""
        distance = raw + clock.wrap + offset - expected
        turns = (distance + WRAP // 2) // WRAP
        if not -back < distance - turns * WRAP <= JUMP:
            return False
        clock.wrap -= turns * WRAP
        return True

    def _pts(self, clock: _TrackClock, raw: int, pts: int | None, out: int) -> int:
        if pts is None:
            return out
        delay = pts * clock.numerator // clock.denominator - raw
        if not 0 <= delay <= MAX_REORDER:
            delay %= WRAP  # DTS and PTS can lie on two sides of a wrap
            if delay > MAX_REORDER:
                return out
        # Where DTS had to be moved, PTS keeps its place.
        position = raw + clock.wrap + delay + (clock.offset or 0)
        return position if position > out else out

    @staticmethod
    def _length(clock: _TrackClock, duration: int | None) -> int:
        if duration:
            ticks = duration * clock.numerator // clock.denominator
            if 0 < ticks <= JUMP:
                return ticks
        return clock.duration
