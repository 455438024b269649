"""Which files are asked for often enough to be stored. Pure."""

from collections import OrderedDict

MAX_COUNTED_PATHS = 100_000


class MissCounter:
    """Requests for files not stored. Bounded: the path unasked for longest is forgotten."""

    def __init__(self, misses: int, most: int = MAX_COUNTED_PATHS) -> None:
        self._threshold = max(1, misses)
        self._most = most
        self._counts: OrderedDict[str, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._counts)

    def count(self, path: str) -> bool:
        """Count a request; whether its answer is to be stored."""
        if self._threshold == 1:
            return True
        number = self._counts.pop(path, 0) + 1
        self._counts[path] = number
        if len(self._counts) > self._most:
            self._counts.popitem(last=False)
        return number >= self._threshold

    def forget(self, path: str) -> None:
        """The path is stored now: after its end the counting starts anew."""
        self._counts.pop(path, None)
