"""HLS of one stream in one container: its state kept up to date, playlists and parts shared.

Requests that are ahead of the stream wait here (blocking playlist reload and parts asked for by a
preload hint, rfc8216bis 6.2.5.2); one message of the media worker wakes them all.
"""

import asyncio
import logging
import os
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from media_streamer.egress.access import Access, AccessDenied
from media_streamer.egress.media_link import MediaLink
from media_streamer.protocols.hls.playlist import (
    Timing,
    render_master,
    render_media,
    target_duration,
)
from media_streamer.protocols.hls.state import Init, Part, Segment, Track
from media_streamer.wire.media import (
    End,
    Event,
    Events,
    Format,
    FromMedia,
    InitSection,
    PartReady,
    SegmentDropped,
    SegmentReady,
    TracksReset,
)

log = logging.getLogger(__name__)

WARM_SECONDS = 60.0
START_TIMEOUT_SECONDS = 15.0
REPEAT_SECONDS = 0.5
LAG_SECONDS = 1.0
"""Another egress worker may have listed a segment that this one hears of a moment later, and may
know the successor of a media worker that died, which numbers segments higher, a moment earlier."""
BLOCK_TARGETS = 3
"""A blocked request is answered 503 after three target durations (rfc8216bis, 6.2.5.2)."""
MAX_AHEAD_SEGMENTS = 2
"""A request further ahead than this is answered 400 (rfc8216bis, 6.2.5.2)."""
MAX_CACHED_PARTS = 256
MAX_CACHED_BYTES = 32 * 1024 * 1024
NO_TS_CODECS = ("hvc1", "hev1", "av01", "vp09", "opus", "Opus")
"""HLS carries these in fragmented MP4 only (Apple's HLS authoring specification, 1.5 and 2.3)."""

Container = Literal["ts", "fmp4"]
_FORMATS: dict[Container, Format] = {"ts": "hls_ts", "fmp4": "hls_fmp4"}


