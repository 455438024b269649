"""What is recorded, or a file, played like a stream: its frames into a format, for one viewer.

Role: reads segment after segment in threads, gives the frames at their time to an output of its
own, and follows the recording into the present. Needs no running stream.

Invariants: nothing is sent that the viewer's worker has no room for (it says what was taken), so
nothing is skipped; the clock of the output never goes back, what is missing in the archive is left
out and told as a gap; a disk that does not answer ends the playback, and delays no stream; however
many play, one batch of frames is the longest that the event loop is busy with them.
"""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import AsyncIterator, Callable, Container, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from msgspec.structs import replace

from media_streamer.archive.frames import frames_of, read_group, tracks_of
from media_streamer.archive.library import BEFORE_MS, Entry, Library, continues
from media_streamer.archive.places import places_of
from media_streamer.media.films import FilmShelf, Stretch
from media_streamer.media.frame import TIME_BASE, Frame
from media_streamer.media.output import StreamOutput
from media_streamer.media.settings import OutputSettings
from media_streamer.media.subscribers import Sink
from media_streamer.wire.media import Chunk, Event, Replay, Seek, Sought

log = logging.getLogger(__name__)

Result = TypeVar("Result")

FORMATS = frozenset({"ts", "flv", "rtp", "mse"})
"""Those without segments, which an archive has anyway."""
MAX_PLAYBACKS = 500
"""In one worker; each holds a segment or two."""
SAY_SECONDS = 60.0
"""How often it is said that there are too many."""
THREADS = 4
READ_SECONDS = 20.0
WINDOW_BYTES = 1024 * 1024
"""What may be on its way to the viewer."""
BATCH_BYTES = 128 * 1024
LEAD_SECONDS = 2.0
"""What a viewer gets at once; then as time passes."""
TURN_SECONDS = 0.08
TURN_TICKS = round(TURN_SECONDS * TIME_BASE)
KEYS_SCALE = 4.0
"""Faster than this only key frames are shown: no player decodes all of them."""
FIRST_DTS = TIME_BASE
LOOK_MS = 600_000
"""How much of the archive is looked at at once; more where there is nothing."""
POLL_SECONDS = 0.5
"""How often a recording that is followed is looked at."""
SETTLED_MS = 30_000
"""What was recorded so long ago is on the disk."""


class TooMany(Exception):  # noqa: N818 - a state, no fault of who asks
    """`MAX_PLAYBACKS` are played now."""


