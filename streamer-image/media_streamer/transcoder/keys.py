"""When key frames are due, the same moment for all renditions. Pure.

Role: one `KeyClock` looks at the decoded pictures and says from which stamps on a key frame is due;
a `KeyMarks` of each rendition finds the picture for each of them. Both count on the stream's clock,
so that a transcoder that was started again goes on with the same grid.

Invariant: renditions that show a picture at the same stamp mark the same stamps.
"""

from bisect import bisect_right


class KeyClock:
    """Of one decoder. All times in ticks of the stream."""

    def __init__(self, gop: int, most: int, frame: int) -> None:
        """`gop`: between two key frames, 0: as the source has them, and at least each `most` (0: no
        more). `frame`: how long the longest picture of a rendition is shown."""
        self._gop = gop
        self._most = most
        self._frame = max(1, frame)
        self._last: int | None = None
        """Stamp of the last moment that was given out."""
        self._asked = False

    def ask(self) -> None:
        """Somebody needs one soon."""
        self._asked = True

    def due(self, pts: int, source_key: bool) -> int | None:
        """For the next picture: the moment from which on a key frame is due, None if none is."""
        moment = self._moment(pts, source_key)
        if moment is None or (self._last is not None and moment <= self._last):
            return None
        # The first picture may stand for the moment that it is just before.
        self._last = max(moment, self._on_grid(pts))
        self._asked = False
        return moment

    def _moment(self, pts: int, source_key: bool) -> int | None:
        if self._last is None:
            return pts
        if self._asked:
            if not self._gop:
                return pts
            # The next stamp that all renditions have, and that none has shown yet.
            return ((pts + self._frame // 2) // self._frame + 1) * self._frame
        if self._gop:
            return self._on_grid(pts)
        if source_key:
            # Both fields of a key frame may be marked.
            return pts if pts - self._last > self._frame else None
        return pts if self._most and pts - self._last >= self._most else None

    def _on_grid(self, pts: int) -> int:
        """The last moment of the grid; stamps are rounded, so half a picture before it is on it."""
        return (pts + self._frame // 2) // self._gop * self._gop if self._gop else pts


class KeyMarks:
    """Of one rendition: which of its pictures are key frames."""

    def __init__(self, tolerance: int) -> None:
        """A picture this much before a moment is the one for it."""
        self._tolerance = tolerance
        self._moments: list[int] = []

    def add(self, moment: int) -> None:
        """From this moment on a key frame is due."""
        self._moments.append(moment)

    def take(self, pts: int) -> bool:
        """Whether the picture at `pts` is a key frame; pictures come in order."""
        reached = bisect_right(self._moments, pts + self._tolerance)
        del self._moments[:reached]
        return reached > 0
