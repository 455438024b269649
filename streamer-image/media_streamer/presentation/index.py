"""The index of segments behind every presentation: live window, archive or file.

Role: what a protocol that sends segments (HLS, DASH) works with. It renders its playlists from the
tracks, and asks here for what is not there yet: requests that are ahead of the stream wait
(blocking playlist reload, parts that were announced; rfc8216bis 6.2.5.2).

Invariants: `version` grows with every change of what can be listed, so text that was rendered of a
version holds as long as the version does; every wait has an end, and ends in AccessDenied with the
reason.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple
from urllib.parse import quote

from media_streamer.files.gathered import Body, Gathered
from media_streamer.presentation.reader import PartReader
from media_streamer.presentation.selection import check, in_order, track_names
from media_streamer.presentation.track_index import Init, Part, Segment, Timing, TrackIndex
from media_streamer.presentation.waiting import Arrivals, CallBack, Waiters
from media_streamer.refusal import AccessDenied, not_running
from media_streamer.wire.media import Outage

START_SECONDS = 15.0
LAG_SECONDS = 1.0
"""Another egress worker may have listed a segment that this one hears of a moment later, and may
know the successor of a media worker that died, which numbers segments higher, a moment earlier."""
LAG_PARTS = 8
"""The same for parts: the hinted one may be that much ahead of what this worker knows."""
SMOOTH_TARGETS = 1.5
"""Who plays whole segments does not stop once that much is listed: the next one comes after a
target duration, and players that looked a moment too early look again after half of one (RFC 8216,
6.3.4; hls.js and FFmpeg do so)."""
HOLD_SECONDS = 9.0
"""So long at most a stream that has just begun holds who comes back for that."""
BLOCK_TARGETS = 3
"""A blocked request is answered 503 after three target durations (rfc8216bis, 6.2.5.2), unless
`SegmentIndex.excused_seconds` says that what it waits for is made again."""
MAX_AHEAD_SEGMENTS = 2
"""A request further ahead than this is answered 400 (rfc8216bis, 6.2.5.2)."""

Container = Literal["ts", "fmp4"]
"""`ts`: all tracks are one multiplex, without parts. `fmp4`: a track each."""


class Stored(NamedTuple):
    """A segment that a cache keeps: part of a file."""

    path: str
    offset: int
    size: int


class SegmentIndex(ABC):
    """Tracks of one stream in one container."""

    timing: Timing

    def __init__(self, stream: str, container: Container) -> None:
        self.stream = stream
        self.container: Container = container
        self.version = 0
        self.ended = ""
        """Why nothing can be asked for any more; empty while it can."""
        self.refused: AccessDenied | None = None
        """The answer to whoever asks, where it is another one than that."""
        self.outage = Outage()
        """Why the stream gives nothing."""
        self.start_seconds = START_SECONDS
        """How long who comes waits for data."""
        self._began_at: float | None = None
        """When somebody came to what was too short yet, monotonic seconds; None: nobody did."""
        self._waiters = Waiters()
        self._arrivals = Arrivals()
        self._reader = PartReader(stream)

    @property
    @abstractmethod
    def tracks(self) -> Mapping[str, TrackIndex]:
        """By name."""

    def touch(self) -> None:  # noqa: B027 - most are there anyway
        """A request uses the index now."""

    def expect_parts(self) -> None:  # noqa: B027 - most have none to wait for
        """A request waits for parts as they are made."""

    def find_track(self, name: str) -> TrackIndex | None:
        """By its name, by one that it had, or by the same tracks in another order."""
        if found := self.tracks.get(name):
            return found
        wanted = track_names(name)
        return next((t for one, t in self.tracks.items() if track_names(one) == wanted), None)

    @property
    def carries_nothing(self) -> bool:
        """The container can hold no track of the stream: its multiplex has an empty name."""
        return "" in self.tracks

    @property
    def kinds(self) -> set[str]:
        """First letters of the tracks that there are (`v`, `a`)."""
        return {letter for name in self.tracks for letter in name if letter.isalpha()}

    @property
    def grows(self) -> bool:
        """More may come."""
        return not all(track.complete for track in self.tracks.values())

    @property
    def seconds(self) -> float:
        """How long what is listed lasts."""
        tracks = self.tracks.values()
        return max((sum(s.duration for s in track.segments) for track in tracks), default=0.0)

    def is_ready(self, *, parts_suffice: bool = False, segments: int = 1) -> bool:
        """Whether each track has that many segments, or a part of one."""
        tracks = self.tracks
        for track in tracks.values():
            enough = 1 if track.complete else segments
            some = len(track.segments) >= enough or (parts_suffice and track.parts)
            if not track.inits or not some:
                return self.carries_nothing
        return bool(tracks)

    async def wait_ready(self, *, parts_suffice: bool = False, segments: int = 1) -> None:
        """Wait until each track can be played; raises AccessDenied(503) after a while."""

        def ready() -> bool:
            return self.is_ready(parts_suffice=parts_suffice, segments=segments)

        def decided() -> bool:
            return ready() or self.outage.lasting

        if not ready():
            await self._wait(decided, self.start_seconds)
        if not ready():
            raise not_running(self.outage)

    async def wait_smooth(self, since: float) -> None:
        """Wait until whole segments can be played without a stop, unless that comes too late.

        `since`: when the request came, monotonic seconds; it waits for `start_seconds` in all.
        Raises AccessDenied(503) like `wait_ready`.
        """
        await self.wait_ready()
        if not (missing := self._missing_seconds()):
            return
        now = time.monotonic()
        if self._began_at is None:
            self._began_at = now
        left = min(self._began_at + HOLD_SECONDS, since + self.start_seconds) - now
        if missing > left and not self._begins_shortly(left):
            return
        await self._wait(lambda: not self._missing_seconds() or self.outage.lasting, left)
        if not self.is_ready():  # it began anew, or broke off
            raise not_running(self.outage)

    def _begins_shortly(self, seconds: float) -> bool:
        """Whether so many seconds bring more than what is listed: media comes as fast as it plays,
        and is cut short at the start alone (`media.segmenter`)."""
        target = self._longest_target()
        return self.seconds < 0.9 * target and target < 3 * seconds

    def _missing_seconds(self) -> float:
        """What is listed is that much too short to last until more is; 0: it lasts."""
        if self.carries_nothing or (self.tracks and not self.grows):
            return 0.0
        return max(0.0, SMOOTH_TARGETS * self._longest_target() - self.seconds)

    def _longest_target(self) -> int:
        targets = (track.target_seconds(self.timing) for track in self.tracks.values())
        return max(targets, default=1)

    async def wait_for(self, track: TrackIndex, msn: int, part: int | None) -> None:
        """Block until the track has segment `msn`, or part `part` of it.

        Raises AccessDenied: 400 if that is too far in the future, 503 if it does not come in time.
        """

        if not await self._wait(lambda: is_near(track, msn), LAG_SECONDS):
            title = f"Segment {msn} is too far in the future: the next one is {track.next_msn}"
            raise AccessDenied(400, "too_far_in_the_future", title)
        if not await self._block(lambda: has_reached(track, msn, part), track):
            raise AccessDenied(503, "no_data", "The source of the stream gives no data")

    def call_when(
        self, track: TrackIndex, msn: int, part: int | None, seconds: float, back: CallBack
    ) -> Callable[[], None]:
        """Call `back` with True once the track has that, or the index has ended; with False after
        so long. What is returned takes it back."""
        return self._arrivals.call(
            (track.name, msn, part),
            lambda: bool(self.ended) or has_reached(track, msn, part),
            seconds,
            back,
        )

    def call_when_part(
        self, track: TrackIndex, seq: int, seconds: float, back: CallBack
    ) -> Callable[[], None]:
        """The same for a part by its `Part.seq`."""
        return self._arrivals.call(
            (track.name, seq), lambda: bool(self.ended) or track.next_part > seq, seconds, back
        )

    async def wait_segment(self, track: str, name: str) -> Segment:
        """A segment by its name, waited for a moment if it may be one that is just announced.

        Its bytes can be read when this returns. Raises AccessDenied(404).
        """

        def known() -> Segment | None:
            return self.tracks[track].find(name) if track in self.tracks else None

        def decided() -> bool:
            if known():
                return True
            found = self.tracks.get(track)
            # Names begin with the time, so those of the past compare as lower.
            too_old = found and found.segments and name < found.segments[0].name
            return bool(too_old or (found and found.complete))

        await self._wait(decided, LAG_SECONDS)
        if (segment := known()) is None:
            raise AccessDenied(404, "not_found", "There is no such segment, or it is too old")
        return segment

    async def wait_time(self, track: TrackIndex, period_utc_ms: int, time: int) -> Segment:
        """A segment by its period and its decode time.

        The one that follows the newest is waited for: FFmpeg asks for it before it is listed, and
        others save the time until their next look. Raises AccessDenied(404).
        """

        def known() -> Segment | None:
            return track.find_time(period_utc_ms, time)

        if known() is None:
            comes = track.end_time == time

            def decided() -> bool:
                return known() is not None or track.end_time > time

            await (self._block(decided, track) if comes else self._wait(decided, LAG_SECONDS))
        if (segment := known()) is None:
            raise AccessDenied(404, "not_found", "There is no such segment, or it is too old")
        return segment

    async def wait_open(
        self, track: TrackIndex, msn: int, taken: int
    ) -> tuple[Sequence[Part], bool]:
        """Parts of segment `msn` beyond the first `taken` ones, and whether it is finished.

        Waits until there is one of both; raises AccessDenied (503) if neither comes in time.
        """

        def state() -> tuple[Sequence[Part], bool]:
            if track.parts and track.parts[0].msn == msn:
                return track.parts[taken:], False
            finished = track.find_msn(msn)
            parts = finished.parts[taken:] if finished is not None else ()
            return parts, finished is not None or track.complete or track.next_msn > msn

        if not await self._block(lambda: any(state()), track):
            raise AccessDenied(503, "no_data", "The source of the stream gives no data")
        return state()

    def read_part(self, part: Part) -> bytes:
        """Bytes of a part that is there; raises AccessDenied."""
        return self._reader.read(part)

    @property
    def names(self) -> tuple[str, ...]:
        """Of all tracks of the stream, also of those within a multiplex."""
        return in_order({one for name in self.tracks for one in track_names(name)})

    def selected(self, wanted: Sequence[str]) -> list[TrackIndex]:
        """The tracks of a selection in order, all for an empty one; raises AccessDenied(404)."""
        self.check(wanted)
        return [self.tracks[name] for name in in_order(self.tracks) if not wanted or name in wanted]

    def check(self, wanted: Sequence[str]) -> None:
        """Raises AccessDenied(404) for a selection of what the stream has not."""
        check(wanted, self.names)

    def folder(self, track: TrackIndex, url_prefix: str) -> str:
        """Where the files of a track lie: beside the playlist of all tracks, or below
        `url_prefix`."""
        place = f"tracks-{track.name}/"
        return f"{url_prefix.rstrip('/')}/{quote(self.stream)}/{place}" if url_prefix else place

    async def wait_part(self, track: TrackIndex, seq: int) -> bytes:
        """Bytes of a part, waited for if it is one that was announced; raises AccessDenied(404)."""
        found = track.find_part(seq)
        if found is None and is_announced(track, seq):
            await self._block(lambda: track.next_part > seq, track)
            # A media worker that starts anew counts on from a higher number: what it makes first
            # is what comes instead of the part that the one before had announced.
            found = track.part_from(seq)
        if found is None:
            raise AccessDenied(404, "not_found", "There is no such part")
        return self._reader.read(found)

    def read_init(self, init: Init) -> bytes:
        """Bytes of an initialisation section; raises AccessDenied(404)."""
        return self._reader.read_init(init)

    def gathered(self, track: TrackIndex, segment: Segment) -> Gathered | None:
        """A segment that the kernel can send out of a file as it lies there; None: `made` says."""
        return None

    async def brought(self, track: TrackIndex, segment: Segment) -> Gathered | None:
        """The same once its file is open and in memory, if that can be; raises AccessDenied."""
        return None

    async def made(self, track: TrackIndex, segment: Segment) -> Body | Stored | None:
        """A segment that is made when it is asked for, or was; None: it lies at `Segment.path`.

        Raises AccessDenied.
        """
        return None

    def _changed(self) -> None:
        """What can be listed has changed: whoever waits looks again."""
        self.version += 1
        self._waiters.wake()
        self._arrivals.look()

    @property
    def excused_seconds(self) -> float:
        """For so long from now on who waits for what is due is not answered that it does not come:
        who makes it is being started again."""
        return 0.0

    async def _block(self, condition: Callable[[], bool], track: TrackIndex) -> bool:
        """Wait for what the track must bring next."""
        limit = BLOCK_TARGETS * track.target_seconds(self.timing)
        if await self._wait(condition, limit):
            return True
        return await self._wait(condition, self.excused_seconds)

    async def _wait(self, condition: Callable[[], bool], timeout_seconds: float) -> bool:
        """Like `Waiters.wait`; raises AccessDenied(404) once the index has ended."""
        await self._waiters.wait(lambda: condition() or bool(self.ended), timeout_seconds)
        reached = condition()
        if not reached and self.ended:
            if self.refused is not None:
                raise self.refused
            raise AccessDenied(404, "stream_ended", f"The stream has ended: {self.ended}")
        return reached


def is_near(track: TrackIndex, msn: int) -> bool:
    """Whether a request may wait for segment `msn`."""
    return track.complete or msn < track.next_msn + MAX_AHEAD_SEGMENTS


def has_reached(track: TrackIndex, msn: int, part: int | None) -> bool:
    """Whether a playlist of now tells of segment `msn`, or of part `part` of it."""
    if track.complete:
        return True
    if track.segments and track.segments[-1].msn >= msn:
        newest = track.segments[-1]
        if part is None and newest.msn == msn and track.is_between:
            return False  # low-latency playlists list it as under way
        # A part behind the last one of its segment means the first of the next segment.
        beyond = part is not None and newest.msn == msn and part >= len(newest.parts) > 0
        return not beyond or bool(track.parts)
    if part is None or not track.parts:
        return False
    return (msn, part) <= track.last


def is_announced(track: TrackIndex, seq: int) -> bool:
    """Whether a part is to come that playlists may have told of."""
    return track.next_part <= seq < track.next_part + LAG_PARTS
