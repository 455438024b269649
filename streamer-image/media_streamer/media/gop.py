"""Where a decoder can start: boundaries in a stream, and the frames kept since the last ones.

A boundary is a key frame of the leading track (the first video, else the first audio). Of several
videos it is one that all have, as long as they have some in common: then each of them can be
decoded from there. Without key frames one is forced now and then, so that segments end and nothing
grows without bound.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from typing import NamedTuple

from media_streamer.media.frame import TIME_BASE, Cut, Frame, Track
from media_streamer.media.segmenter import TOLERANCE

MAX_BYTES = 16 * 1024 * 1024
MAX_TICKS = 30 * TIME_BASE
"""A GOP beyond these bounds is not kept: the next viewer waits for the next key frame."""

AUDIO_BOUNDARY = TIME_BASE
"""Sound alone can start anywhere; once a second keeps the cache short."""


class Boundary(Enum):
    """How a frame stands to the boundaries of its stream."""

    NONE = 0
    KEY = 1
    """A decoder can start here."""
    FORCED = 2
    """No key frame came for too long; segments end here all the same."""


class BoundaryFinder:
    """Classifies the frames of a stream; pure."""

    def __init__(
        self,
        tracks: Sequence[Track],
        max_gap_ticks: int,
        is_common: Callable[[Frame], bool] | None = None,
    ) -> None:
        """`is_common`: whether all videos have the like of a key frame of the first one."""
        lead = next((track for track in tracks if track.kind == "video"), None)
        self.audio_only = lead is None
        self._lead = lead.number if lead else tracks[0].number if tracks else -1
        self._max_gap = max_gap_ticks
        self._last: int | None = None
        self._is_common = is_common
        self._have_common = False
        """The videos had key frames in common lately."""

    def classify(self, frame: Frame) -> Boundary:
        """Whether `frame` is a boundary. Frames come in the order of their arrival."""
        last, dts = self._last, frame.dts
        if (
            frame.track == self._lead
            and frame.key
            and (not self.audio_only or last is None or dts - last >= AUDIO_BOUNDARY)
            and (self._is_common is None or self._suits_all(frame, self._is_common))
        ):
            self._last = dts
            return Boundary.KEY
        if last is None:
            self._last = dts
        elif dts - last >= self._max_gap:
            self._last = dts
            return Boundary.FORCED
        return Boundary.NONE

    def _suits_all(self, frame: Frame, is_common: Callable[[Frame], bool]) -> bool:
        """Whether a key frame of the first video is to be a boundary of all."""
        if is_common(frame):
            self._have_common = True
        elif self._last is not None and frame.dts - self._last >= self._max_gap // 2:
            self._have_common = False
        else:
            return not self._have_common
        return True


class Entry(NamedTuple):
    """A frame, its bytes in the container at hand, and its place."""

    frame: Frame
    data: bytes
    boundary: Boundary
    cut: Cut | None = None
    """The segment that the stream is in; None before the first one."""


class GopCache:
    """Entries since a key boundary: the running GOP and as many before as are wanted.

    Those are whole segments, where it is known how the stream is cut: as many before the running
    one as cover `history_ticks`.
    """

    def __init__(self, history_ticks: int = 0) -> None:
        self.history_ticks = history_ticks
        self._gops: deque[_Gop] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return sum(len(gop.entries) for gop in self._gops)

    @property
    def bytes(self) -> int:
        """Size of what is kept."""
        return self._bytes

    def append(self, entry: Entry) -> None:
        """Add an entry; what comes before the first key boundary is not kept."""
        frame, data, boundary, cut = entry
        gops, size = self._gops, len(data)
        if boundary is Boundary.KEY:
            gops.append(_Gop(frame.dts, cut.msn if cut is not None else None))
            self._leave_out(cut.begin if cut is not None and self.history_ticks else frame.dts)
        elif not gops:
            return
        gop = gops[-1]
        gop.entries.append(entry)
        gop.bytes += size
        self._bytes += size
        while gops and (self._bytes > MAX_BYTES or frame.dts - gops[0].start > MAX_TICKS):
            self._drop(self._second_segment() or 1)

    def _leave_out(self, end: int) -> None:
        """What is too old to be history; that ends at `end`."""
        gops, wanted = self._gops, self.history_ticks * (1 - TOLERANCE)
        while (place := self._second_segment()) and end - gops[place].start >= wanted:
            self._drop(place)

    def _drop(self, count: int) -> None:
        for _ in range(count):
            self._bytes -= self._gops.popleft().bytes

    def _second_segment(self) -> int:
        """Place of the GOP that the second segment begins with; 0 if there is none."""
        first, *others = self._gops
        for place, gop in enumerate(others, 1):
            if not self.history_ticks or gop.msn is None or gop.msn != first.msn:
                return place
        return 0

    def clear(self) -> None:
        """Forget all: what comes next does not continue it."""
        self._gops.clear()
        self._bytes = 0

    def last_gop(self) -> "list[Entry]":
        """Entries since the last key boundary."""
        return list(self._gops[-1].entries) if self._gops else []

    def __iter__(self) -> Iterator[Entry]:
        """All entries, oldest first."""
        for gop in self._gops:
            yield from gop.entries


class _Gop:
    __slots__ = ("bytes", "entries", "msn", "start")

    def __init__(self, start: int, msn: int | None) -> None:
        """`msn`: of the segment that it is in; None: not known."""
        self.start = start
        self.msn = msn
        self.entries: list[Entry] = []
        self.bytes = 0
