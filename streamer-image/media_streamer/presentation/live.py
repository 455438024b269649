"""The live window of a stream in one container: a subscription, kept for a while after its use."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from media_streamer.presentation.index import Container, SegmentIndex
from media_streamer.presentation.live_track import LiveTrack
from media_streamer.presentation.selection import no_such_tracks
from media_streamer.presentation.track_index import Part, Period, Segment, Timing, init_of
from media_streamer.rounds import MAX_INTERVAL_SECONDS, PROMPT_SECONDS
from media_streamer.wire.media import (
    End,
    Event,
    Events,
    FromMedia,
    InitSection,
    NoSuchTracks,
    Outage,
    PartReady,
    SegmentDropped,
    SegmentReady,
    TracksReset,
)

log = logging.getLogger(__name__)

PARTS_MS = round(1000 * PROMPT_SECONDS)
PATIENT_MS = round(1000 * MAX_INTERVAL_SECONDS)
"""For how long what happens may be gathered where parts are waited for, and where nobody does."""
WARM_SECONDS = 60.0
PARTS_SECONDS = 15.0
"""Who takes parts asks for one several times a second; after this long nobody does any more."""
REPEAT_SECONDS = 0.5
RESTART_SECONDS = 10.0
"""A media worker that died, or a stream that moved, has made the next part again by then. Measured:
0.8 to 1.6 s, on an overloaded machine 5 s; three target durations may be 3 s."""


class Link(Protocol):
    """The way to a media worker, as far as it is used here (`egress.media_link.MediaLink`)."""

    def subscribe(
        self,
        stream: str,
        format_name: str,
        taker: "LiveIndex",
        *,
        tracks: tuple[str, ...],
        pinned: bool,
        interval_ms: int,
    ) -> int:
        """Take a format of a stream until `release`; the number of the subscription."""

    def pace(self, number: int, interval_ms: int) -> None:
        """What it gets may be gathered for so long from now on."""

    def repeat(self, number: int) -> None:
        """Ask again, after the media worker had ended it."""

    def release(self, number: int) -> None: ...


class LiveIndex(SegmentIndex):
    """Made by `Hub.live_index`."""

    def __init__(
        self,
        stream: str,
        timing: Timing,
        container: Container,
        link: Link,
        on_idle: Callable[["LiveIndex"], None],
        exists: Callable[[str], bool],
        selection: tuple[str, ...] = (),
        *,
        pinned: bool = False,
    ) -> None:
        """`selection`: names of the tracks of a multiplex (MPEG-TS), empty for all. `pinned`: the
        stream is kept on for it."""
        super().__init__(stream, container)
        self.selection = selection
        self.pinned = pinned
        self.timing = timing
        self._tracks: dict[str, LiveTrack] = {}
        self._on_idle = on_idle
        self._exists = exists
        self._former: set[str] = set()
        """Names that the multiplex (MPEG-TS) had when it had other tracks."""
        self._replaced: dict[str, LiveTrack] = {}
        """Tracks of before the media worker ended the subscription; some may come back."""
        self._used_at = time.monotonic()
        self._timer: asyncio.TimerHandle | None = None
        self._parts_at = -PARTS_SECONDS
        """When somebody has asked for parts, monotonic seconds."""
        self._calm: asyncio.TimerHandle | None = None
        self._lost_at = -RESTART_SECONDS
        """When the media worker was lost, monotonic seconds."""
        self._link = link
        self._number = self._subscribe()
        self._warm = asyncio.get_running_loop().call_later(WARM_SECONDS, self._check_idle)

    @property
    def tracks(self) -> Mapping[str, LiveTrack]:
        return self._tracks

    def find_track(self, name: str) -> LiveTrack | None:
        """By its name, or by one that it had: players know the name of when they came."""
        if name in self._former and self._tracks:
            return self._tracks.get(name) or next(iter(self._tracks.values()))
        found = super().find_track(name)
        assert found is None or isinstance(found, LiveTrack)
        return found

    def touch(self) -> None:
        """A request uses the index now."""
        self._used_at = time.monotonic()

    def expect_parts(self) -> None:
        """Parts come as they are made from now on; whole segments may come a little later."""
        self._parts_at = time.monotonic()
        if self._calm is None and self.container == "fmp4" and not self.ended:
            self._link.pace(self._number, PARTS_MS)
            self._calm = asyncio.get_running_loop().call_later(PARTS_SECONDS, self._calm_down)

    def _calm_down(self) -> None:
        left = self._parts_at + PARTS_SECONDS - time.monotonic()
        self._calm = None
        if left > 0:
            self._calm = asyncio.get_running_loop().call_later(left + 0.1, self._calm_down)
        else:
            self._link.pace(self._number, PATIENT_MS)

    def move(self, link: Link) -> None:
        """The stream now lives in another media worker."""
        if link is self._link or self.ended:
            return
        self._link.release(self._number)
        self.on_lost()
        self._link = link
        self._number = self._subscribe()

    def close(self, reason: str) -> None:
        """End the subscription; whoever waits is answered."""
        if self.ended:
            return
        self.ended = reason
        for timer in (self._timer, self._warm, self._calm):
            if timer is not None:
                timer.cancel()
        self._link.release(self._number)
        self._changed()
        self._on_idle(self)

    # From the media worker

    def on_message(self, message: FromMedia) -> None:
        if isinstance(message, Events):
            for event in message.events:
                self._take(event)
            self._changed()

    def on_lost(self) -> None:
        self._lost_at = time.monotonic()
        self._began_at = None
        self.outage = Outage()
        self._restart()

    @property
    def excused_seconds(self) -> float:
        return max(0.0, self._lost_at + RESTART_SECONDS - time.monotonic())

    def _restart(self) -> None:
        for track in self._tracks.values():
            track.restart()
        self._changed()

    def _take(self, event: Event) -> None:
        match event:
            case PartReady():
                track = self._track(event.track)
                track.target = event.target_ms / 1000
                track.captions = track.captions or event.captions
                track.add_part(_part(event))
            case SegmentReady():
                track = self._track(event.track)
                track.target = event.target_ms / 1000
                track.captions = track.captions or event.captions
                track.add_segment(_segment(event))
            case SegmentDropped():
                self._track(event.track).drop(event.msn)
            case InitSection():
                self._track(event.track, alone=event.alone).add_init(
                    init_of(event, event.number, event.path)
                )
                self._former.update(event.former)
            case NoSuchTracks():
                self.refused = no_such_tracks(self.selection, event.tracks)
                self.close(self.refused.title)
            case TracksReset():
                self._forget_tracks()
            case Outage():
                self.outage = event
            case End():
                self._end(event.reason)
            case _:
                log.error("stream %s: segments have no %s", self.stream, type(event).__name__)

    def _track(self, name: str, *, alone: bool = False) -> LiveTrack:
        track = self._tracks.get(name)
        if track is None:
            track = self._replaced.pop(name, None)
            if track is None and alone and self._tracks:
                # The one multiplex, which has other tracks in it now: its segments go on.
                _, track = self._tracks.popitem()
                track.name = name
            track = self._tracks[name] = track or LiveTrack(name)
        return track

    def _end(self, reason: str) -> None:
        if not self._exists(self.stream):
            self.close(reason or "stream removed")
            return
        log.info("stream %s: segments ended (%s); asking again", self.stream, reason)
        self._forget_tracks()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(REPEAT_SECONDS, self._link.repeat, self._number)

    def _forget_tracks(self) -> None:
        """The new state follows; viewers wait for it."""
        self._restart()
        self._replaced |= self._tracks
        self._tracks = {}
        self._began_at = None

    def _subscribe(self) -> int:
        format = f"hls_{self.container}"
        pace = PARTS_MS if self._calm is not None else PATIENT_MS
        return self._link.subscribe(
            self.stream,
            format,
            self,
            tracks=self.selection,
            pinned=self.pinned,
            interval_ms=pace,
        )

    def _check_idle(self) -> None:
        left = self._used_at + WARM_SECONDS - time.monotonic()
        if left <= 0:
            self.close("no viewers")
        else:
            loop = asyncio.get_running_loop()
            self._warm = loop.call_later(left + 0.1, self._check_idle)


def _part(event: PartReady) -> Part:
    return Part(
        msn=event.msn,
        index=event.index,
        seq=event.seq,
        duration=event.duration,
        independent=event.independent,
        path=event.path,
        offset=event.offset,
        size=event.size,
        init=event.init,
        discontinuity=event.discontinuity,
        discontinuities=event.discontinuities,
    )


def _segment(event: SegmentReady) -> Segment:
    return Segment(
        msn=event.msn,
        start_utc_ms=event.start_utc_ms,
        duration=event.duration,
        path=event.path,
        size=event.size,
        discontinuity=event.discontinuity,
        init=event.init,
        discontinuities=event.discontinuities,
        bandwidth=event.bandwidth,
        time=event.time,
        independent=event.independent,
        late_ms=event.late_ms,
        period=Period(event.period_utc_ms, event.period_time) if event.time else None,
    )
