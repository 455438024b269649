"""What was asked for of late, so that it need not be worked out again.

Invariant: it holds what was used in the last minute or two, and never more than so many: what
nobody uses any more (URIs of segments that are gone) takes no memory.
"""

import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

TURN_SECONDS = 60.0

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """Two generations: what is used moves to the young one, the old one is dropped as a whole."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`most`: so many are held at most, an even number."""
        self._half = most // 2
        self._clock = clock
        self._turned = clock()
        self._young: dict[Key, Value] = {}
        self._old: dict[Key, Value] = {}

    def __len__(self) -> int:
        return len(self._young.keys() | self._old.keys())

    def get(self, key: Key) -> Value | None:
        found = self._young.get(key)
        if found is None and (found := self._old.get(key)) is not None:
            self.put(key, found)
        return found

    def put(self, key: Key, value: Value) -> None:
        if len(self._young) >= self._half:
            self._turn()
        else:
            self.age()
        self._young[key] = value

    def age(self) -> None:
        """Drop what nobody has used for a while, also where nothing new comes."""
        if self._clock() - self._turned > TURN_SECONDS:
            self._turn()

    def _turn(self) -> None:
        self._old, self._young = self._young, {}
        self._turned = self._clock()
