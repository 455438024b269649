"""The point where exactly one source at a time flows into the output of a stream.

Role: hold the stream's timeline, decide frame by frame whether a source may pass, and let a better
one take over at its key frame without the output noticing more than a discontinuity.

Threads: sources call from their input threads, the stream's owner from the event loop. One lock a
stream serialises them; it is held for one frame at a time. Counters of a source are plain numbers
that its thread writes and the owner reads: a value that is one frame old does no harm.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from fractions import Fraction

from media_streamer.media.frame import Cut, Frame, FrameSink, Track
from media_streamer.media.timeline import Timeline
from media_streamer.media.track import usual_duration
from media_streamer.media.wall_clock import WallClock

log = logging.getLogger(__name__)

NO_KEY_SECONDS = 10.0
"""A source whose video shows no key frame for this long is used from its audio on."""


KEY_FRAME_SECONDS = 1.0
"""A source is asked for a key frame this often at most: each one costs its encoder bit rate."""


class Source:
    """One opened input on its way into the switch: the receiver of what it reads."""

    def __init__(
        self, switch: "Switch", name: str, on_ended: Callable[["Source"], None] | None = None
    ) -> None:
        self.name = name
        self.may_take_over = False
        """Set by the owner: this source becomes the active one at its next key frame."""
        self.tracks: Sequence[Track] = ()
        self.time_bases: Sequence[Fraction] = ()
        self.opened_at = time.time()
        self.began = time.monotonic()
        """The same for durations: the wall clock may jump."""
        self.connected_at: float | None = None
        self.started_at: float | None = None
        """Unix time of the first frame."""
        self.bytes = 0
        self.frames = 0
        self.last_frame = time.monotonic()
        """Monotonic time of the last frame, at first of the opening."""
        self.last_video = self.last_audio = self.last_frame
        self.last_dts: int | None = None
        """DTS of the last frame as the source counts, in the track's time base."""
        self.last_dts_track = 0
        self.description_changes = 0
        self.dropped_frames = 0
        """Those that lay before the point where the source took over."""
        self.finished = False
        self.error: str | None = None
        self.ask_key_frame: Callable[[], None] | None = None
        """Asks the encoder behind the input for a key frame, if there is a way to it."""
        self.age_ms = 0.0
        """How long what comes has been on its way, where its sender tells; else 0."""
        self._switch = switch
        self._video: list[bool] = []
        self._first_frame = 0.0
        self._on_ended = on_ended

    def connected(self) -> None:
        self.connected_at = time.time()

    def describe(self, tracks: Sequence[Track], time_bases: Sequence[Fraction]) -> None:
        with self._switch.lock:
            if self.tracks:
                self.description_changes += 1
            self.tracks, self.time_bases = tracks, time_bases
            self._video = [track.kind == "video" for track in tracks]
            self._switch.described(self)

    def frame(
        self,
        track: int,
        dts: int | None,
        pts: int | None,
        duration: int | None,
        key: bool,
        data: bytes,
    ) -> None:
        now = self._note(track, dts, len(data))
        switch = self._switch
        with switch.lock:
            if not self._passes(track, key, now):
                return
            stamp = switch.timeline.place(track, dts, pts, duration)
            if stamp is None:
                self.dropped_frames += 1
                return
            if stamp.discontinuity:
                switch.discontinuity()
            utc_ms = switch.clock.stamp(stamp.dts, self.age_ms)
            switch.output.push(
                (Frame(track, stamp.dts, stamp.pts, stamp.duration, key, data, utc_ms),)
            )

    def relayed(self, frame: Frame) -> None:
        now = self._note(frame.track, frame.dts, len(frame.data))
        switch = self._switch
        with switch.lock:
            if self._passes(frame.track, frame.key, now) and not switch.relay(frame, self.age_ms):
                self.dropped_frames += 1

    def _note(self, track: int, dts: int | None, size: int) -> float:
        """A frame came now, in monotonic seconds."""
        now = time.monotonic()
        self.last_frame = now
        if self._video[track]:
            self.last_video = now
        else:
            self.last_audio = now
        if not self.frames:
            self.started_at = time.time()
            self._first_frame = now
        self.frames += 1
        self.bytes += size
        self.last_dts, self.last_dts_track = dts, track
        return now

    def _passes(self, track: int, key: bool, now: float) -> bool:
        """Whether it is shown, or is from this frame on; the lock is held."""
        if self._switch.active is not self:
            if not (self.may_take_over and self._can_start(track, key, now)):
                return False
            self._switch.take_over(self)
        return True

    def looped(self) -> None:
        with self._switch.lock:
            if self._switch.active is self:
                self._switch.timeline.restart(self.time_bases, seamless=True)

    def set_age(self, seconds: float) -> None:
        """What comes from now on has been on its way for so long."""
        self.age_ms = 1000 * seconds

    def ended(self, error: str | None) -> None:
        """The input is over; only the first call counts."""
        with self._switch.lock:
            if self.finished:
                return
            self.finished = True
            self.error = error
        if self._on_ended:
            self._on_ended(self)

    @property
    def last_dts_ms(self) -> int | None:
        """DTS of the last frame on the source's clock, in milliseconds."""
        if self.last_dts is None or self.last_dts_track >= len(self.time_bases):
            return None
        return int(self.last_dts * 1000 * self.time_bases[self.last_dts_track])

    def silence(self, now: float) -> float:
        """Seconds since the last frame of any track."""
        return now - self.last_frame

    def _can_start(self, track: int, key: bool, now: float) -> bool:
        if not any(self._video):
            return True
        if self._video[track]:
            return key
        return now - self._first_frame > NO_KEY_SECONDS