class HlsSource:
    """A subscription and its state. Made by `Hub.hls`."""

    def __init__(
        self,
        access: Access,
        container: Container,
        link: MediaLink,
        on_idle: Callable[["HlsSource"], None],
        exists: Callable[[str], bool],
    ) -> None:
        self.stream = access.stream
        self.container: Container = container
        self.tracks: dict[str, Track] = {}
        self.version = 0
        """Grows with every change of the state."""
        self._on_idle = on_idle
        self._exists = exists
        self._former: set[str] = set()
        """Names that the multiplex (MPEG-TS) had when it had other tracks."""
        self._replaced: dict[str, Track] = {}
        """Tracks of before the media worker ended the subscription; some may come back."""
        self._waiters: set[asyncio.Future[None]] = set()
        self._ended = ""
        self._rendered: dict[tuple[str, ...], tuple[int, bytes]] = {}
        self._part_bytes: OrderedDict[tuple[str, int, int], bytes] = OrderedDict()
        self._part_bytes_total = 0
        self._used_at = time.monotonic()
        self._timer: asyncio.TimerHandle | None = None
        self._configure(access)
        self._link = link
        self._number = link.subscribe(self.stream, _FORMATS[container], self)
        self._warm = asyncio.get_running_loop().call_later(WARM_SECONDS, self._check_idle)

    def touch(self) -> None:
        """A request uses the source now."""
        self._used_at = time.monotonic()

    async def wait_ready(self, *, parts_suffice: bool) -> None:
        """Wait until each track can be played; raises AccessDenied(503) after a while."""

        def ready() -> bool:
            return self.carries_nothing or (
                bool(self.tracks)
                and all(
                    track.init and (track.segments or (parts_suffice and track.parts))
                    for track in self.tracks.values()
                )
            )

        if not await self._wait(ready, START_TIMEOUT_SECONDS):
            raise AccessDenied(
                503, "no_data", "The stream is not running now: its source gives no data"
            )

    async def wait_for(self, track: Track, msn: int, part: int | None) -> None:
        """Block until the playlist has segment `msn`, or part `part` of it.

        Raises AccessDenied: 400 if that is too far in the future, 503 if it does not come in time.
        """

        def near() -> bool:
            return msn < track.next_msn + MAX_AHEAD_SEGMENTS

        if not await self._wait(near, LAG_SECONDS):
            title = f"_HLS_msn={msn} is too far in the future: the next segment is {track.next_msn}"
            raise AccessDenied(400, "too_far_in_the_future", title)

        def reached() -> bool:
            if track.segments and track.segments[-1].msn >= msn:
                newest = track.segments[-1]
                # A part behind the last one of its segment means the first of the next segment.
                beyond = part is not None and newest.msn == msn and part >= len(newest.parts) > 0
                return not beyond or bool(track.parts)
            if part is None or not track.parts:
                return False
            return (msn, part) <= track.last

        timeout_seconds = BLOCK_TARGETS * target_duration(track, self.timing)
        if not await self._wait(reached, timeout_seconds):
            raise AccessDenied(503, "no_data", "The source of the stream gives no data")

    async def wait_segment(self, track: str, name: str) -> Segment:
        """A segment by its name, waited for a moment if it may be one that is just announced.

        Raises AccessDenied(404).
        """

        def known() -> Segment | None:
            return self.tracks[track].find(name) if track in self.tracks else None

        def too_old(listed: deque[Segment]) -> bool:
            # Names begin with the time, so those of the past compare as lower.
            return bool(listed) and name < listed[0].name

        def decided() -> bool:
            listed = self.tracks[track].segments if track in self.tracks else None
            return known() is not None or (listed is not None and too_old(listed))

        await self._wait(decided, LAG_SECONDS)
        if (segment := known()) is None:
            raise AccessDenied(404, "not_found", "There is no such segment, or it is too old")
        return segment

    async def wait_part(self, track: Track, msn: int, index: int) -> bytes:
        """Bytes of a part, waited for if it is the hinted one; raises AccessDenied(404)."""
        if (found := track.find_part(msn, index)) is None:
            if (msn, index) != (track.next_msn, len(track.parts)):
                raise AccessDenied(404, "not_found", "There is no such part")

            def decided() -> bool:
                return bool(track.find_part(msn, index)) or track.next_msn > msn

            await self._wait(decided, BLOCK_TARGETS * target_duration(track, self.timing))
            found = track.find_part(msn, index)
        if found is None:
            raise AccessDenied(404, "not_found", "There is no such part")
        return self._read(track.name, found)

    def read_init(self, init: Init) -> bytes:
        """Bytes of an initialisation section; raises AccessDenied(404)."""
        try:
            return Path(init.path).read_bytes()
        except OSError as error:
            log.warning("stream %s: initialisation section: %s", self.stream, error)
            raise AccessDenied(404, "not_found", "It is gone") from error

    def master(self, media: str, only: frozenset[str] | None, audio_only: bool) -> bytes:
        """The multivariant playlist; NUL stands for the session's query string."""
        tracks = [t for name, t in sorted(self.tracks.items()) if only is None or name in only]
        separate = self.container == "fmp4"
        return render_master(tracks, media, separate=separate, audio_only=audio_only).encode()

    def media(self, track: Track, *, low_latency: bool, skip: bool) -> bytes:
        """A media playlist; NUL stands for the session's query string. Rendered once a change."""
        key = (track.name, "ll" * low_latency, "skip" * skip)
        cached = self._rendered.get(key)
        if cached is None or cached[0] != self.version:
            text = render_media(
                track,
                self._timing_of(track),
                "m4s" if self.container == "fmp4" else "ts",
                others=[other for other in self.tracks.values() if other is not track],
                low_latency=low_latency,
                skip=skip,
            )
            cached = self._rendered[key] = (self.version, text.encode())
        return cached[1]

    @property
    def carries_nothing(self) -> bool:
        """The container can hold no track of the stream: its multiplex has an empty name."""
        return "" in self.tracks

    @property
    def kinds(self) -> set[str]:
        """`v` and `a`, as far as the container has such tracks."""
        return {letter for name in self.tracks for letter in name if letter in "va"}

    @property
    def needs_fmp4(self) -> bool:
        """Some track has a codec that HLS does not carry in MPEG-TS."""
        return any(
            codec.strip().startswith(NO_TS_CODECS)
            for track in self.tracks.values()
            if track.init
            for codec in track.init.codecs.split(",")
        )

    def move(self, link: MediaLink) -> None:
        """The stream now lives in another media worker."""
        if link is self._link or self._ended:
            return
        self._link.release(self._number)
        self.on_lost()
        self._link = link
        self._number = link.subscribe(self.stream, _FORMATS[self.container], self)

    def close(self, reason: str) -> None:
        """End the subscription; whoever waits is answered."""
        if self._ended:
            return
        self._ended = reason
        for timer in (self._timer, self._warm):
            if timer is not None:
                timer.cancel()
        self._link.release(self._number)
        self._wake()
        self._on_idle(self)

    def on_message(self, message: FromMedia) -> None:
        if not isinstance(message, Events):
            return
        for event in message.events:
            self._take(event)
        self.version += 1
        self._wake()

    def _take(self, event: Event) -> None:
        match event:
            case PartReady():
                self._track(event.track).add_part(_part(event))
            case SegmentReady():
                self._track(event.track).add_segment(_segment(event))
            case SegmentDropped():
                self._track(event.track).drop(event.msn)
            case InitSection():
                self._track(event.track).add_init(_init(event))
                self._former.update(event.former)
            case TracksReset():
                self._forget_tracks()
            case End():
                self._end(event.reason)
            case _:
                log.error("stream %s: HLS has no %s", self.stream, event)

    def _track(self, name: str) -> Track:
        return self.tracks.get(name) or self._new_track(name)

    def find_track(self, name: str) -> Track | None:
        """By its name, or by one that it had: players know the name of when they came."""
        if name in self._former and self.tracks:
            return self.tracks.get(name) or next(iter(self.tracks.values()))
        return self.tracks.get(name)

    def _new_track(self, name: str) -> Track:
        track = self._replaced.pop(name, None)
        if track is None and self.container == "ts" and self.tracks:
            # The one multiplex, which has other tracks in it now: its segments go on.
            _, track = self.tracks.popitem()
            track.name = name
        track = self.tracks[name] = track or Track(name)
        return track

    def on_lost(self) -> None:
        for track in self.tracks.values():
            track.restart()
        self.version += 1

    def _configure(self, access: Access) -> None:
        self.timing = Timing(
            access.config.segment_duration / 1000,
            access.config.chunk_duration / 1000,
        )
        self._url_prefix = access.config.url_prefix.rstrip("/")

    def _timing_of(self, track: Track) -> Timing:
        if not self._url_prefix:
            return self.timing
        prefix = f"{self._url_prefix}/{quote(self.stream)}/tracks-{track.name}/"
        return Timing(self.timing.segment, self.timing.part, prefix)

    async def _wait(self, condition: Callable[[], bool], timeout_seconds: float) -> bool:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_seconds
        while not condition():
            if self._ended:
                raise AccessDenied(404, "stream_ended", f"The stream has ended: {self._ended}")
            waiter = loop.create_future()
            self._waiters.add(waiter)
            handle = loop.call_at(deadline, _release, waiter)
            try:
                await waiter
            finally:
                handle.cancel()
                self._waiters.discard(waiter)
            if loop.time() >= deadline:
                return condition()
        return True

    def _wake(self) -> None:
        for waiter in self._waiters:
            _release(waiter)

    def _read(self, track: str, part: Part) -> bytes:
        key = (track, part.msn, part.index)
        data = self._part_bytes.get(key)
        if data is not None:
            return data
        try:
            descriptor = os.open(part.path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                data = os.pread(descriptor, part.size, part.offset)
            finally:
                os.close(descriptor)
        except OSError as error:
            log.warning("stream %s: part %s: %s", self.stream, key, error)
            raise AccessDenied(404, "not_found", "The part is gone") from error
        self._part_bytes[key] = data
        self._part_bytes_total += len(data)
        while len(self._part_bytes) > MAX_CACHED_PARTS or self._part_bytes_total > MAX_CACHED_BYTES:
            _, old = self._part_bytes.popitem(last=False)
            self._part_bytes_total -= len(old)
        return data

    def _end(self, reason: str) -> None:
        if not self._exists(self.stream):
            self.close(reason or "stream removed")
            return
        log.info("stream %s: HLS ended (%s); asking again", self.stream, reason)
        self._forget_tracks()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(REPEAT_SECONDS, self._link.repeat, self._number)

    def _forget_tracks(self) -> None:
        """The new state follows; viewers wait for it."""
        self.on_lost()
        self._replaced |= self.tracks
        self.tracks = {}

    def _check_idle(self) -> None:
        left = self._used_at + WARM_SECONDS - time.monotonic()
        if left <= 0:
            self.close("no viewers")
        else:
            loop = asyncio.get_running_loop()
            self._warm = loop.call_later(left + 0.1, self._check_idle)


def _release(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _init(message: InitSection) -> Init:
    return Init(
        number=message.number,
        path=message.path,
        codecs=message.codecs,
        width=message.width,
        height=message.height,
        fps=message.fps,
        bandwidth=message.bandwidth,
        channels=message.channels,
        sample_rate=message.sample_rate,
        language=message.language,
    )


def _part(message: PartReady) -> Part:
    return Part(
        msn=message.msn,
        index=message.index,
        duration=message.duration,
        independent=message.independent,
        path=message.path,
        offset=message.offset,
        size=message.size,
        init=message.init,
        discontinuity=message.discontinuity,
        discontinuities=message.discontinuities,
    )


def _segment(message: SegmentReady) -> Segment:
    return Segment(
        msn=message.msn,
        start_utc_ms=message.start_utc_ms,
        duration=message.duration,
        path=message.path,
        size=message.size,
        discontinuity=message.discontinuity,
        init=message.init,
        discontinuities=message.discontinuities,
        bandwidth=message.bandwidth,
    )
