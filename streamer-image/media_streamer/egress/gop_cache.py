"""What a new viewer is sent at once: whole groups of pictures, from a key frame on. Pure."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

MAX_BYTES = 16 * 1024 * 1024
"""16 s of 8 Mb/s. Older groups give way; one that is longer is not sent to new viewers."""


@dataclass(slots=True)
class _Group:
    began: float
    chunks: list[bytes]
    size: int
    frames: int


class GopCache:
    """The group of pictures that is under way, and those before it that reach back far enough."""

    def __init__(self) -> None:
        self.seconds = 0.0
        """How far back it reaches, if so much has come since somebody watches."""
        self.size = 0
        """Bytes."""
        self._groups: deque[_Group] = deque()

    def __bool__(self) -> bool:
        return bool(self._groups)

    def __iter__(self) -> Iterator[bytes]:
        return (chunk for group in self._groups for chunk in group.chunks)

    @property
    def frames(self) -> int:
        """How many there are."""
        return sum(group.frames for group in self._groups)

    def add(self, chunk: bytes, now: float, *, key: bool, frames: int = 1) -> None:
        """`key`: it begins with a key frame. `now`: monotonic seconds."""
        if key:
            self._groups.append(_Group(now, [chunk], len(chunk), frames))
        elif self._groups:
            self._groups[-1].chunks.append(chunk)
            self._groups[-1].size += len(chunk)
            self._groups[-1].frames += frames
        else:
            return
        self.size += len(chunk)
        while len(self._groups) > 1 and self._is_spare(now):
            self.size -= self._groups.popleft().size
        if self.size > MAX_BYTES:
            self.clear()

    def _is_spare(self, now: float) -> bool:
        """Whether the oldest group is too old, or too much."""
        return self._groups[1].began <= now - self.seconds or self.size > MAX_BYTES

    def clear(self) -> None:
        self._groups.clear()
        self.size = 0