class Switch:
    """The sources' common way into one output."""

    def __init__(
        self, output: FrameSink, on_change: Callable[[Source], None] | None = None
    ) -> None:
        """`output` and `on_change` are called in the thread of the active source; `on_change` is
        told of every new one."""
        self.lock = threading.Lock()
        self.output = output
        self.timeline = Timeline()
        self.clock = WallClock()
        self.active: Source | None = None
        self.switches = 0
        self.tracks: Sequence[Track] = ()
        """What the output was told last."""
        self._on_change = on_change
        self._time_bases: list[Fraction] = []
        self._asked_at = -KEY_FRAME_SECONDS
        self._told: Cut | None = None
        """Where another server said to be, as long as nothing else was shown since."""
        self._told_time = False
        """What it says of the wall clock can be right."""

    def take_over(self, source: Source) -> None:
        """Let `source` be the active one from its current frame on; the lock is held."""
        if self.active is not None:
            self.active.may_take_over = False
        if self.tracks:
            self.switches += 1
        self.active = source
        self._tell(source)
        self._restart(source)
        if self._on_change:
            self._on_change(source)

    def relay(self, frame: Frame, age_ms: float) -> bool:
        """Show a frame of the same stream on another server, with its times and its place among
        the segments there if its clock can be kept; the lock is held.

        `age_ms`: since the moment it shows; 0: that cannot be told. False: it is here already, or
        nothing can begin with it.
        """
        timeline = self.timeline
        if timeline.kept is None:
            if frame.cut is None:
                return False
            same = self._told is not None and frame.cut.continues(self._told)
            timeline.join(frame.dts, same=same)
            self._told_time = age_ms != 0
        place = timeline.keep if timeline.kept else timeline.place
        stamp = place(frame.track, frame.dts, frame.pts, frame.duration)
        if stamp is None:
            return False
        if stamp.discontinuity:
            self.discontinuity()
        cut = None
        if timeline.kept:
            cut, self._told = frame.cut, frame.cut or self._told
        if timeline.kept and self._told_time and age_ms:
            utc_ms = frame.utc_ms
            self.clock.start(stamp.dts, utc_ms)  # it goes on where the other stops telling
        else:
            utc_ms = self.clock.stamp(stamp.dts, age_ms)
        self.output.push(
            (
                Frame(
                    frame.track, stamp.dts, stamp.pts, stamp.duration, frame.key, frame.data,
                    utc_ms, cut,
                ),
            )
        )  # fmt: skip
        return True

    def described(self, source: Source) -> None:
        """The tracks of `source` changed; the lock is held."""
        if source is self.active:
            self._tell(source)
            if list(source.time_bases) != self._time_bases:
                self._restart(source)

    def discontinuity(self) -> None:
        """The frame that follows does not continue the last one; the lock is held."""
        self._told = None
        self.clock.reset()
        self.output.gap()

    def _restart(self, source: Source) -> None:
        self._time_bases = list(source.time_bases)
        self.timeline.restart(source.time_bases, [usual_duration(one) for one in source.tracks])

    def release(self, source: Source) -> None:
        """Nothing of `source` may pass any more; called by the owner."""
        with self.lock:
            source.may_take_over = False
            if self.active is source:
                self.active = None

    def request_key_frame(self) -> None:
        """Ask the active source for a key frame, if it can be asked and was not just now."""
        source, now = self.active, time.monotonic()
        if source is None or source.ask_key_frame is None:
            return
        if now - self._asked_at >= KEY_FRAME_SECONDS:
            self._asked_at = now
            source.ask_key_frame()

    def _tell(self, source: Source) -> None:
        if list(self.tracks) != list(source.tracks):
            self.tracks = source.tracks
            self.output.set_tracks(source.tracks)