class Turns:
    """One at a time, and whatever else waits for the event loop comes between two of them.

    What is taken as fast as it is made makes no playback wait by itself: hundreds of them would
    hold the loop for seconds, and the live streams of the worker with it.
    """

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Wait for a turn."""
        async with self._turn:
            yield
            await asyncio.sleep(0)


class Playbacks:
    """All of a media worker."""

    def __init__(self) -> None:
        self._library = Library()
        self._films = FilmShelf()
        self._threads: ThreadPoolExecutor | None = None
        self._running: set[Playback] = set()
        self._turns = Turns()
        self._said_at = -math.inf

    def __len__(self) -> int:
        return len(self._running)

    def open(
        self,
        stream: str,
        replay: Replay,
        format: str,
        tracks: tuple[str, ...],
        sink: Sink,
        on_ended: Callable[[str], None],
    ) -> "Playback":
        """Play from now on; raises ValueError if that cannot be, TooMany if it cannot be now."""
        if format not in FORMATS:
            raise ValueError(f"no archive is played as {format}")
        if len(self._running) >= MAX_PLAYBACKS:
            if (now := time.monotonic()) - self._said_at >= SAY_SECONDS:
                self._said_at = now
                log.error("%d archives are played now, more are refused", MAX_PLAYBACKS)
            raise TooMany
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS, "playback")

        made = Playback(
            stream, replay, self._library, self._films, self._threads, self._turns, sink, on_ended
        )
        self._running.add(made)
        # Also when it is closed, or cancelled before it began.
        made.start(format, tracks).add_done_callback(lambda _: self._running.discard(made))
        return made

    def close(self) -> None:
        for one in list(self._running):
            one.close()
        self._running.clear()
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)


class Playback:
    """One viewer's."""

    def __init__(
        self,
        stream: str,
        replay: Replay,
        library: Library,
        films: FilmShelf,
        threads: ThreadPoolExecutor,
        turns: Turns,
        sink: Sink,
        on_ended: Callable[[str], None],
    ) -> None:
        self._stream = stream
        self._replay = replay
        self._places = places_of(replay.places)
        self._library = library
        self._films = films
        self._threads = threads
        self._turns = turns
        self._sink = sink
        self._on_ended = on_ended
        self._output = StreamOutput(OutputSettings(stream, Path(), thumbnails=False))
        self._clock = Clock()
        self._sent = 0
        self._taken = 0
        self._room = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._reading: asyncio.Task[None] | None = None
        self._sought = 0
        """Number of the seek that is to be followed; 0: none."""
        self._is_subscribed = self._is_closed = False
        self._videos: frozenset[int] = frozenset()
        self._began = 0.0
        """When the frame of `_began_dts` was due, monotonic."""
        self._began_dts: int | None = None

    def start(self, format: str, tracks: tuple[str, ...]) -> "asyncio.Task[None]":
        """Called once; the task ends with the playback."""
        self._task = asyncio.create_task(
            self._run(format, tracks), name=f"playback of {self._stream}"
        )
        return self._task

    def taken(self, total: int) -> None:
        """The viewer has got so many bytes in all."""
        self._taken = max(self._taken, total)
        self._room.set()

    def seek(self, wanted: Seek) -> None:
        """Go on elsewhere, or otherwise."""
        before = self._replay
        self._replay = replace(
            before,
            from_ms=before.from_ms if wanted.from_ms < 0 else wanted.from_ms,
            to_ms=before.to_ms if wanted.to_ms < 0 else wanted.to_ms,
            speed=wanted.speed,
            scale=wanted.scale,
        )
        self._began_dts = None
        self._clock.rescale(wanted.scale)
        if wanted.from_ms >= 0:
            self._sought = wanted.number
            if self._reading is not None:
                self._reading.cancel()

    def close(self) -> None:
        """Play no more; nothing is told."""
        self._is_closed = True
        self._on_ended = lambda _: None
        if self._task is not None:
            self._task.cancel()

    async def _run(self, format: str, selected: tuple[str, ...]) -> None:
        reason = "recordings_ended"
        try:
            await self._play_all(format, selected)
        except asyncio.CancelledError:
            reason = "cancelled"
            raise
        except (OSError, ValueError, TimeoutError) as error:
            words = str(error) or "the disk does not answer"
            what = "the file" if self._replay.file else "its archive"
            log.error("stream %s: %s cannot be played on: %s", self._stream, what, words)
            reason = "archive_unavailable"
        except Exception:
            log.exception("stream %s: playing its archive failed", self._stream)
            reason = "internal_error"
        finally:
            self._output.close()
            self._on_ended(reason)

    async def _play_all(self, format: str, selected: tuple[str, ...]) -> None:
        """From one place on, and again from each place that is sought meanwhile."""
        while True:
            self._reading = asyncio.create_task(
                self._play(format, selected), name=f"playback of {self._stream}"
            )
            try:
                await self._reading
            except asyncio.CancelledError:
                if self._is_closed or not self._sought or not self._reading.cancelled():
                    self._reading.cancel()
                    raise
            if not self._sought:
                return

    async def _play(self, format: str, selected: tuple[str, ...]) -> None:
        number, self._sought = self._sought, 0
        if number:
            self._sink([Sought(number)])
        is_new = bool(number)
        async for tracks, frames, broken in self._stretches():
            if tracks is not None:
                self._output.set_tracks(tracks)
                self._videos = frozenset(one.number for one in tracks if one.kind == "video")
                if not self._is_subscribed:
                    self._output.subscribe(format, self._count, selected)
                    self._is_subscribed = True
            if broken or is_new:
                self._output.gap()
            shown = thinned(frames, self._videos, self._replay.scale)
            for batch in batches(self._clock.moved(shown, broken or is_new)):
                await self._give(batch)
            is_new = False

    def _stretches(self) -> AsyncIterator[Stretch]:
        if self._replay.file:
            return self._films.stretches(self._replay, self._in_thread)
        return self._recorded()

    async def _recorded(self) -> AsyncIterator[Stretch]:
        essence = b""
        async for entry in self._entries():
            head = entry.content.head
            samples = await self._in_thread(partial(read_group, entry.content, entry.group))
            tracks = None
            if head.essence != essence:
                first = {n: own[0].data for n, own in enumerate(samples) if own}
                tracks, essence = tracks_of(head, first), head.essence
            yield Stretch(tracks, frames_of(head, samples), entry.broken)

    async def _entries(self) -> AsyncIterator[Entry]:
        """Segments from the one that holds the first moment on; waits for those to come."""
        cursor, span = self._replay.from_ms - BEFORE_MS, LOOK_MS
        last: Entry | None = None
        while True:
            wanted = self._replay
            now_ms = int(time.time() * 1000)
            end = min(cursor + span, wanted.to_ms)
            found = await self._in_thread(partial(self._library.entries, self._places, cursor, end))
            if found:
                cursor, span = found[-1].group.start_ms + 1, LOOK_MS
            for entry in found:
                if entry.group.end_ms <= wanted.from_ms:
                    continue
                goes_on = last is None or continues(
                    last.content, last.group, entry.content, entry.group
                )
                last = entry._replace(broken=not goes_on)
                yield last
            if found:
                continue
            if end < min(wanted.to_ms, now_ms):
                span *= 2
            elif not wanted.speed or wanted.to_ms < now_ms - SETTLED_MS:
                return
            else:
                await asyncio.sleep(POLL_SECONDS)

    async def _give(self, batch: list[Frame]) -> None:
        """Send some frames once they are due and there is room."""
        loop = asyncio.get_running_loop()
        while self._sent - self._taken > WINDOW_BYTES:
            self._room.clear()
            await self._room.wait()
        if self._replay.speed > 0:
            dts = batch[0].dts
            if self._began_dts is None:
                self._began, self._began_dts = loop.time(), dts
            due = self._began + (dts - self._began_dts) / TIME_BASE / self._replay.speed
            late = loop.time() - due
            if late > LEAD_SECONDS:
                self._began += late  # the viewer paused, or the recording had to be waited for
            elif -late > LEAD_SECONDS:
                await asyncio.sleep(max(-late - LEAD_SECONDS, TURN_SECONDS))
        async with self._turns.one():
            self._output.push(batch)
            self._output.flush()

    def _count(self, events: Sequence[Event]) -> None:
        self._sent += sum(
            len(packet) for e in events if isinstance(e, Chunk) for packet in e.packets
        )
        self._sink(events)

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(READ_SECONDS):
            return await loop.run_in_executor(self._threads, work)


