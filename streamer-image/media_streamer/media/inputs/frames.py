"""A publisher that hands in frames: no demuxer, no thread but for describing its tracks.

Role: turn what a publisher's protocol found (tracks as it describes them, frames with its stamps)
into described tracks and canonical frames. All methods belong to the event loop; only FFmpeg's
look at a first frame runs in a thread of its own, while what comes meanwhile waits here, in order.

When a track starts:
- at first all tracks start together: when each has shown a frame that a decoder can start with and
  no other one is announced, or when that has been waited for long enough;
- a track that comes later starts at the next key frame of the video, where players can follow;
- a track whose codec or configuration changes is described anew from its next key frame.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from fractions import Fraction

from media_process.seldom import Seldom
from msgspec.structs import replace

from media_streamer.media.canonical import Canonicalizer
from media_streamer.media.frame import LETTERS, Track
from media_streamer.media.inputs.base import WATCHDOG_GRACE_SECONDS, Input, Limits, Receiver
from media_streamer.media.inputs.sample_probe import can_be_track, probe
from media_streamer.media.track import TrackError
from media_streamer.wire.media import PublishedFrame, Reception, TrackSetup

log = logging.getLogger(__name__)

MAX_HELD_BYTES = 16 * 1024 * 1024
"""What may wait for a track to be described: over ten seconds of 10 Mbit/s."""
START_SECONDS = 1.0
"""For a kind of track that nobody announced and nobody excluded."""
MAX_START_FRAMES = 300
"""Until every track has shown its first key frame: about four seconds of picture and sound."""
MAX_DELAY_BYTES = 8 * 1024 * 1024
"""A track that comes later waits no longer than this for a key frame of the video."""
RETRY_SECONDS = 1.0
"""Between two looks at a track that could not be described."""

Job = tuple["_Lane", TrackSetup, PublishedFrame]
Found = tuple["_Lane", TrackSetup, Track | str]
"""The track, or why it is none."""


class _Lane:
    """One track on its way."""

    def __init__(self, setup: TrackSetup) -> None:
        self.setup = setup
        self.described: TrackSetup | None = None
        """The setup that `track` was made from."""
        self.track: Track | None = None
        self.announced = False
        self.number = 0
        """In the receiver's list of tracks."""
        self.reported: TrackSetup | None = None
        """The setup whose failure was logged."""
        self.retry_at = 0.0
        self.refresh(setup)

    def refresh(self, setup: TrackSetup) -> None:
        """Frames from now on are of this setup."""
        self.setup = setup
        self.canonicalizer = Canonicalizer(setup.codec, setup.configuration)
        self.retry_at = 0.0

    @property
    def is_video(self) -> bool:
        return self.setup.kind == "video"

    def can_describe(self, frame: PublishedFrame) -> bool:
        """Whether a look at the frame may tell what the track is."""
        return (frame.key or not self.is_video) and can_be_track(self.setup)


