"""Several videos of one stream in one order, so that they can be cut at the same moment.

Role: renditions come from encoders that are not equally quick, and sources interleave as they like,
while a segment has to begin with a key frame in each of them. Frames wait here until those of the
same moment are there, and until it is known which key frames all videos share.

Invariants: the order within a track stays; the first video comes first among frames of a moment;
what is no video passes at once. A video that is more than `MAX_SKEW` behind is waited for no more
until it has caught up. Streams with one video have none of this in their way. Pure.
"""

from collections import deque
from collections.abc import Iterable, Sequence

from media_streamer.media.frame import TICKS_PER_MS, TIME_BASE, Frame, Track

MAX_SKEW = 3 * TIME_BASE
"""What a slow encoder may be behind: look-ahead and threads of x264 make up to two seconds beside a
video that is passed on as it is. All of it is latency for the others."""
TOLERANCE = 3 * TICKS_PER_MS
"""Time stamps of one moment differ by no more where a source rounds them to ms; a frame of 120
pictures a second is longer."""


class Renditions:
    """The videos of one stream. The first is the one that the stream is cut by."""

    def __init__(self, tracks: Sequence[Track]) -> None:
        videos = [track for track in tracks if track.kind == "video"]
        self._lanes = {track.number: _Lane(n == 0) for n, track in enumerate(videos)}
        self._began: int | None = None
        """Place of the first frame since the last `flush`."""
        self._alone: set[int] = set()
        """DTS of key frames of the first video, handed out by the last call, that not all have."""
        self.held_bytes = 0
        """Size of what waits."""

    def push(self, frames: Iterable[Frame]) -> list[Frame]:
        """Take frames; returns those that may go on."""
        self._alone.clear()
        out: list[Frame] = []
        for frame in frames:
            lane = self._lanes.get(frame.track)
            if lane is None:
                out.append(frame)
                continue
            place = lane.add(frame)
            self.held_bytes += len(frame.data)
            if self._began is None:
                self._began = place
            self._release(out)
        return out

    def flush(self) -> list[Frame]:
        """All that waits: nothing more comes that continues it."""
        self._alone.clear()
        out: list[Frame] = []
        waiting = list(self._lanes.values())
        while lane := _first(waiting):
            out.append(self._take(lane, waiting))
        for lane in waiting:
            lane.end = None
        self._began = None
        return out

    def is_common(self, frame: Frame) -> bool:
        """Whether a key frame of the first video, handed out by the last call, has its like in all
        videos that keep up."""
        return frame.dts not in self._alone

    def _release(self, out: list[Frame]) -> None:
        # Of a video that has shown nothing yet the like of the first frame is waited for.
        began = (self._began or 0) - 1
        ends = {lane: began if lane.end is None else lane.end for lane in self._lanes.values()}
        newest = max(ends.values())
        keeping_up = [lane for lane, end in ends.items() if newest - end <= MAX_SKEW]
        horizon = min(ends[lane] for lane in keeping_up)
        while (lane := _first(self._lanes.values())) and lane.held[0][0] <= horizon:
            out.append(self._take(lane, keeping_up))

    def _take(self, lane: "_Lane", others: Sequence["_Lane"]) -> Frame:
        place, frame = lane.held.popleft()
        self.held_bytes -= len(frame.data)
        if lane.leads and frame.key and not all(one.shares(place) for one in others):
            self._alone.add(frame.dts)
        return frame


class _Lane:
    """One video."""

    def __init__(self, leads: bool) -> None:
        self.leads = leads
        self.held: deque[tuple[int, Frame]] = deque()
        """Frames that wait, with their places in the common order."""
        self.end: int | None = None
        """Nothing that is still to come has a place before this."""
        self._newest = 0
        self._shift = 0

    def add(self, frame: Frame) -> int:
        """Take a frame; returns its place."""
        if frame.key:
            # Renditions may have B-frames of different depth; what they share at a key frame is
            # the time stamp of presentation.
            self._shift = frame.pts - frame.dts
        place = frame.dts + self._shift - (TOLERANCE if self.leads else 0)
        if self.end is not None:
            place = max(place, self._newest)
        self._newest = place
        self.end = place + max(0, frame.duration - 2 * TOLERANCE)
        self.held.append((place, frame))
        return place

    def shares(self, place: int) -> bool:
        """Whether it has a key frame at the place of one of the first video."""
        if self.leads:
            return True
        return bool(self.held) and self.held[0][1].key and self.held[0][0] <= place + 2 * TOLERANCE


def _first(lanes: Iterable[_Lane]) -> _Lane | None:
    """Whose turn it is; None if nothing waits."""
    waiting = [lane for lane in lanes if lane.held]
    return min(waiting, key=lambda lane: lane.held[0][0], default=None)