class Clock:
    """Moves frames of an archive to a clock that begins near 0 and leaves out what is missing."""

    def __init__(self) -> None:
        self._zero: int | None = None
        """Of the frames, where the clock was at `_base`."""
        self._base = self._end = FIRST_DTS
        self._scale = 1.0
        self._last: dict[int, int] = {}

    def rescale(self, scale: float) -> None:
        """From the next frame on it goes so much slower than the frames do."""
        self._scale, self._zero = scale, None

    def moved(self, frames: Sequence[Frame], broken: bool) -> Iterator[Frame]:
        """The frames of a segment; `broken`: they do not continue those before."""
        if self._zero is None or broken:
            self._begin(min((f.dts for f in frames), default=0))
        for frame in frames:
            zero = self._zero if self._zero is not None else self._begin(frame.dts)
            frame.dts = self._base + self._scaled(frame.dts - zero)
            frame.pts = self._base + self._scaled(frame.pts - zero)
            frame.duration = self._scaled(frame.duration)
            if frame.dts <= self._last.get(frame.track, -1):
                continue  # recordings may overlap by a frame
            self._last[frame.track] = frame.dts
            self._end = max(self._end, frame.dts + frame.duration)
            yield frame

    def _begin(self, dts: int) -> int:
        self._zero, self._base = dts, self._end
        return dts

    def _scaled(self, ticks: int) -> int:
        return ticks if self._scale == 1 else round(ticks / self._scale)


def thinned(frames: Sequence[Frame], videos: Container[int], scale: float) -> Sequence[Frame]:
    """What is shown at that scale: no sound beside pictures, and of fast ones the key frames."""
    if scale == 1:
        return frames
    pictures = [frame for frame in frames if frame.track in videos]
    if scale > KEYS_SCALE:
        return [frame for frame in pictures if frame.key]
    return pictures or frames


def batches(frames: Iterator[Frame]) -> Iterator[list[Frame]]:
    """Frames that are sent together: some 80 ms, or less where they are large."""
    batch: list[Frame] = []
    size = 0
    for frame in frames:
        full = size > BATCH_BYTES or frame.dts - batch[0].dts >= TURN_TICKS if batch else False
        if full:
            yield batch
            batch, size = [], 0
        batch.append(frame)
        size += len(frame.data)
    if batch:
        yield batch