class FrameInput(Input):
    """One publisher of frames."""

    max_start_frames = MAX_START_FRAMES
    """What may come until every track has shown a frame to start with."""

    def __init__(
        self,
        name: str,
        receiver: Receiver,
        limits: Limits,
        *,
        on_taken: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_taken` is called after frames went to the receiver."""
        self.name = name
        self.receiver = receiver
        self.limits = limits
        self._on_taken = on_taken
        self.on_key_frame: Callable[[], None] = lambda: None
        """Called when somebody needs a key frame soon; at once."""
        self._lanes: dict[int, _Lane] = {}
        self._complete = False
        self._started = False
        self._held: list[PublishedFrame | list[TrackSetup]] = []
        """What waits: for the start, or for a track that is being described."""
        self._held_bytes = 0
        self._waited_bytes = 0
        self._thread: threading.Thread | None = None
        self._deadline = float("inf")
        self._timer: asyncio.TimerHandle | None = None
        self._finishing = self._ended = False
        self._complaints = Seldom()
        self._loop: asyncio.AbstractEventLoop

    # What the stream does with it

    @property
    def held_bytes(self) -> int:
        return self._held_bytes

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(START_SECONDS, self._waited_enough)
        self.receiver.connected()

    def stop(self) -> None:
        self._end(None)

    def request_key_frame(self) -> None:
        if not self._ended:
            self.on_key_frame()

    @property
    def overdue(self) -> bool:
        return self.alive and time.monotonic() > self._deadline + WATCHDOG_GRACE_SECONDS

    @property
    def alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    # What the publisher does

    def tracks(self, setups: list[TrackSetup], complete: bool) -> None:
        """All tracks from now on; `complete`: no other one is announced."""
        self._complete = self._complete or complete
        if self._thread is not None:
            self._held.append(setups)
        else:
            self._set_up(setups)
            self._start_if_ready()

    def take(self, frames: Sequence[PublishedFrame]) -> bool:
        """Some frames; False if too much waits here, or nothing is taken any more."""
        for frame in frames:
            if self._ended:
                return False
            if self._thread is not None or not self._started:
                self._hold(frame)
            else:
                self._forward(frame)
        self._start_if_ready()
        self._on_taken()
        return self._held_bytes <= MAX_HELD_BYTES

    def finish(self) -> None:
        """The publisher is done: what it sent is still used, and its end is no failure."""
        self._finishing = True
        if self._thread is not None:
            return
        if not self._started and self._firsts():
            self._begin()
        else:
            self._end(None)

    def _end(self, error: str | None) -> None:
        if self._ended:
            return
        self._ended = True
        self._held.clear()
        if self._timer is not None:
            self._timer.cancel()
        self.receiver.ended(error)

    def _hold(self, frame: PublishedFrame) -> None:
        lane = self._lanes.get(frame.track)
        # What is not known yet may be announced by what waits here.
        if lane is None or can_be_track(lane.setup):
            self._held.append(frame)
            self._held_bytes += len(frame.data)

    # The start

    def _set_up(self, setups: list[TrackSetup]) -> None:
        for setup in setups:
            lane = self._lanes.get(setup.number)
            if lane is None:
                lane = self._lanes[setup.number] = _Lane(setup)
            elif lane.setup != setup:
                lane.refresh(setup)
                if not self._started:
                    self._forget(setup.number)
            if not can_be_track(setup):
                self._leave_out(lane, setup, "its codec is not supported")
        lanes = self._lanes.values()
        if self._complete and lanes and not any(can_be_track(lane.setup) for lane in lanes):
            codecs = ", ".join(lane.setup.codec or "unknown" for lane in lanes)
            self._end(f"no track of the source has a supported codec: {codecs}")

    def _forget(self, track: int) -> None:
        """Frames that wait for the start belong to a configuration that holds no more."""
        kept = [f for f in self._held if not isinstance(f, PublishedFrame) or f.track != track]
        self._held = kept
        self._held_bytes = sum(len(f.data) for f in kept if isinstance(f, PublishedFrame))

    def _firsts(self) -> dict[int, PublishedFrame]:
        """The first frame of each track that can be described."""
        firsts: dict[int, PublishedFrame] = {}
        for frame in self._held:
            if isinstance(frame, PublishedFrame) and frame.track not in firsts:
                lane = self._lanes.get(frame.track)
                if lane is not None and lane.can_describe(frame):
                    firsts[frame.track] = frame
        return firsts

    def _start_if_ready(self) -> None:
        if self._started or self._ended or not self._held:
            return
        waited_enough = len(self._held) >= self.max_start_frames
        if not self._complete and not waited_enough:
            return
        usable = {number for number, lane in self._lanes.items() if can_be_track(lane.setup)}
        firsts = self._firsts()
        if firsts and (waited_enough or usable.issubset(firsts)):
            self._begin()
        elif waited_enough:
            # Pictures that nothing can be made of before there is a key frame.
            self._held, self._held_bytes = [], 0

    def _waited_enough(self) -> None:
        self._complete = True
        self._set_up([])
        self._start_if_ready()

    def _begin(self) -> None:
        self._started = True
        self._look([(self._lanes[n], self._lanes[n].setup, f) for n, f in self._firsts().items()])

    # Describing

    def _look(self, jobs: list[Job]) -> None:
        """Let FFmpeg describe tracks; frames wait until it has."""
        self._deadline = time.monotonic() + self.limits.open_seconds
        thread = threading.Thread(
            target=self._describe, args=(jobs,), name=f"describe {self.name}", daemon=True
        )
        self._thread = thread
        thread.start()

    def _describe(self, jobs: list[Job]) -> None:
        """In the thread."""
        found: list[Found] = []
        for lane, setup, frame in jobs:
            try:
                found.append((lane, setup, probe(setup, frame)))
            except TrackError as error:
                found.append((lane, setup, str(error)))
            except Exception as error:
                log.exception("%s: describing track %d failed", self.name, setup.number)
                found.append((lane, setup, f"internal error: {type(error).__name__}"))
        try:
            self._loop.call_soon_threadsafe(self._take_described, found)
        except RuntimeError:
            log.debug("%s: the worker ends", self.name)

    def _take_described(self, found: list[Found]) -> None:
        self._thread = None
        self._deadline = float("inf")
        if self._ended:
            return
        changed = False
        for lane, setup, result in found:
            if isinstance(result, Track):
                # A track that is shown already changes now; a new one waits for a key frame.
                changed |= lane.announced
                lane.track, lane.described = result, setup
            else:
                self._leave_out(lane, setup, result)
        if changed or not any(lane.announced for lane in self._lanes.values()):
            self._announce()
        held, self._held, self._held_bytes = self._held, [], 0
        self._replay(held)
        if self._finishing and self._thread is None:
            self._end(None)

    def _replay(self, held: list[PublishedFrame | list[TrackSetup]]) -> None:
        for position, item in enumerate(held):
            if self._ended:
                return
            if isinstance(item, PublishedFrame):
                self._forward(item)
            else:
                self._set_up(item)
            if self._thread is not None:
                # `_forward` keeps the frame that is looked at now.
                for later in held[position + 1 :]:
                    self._held.append(later)
                    if isinstance(later, PublishedFrame):
                        self._held_bytes += len(later.data)
                return

    def _leave_out(self, lane: _Lane, setup: TrackSetup, reason: str) -> None:
        lane.retry_at = time.monotonic() + RETRY_SECONDS
        if lane.reported != setup:
            lane.reported = setup
            codec = setup.codec or "unknown codec"
            what = "keeps its old description" if lane.announced else "is left out"
            log.warning("%s: track %d (%s) %s: %s", self.name, setup.number, codec, what, reason)

    def _announce(self) -> None:
        """Number the tracks, video before audio, and tell the receiver."""
        lanes = [lane for _, lane in sorted(self._lanes.items()) if lane.track is not None]
        lanes.sort(key=lambda lane: not lane.is_video)
        if not lanes:
            return
        counts = {"video": 0, "audio": 0}
        tracks: list[Track] = []
        for number, lane in enumerate(lanes):
            assert lane.track is not None
            kind = lane.track.kind
            counts[kind] += 1
            lane.number, lane.announced = number, True
            name = f"{LETTERS[kind]}{counts[kind]}"
            tracks.append(replace(lane.track, number=number, name=name))
        self._waited_bytes = 0
        self.receiver.describe(tracks, [Fraction(1, lane.setup.ticks) for lane in lanes])

    # Frames

    def _forward(self, frame: PublishedFrame) -> None:
        lane = self._lanes.get(frame.track)
        if lane is None:
            return
        if lane.described is not lane.setup and not self._is_described(lane, frame):
            return
        data = lane.canonicalizer.convert(frame.data)
        if lane.canonicalizer.fault:
            self._say_broken(lane)
        if lane.canonicalizer.changed:
            # The setup is the same, but the sample says otherwise.
            self._hold(frame)
            self._look([(lane, lane.setup, frame)])
            return
        key = not lane.is_video or frame.key or lane.canonicalizer.random_access
        if not lane.announced or (key and lane.is_video and self._some_wait()):
            if not self._may_announce(lane, key, len(frame.data)):
                return
            self._announce()
        if data is not None:
            self.receiver.frame(lane.number, frame.dts, frame.pts, None, key, data)

    def _say_broken(self, lane: _Lane) -> None:
        self.count("broken_payload")
        number, codec = lane.setup.number, lane.setup.codec
        if (tail := self._complaints.tail(str(number))) is not None:
            fault = f"{lane.canonicalizer.fault}{tail}"
            log.warning(
                "%s: track %d (%s): frames are left out: %s", self.name, number, codec, fault
            )

    def _is_described(self, lane: _Lane, frame: PublishedFrame) -> bool:
        """False if the frame waits for a description, or cannot be used without."""
        if lane.can_describe(frame) and time.monotonic() >= lane.retry_at:
            self._hold(frame)
            self._look([(lane, lane.setup, frame)])
            return False
        # Between a new configuration and its key frame a decoder may make something of them.
        return lane.described is not None and lane.described.codec == lane.setup.codec

    def _some_wait(self) -> bool:
        return any(lane.track and not lane.announced for lane in self._lanes.values())

    def _may_announce(self, lane: _Lane, key: bool, size: int) -> bool:
        """Whether tracks may come in with this frame."""
        shown = [other for other in self._lanes.values() if other.announced and other.is_video]
        self._waited_bytes += size
        return (key and lane.is_video) or not shown or self._waited_bytes > MAX_DELAY_BYTES


class Taker:
    """A receiver of packets hands its frames to this (`rtp.intake.Sink`), and so to the input."""

    def __init__(self, taken: FrameInput) -> None:
        self._input = taken

    @property
    def is_behind(self) -> bool:
        return self._input.held_bytes > MAX_HELD_BYTES

    def tracks(self, tracks: list[TrackSetup], complete: bool) -> None:
        self._input.tracks(tracks, complete)

    def frames(self, frames: list[PublishedFrame]) -> None:
        self._input.take(frames)

    def reception(self, figures: Reception) -> None:
        self._input.reception = figures
