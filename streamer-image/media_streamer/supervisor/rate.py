"""A rate over the last seconds, from a counter that is looked at each second."""

from collections import deque

WINDOW_SECONDS = 5.0


class Rate:
    """Of bytes that are counted up."""

    __slots__ = ("_points",)

    def __init__(self) -> None:
        self._points: deque[tuple[float, int]] = deque()

    def sample(self, now: float, total: int) -> None:
        """The counter stands at `total` bytes; `now` in monotonic seconds."""
        points = self._points
        points.append((now, total))
        while len(points) > 2 and now - points[0][0] > WINDOW_SECONDS:
            points.popleft()

    @property
    def kbit(self) -> int:
        """kbit/s; 0 before there are two samples."""
        points = self._points
        if not points or points[-1][0] <= points[0][0]:
            return 0
        (began, before), (ended, after) = points[0], points[-1]
        return int((after - before) * 8 / 1000 / (ended - began))
