"""`timeshift://NAME/SECONDS`: what another stream of this server recorded, so much later.

Segments of the archive are read in a thread, one ahead of its time; each frame goes out SECONDS
after it was recorded, or as much later than that as the first one did: showing begins at once, with
the group of pictures that is under way. A delay shorter than what a segment takes to get to the
disk becomes as long as that takes.

Where nothing was recorded for longer than `HOLE_MS` the source fails, so another input is shown,
and the next attempt finds what comes after the hole.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from fractions import Fraction

from media_api.input import delayed_archive

from media_streamer.archive.frames import frames_of, read_group, tracks_of
from media_streamer.archive.library import BEFORE_MS, Entry, Library
from media_streamer.archive.places import Place, places_of
from media_streamer.media.frame import TICKS_PER_MS, TIME_BASE, Frame
from media_streamer.media.inputs.base import (
    Input,
    InputError,
    InputRequest,
    Limits,
    Receiver,
    ThreadInput,
)

HOLE_MS = 10_000
"""The least that counts as one: twice a segment is none either."""
AHEAD_MS = 2_000
"""Segments are read so long before their first frame is due."""
POLL_SECONDS = 0.5
"""How often the disk is asked for a segment that is not there yet."""
GROUP_MS = 40
"""Frames go out in groups of this length: a sleep for each would cost more than the frames."""
LATE_MS = 500
"""What is later than this came late to the disk: all that follows is shown later, too."""
KEPT_GROUPS = 2_000
"""Segments whose places are remembered: some hours."""
_BASE = Fraction(1, TIME_BASE)


def create(request: InputRequest) -> Input:
    found = delayed_archive(request.config.url)
    if found is None:
        raise InputError("write timeshift://NAME/SECONDS")
    name, seconds = found
    if name == request.stream:
        raise InputError("a stream cannot show what it records itself: give another stream's name")
    places = request.stored.archives.get(name)
    if not places:
        raise InputError(f"stream {name} has no archive on this server: give it `dvr`")
    archive = places_of(places)
    return TimeshiftInput(
        request.stream, request.receiver, request.limits, name, seconds * 1000, archive
    )


class Late:
    """When frames are due: their time and a delay, and more where they came too late for that."""

    def __init__(self, delay_ms: int) -> None:
        self._delay_ms = delay_ms
        self._more_ms: float | None = None
        """None: the next frame decides."""

    def again(self) -> None:
        """What follows is shown at its own time, as from the start."""
        self._more_ms = None

    def wait_ms(self, utc_ms: float, now_ms: float) -> float:
        """How long a frame has to wait that was recorded at `utc_ms`; 0 or less: it is due."""
        due = utc_ms + self._delay_ms
        if self._more_ms is None:
            self._more_ms = max(0.0, now_ms - due)
        wait = due + self._more_ms - now_ms
        if wait < -LATE_MS:
            self._more_ms -= wait
            return 0.0
        return wait


class TimeshiftInput(ThreadInput):
    """One attempt. `archive`: the name of the stream that was recorded."""

    def __init__(
        self,
        name: str,
        receiver: Receiver,
        limits: Limits,
        archive: str,
        delay_ms: int,
        places: list[Place],
    ) -> None:
        super().__init__(name, receiver, limits)
        self._archive = archive
        self._delay_ms = delay_ms
        self._places = places
        self._library = Library(KEPT_GROUPS)
        self._late = Late(delay_ms)
        self._hole_ms = HOLE_MS

    def _read(self) -> None:
        essence = b""
        for entry in self._entries():
            head = entry.content.head
            try:
                samples = read_group(entry.content, entry.group)
                if head.essence != essence:
                    first = {number: own[0].data for number, own in enumerate(samples) if own}
                    tracks = tracks_of(head, first)
                    self.receiver.describe(tracks, [_BASE] * len(tracks))
                    essence = head.essence
                frames = frames_of(head, samples)
            except (OSError, ValueError) as error:
                raise self._unreadable(error) from None
            if not self._show(frames):
                return

    def _entries(self) -> Iterator[Entry]:
        """Segments in order, the first one that which is due now; each when its time is near."""
        end_ms: int | None = None
        began_ms = int(time.time() * 1000) - self._delay_ms
        waited = 0.0
        while not self._stopping.is_set():
            due_ms = int(time.time() * 1000) - self._delay_ms
            # What gets to the disk later than it is due is waited for.
            at_ms = end_ms if end_ms is not None else began_ms
            found = self._look(at_ms, max(at_ms, due_ms + AHEAD_MS))
            if end_ms is None and found:
                self.receiver.connected()
            for entry in found:
                if end_ms is not None and entry.group.start_ms - end_ms > self._hole_ms:
                    raise self._nothing(end_ms)
                if end_ms is not None and entry.group.start_ms > end_ms + LATE_MS:
                    self._late.again()
                end_ms, waited = entry.group.end_ms, 0.0
                yield entry
            if not found:
                if waited * 1000 > self._hole_ms:
                    raise self._nothing(at_ms)
                waited += POLL_SECONDS
                self._sleep(POLL_SECONDS)

    def _look(self, from_ms: int, to_ms: int) -> list[Entry]:
        """What was recorded between these moments."""
        try:
            found = self._library.entries(self._places, from_ms - BEFORE_MS, to_ms)
        except (OSError, ValueError) as error:
            raise self._unreadable(error) from None
        for entry in found:  # a segment is on the disk when it has ended
            self._hole_ms = max(self._hole_ms, 2 * (entry.group.end_ms - entry.group.start_ms))
        return [entry for entry in found if entry.group.end_ms > from_ms]

    def _unreadable(self, error: Exception) -> InputError:
        return InputError(f"the archive of {self._archive} cannot be read: {error}")

    def _nothing(self, at_ms: int) -> InputError:
        moment = datetime.fromtimestamp(at_ms // 1000, UTC)
        return InputError(f"nothing of stream {self._archive} was recorded at {moment:%F %T} UTC")

    def _show(self, frames: list[Frame]) -> bool:
        """Hand over the frames of a segment, each group when it is due; False: stop."""
        group_ends = -1
        for frame in frames:
            if frame.dts >= group_ends:
                utc_ms = frame.dts / TICKS_PER_MS
                wait = self._late.wait_ms(utc_ms, time.time() * 1000)
                if wait > GROUP_MS:
                    self._sleep(wait / 1000)
                if self._stopping.is_set():
                    return False
                self.allow(self.limits.read_seconds)
                group_ends = frame.dts + GROUP_MS * TICKS_PER_MS
            self.receiver.frame(
                frame.track, frame.dts, frame.pts, frame.duration, frame.key, frame.data
            )
        return True

    def _sleep(self, seconds: float) -> None:
        self.allow(seconds + self.limits.read_seconds)
        self._stopping.wait(seconds)
