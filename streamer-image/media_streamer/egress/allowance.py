"""What peers may still cost: units a second of one connection, and bytes that are held for all
connections of one address.

Pure: the clock is given.
"""

from collections import Counter

from media_rest.guessing import caller_key


class Allowance:
    """A rate with a bound for what may come at once. What was spent too much is owed."""

    def __init__(self, per_second: float, at_once: float, now: float) -> None:
        self._per_second = per_second
        self._at_once = self._left = at_once
        self._at = now

    def left(self, now: float) -> int:
        """Units that may be spent now; below one: none, for `wait` seconds."""
        self._left = min(self._at_once, self._left + (now - self._at) * self._per_second)
        self._at = now
        return int(self._left)

    def spend(self, units: int) -> None:
        self._left -= units

    def wait(self, units: int = 1) -> float:
        """Seconds from the last `left` until so many are there."""
        return max(0.0, (units - self._left) / self._per_second)


class HeldBytes:
    """Bytes that connections hold for messages that are not complete, by address of the peer."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._of: Counter[str] = Counter()

    def open(self, address: str) -> "Account":
        """Of one connection."""
        return self.of(caller_key(address))

    def of(self, key: str) -> "Account":
        """The same of one of whom it is known whose share it takes."""
        return Account(self, key)

    def total(self, address: str) -> int:
        return self._of[caller_key(address)]

    def _add(self, key: str, change: int) -> bool:
        total = self._of[key] + change
        if total > 0:
            self._of[key] = total
        else:
            del self._of[key]
        return total <= self.limit


class Account:
    """What one connection holds."""

    __slots__ = ("_all", "_held", "_key")

    def __init__(self, every: HeldBytes, key: str) -> None:
        self._all, self._key, self._held = every, key, 0

    @property
    def limit(self) -> int:
        return self._all.limit

    @property
    def is_over(self) -> bool:
        """Whether all of the address hold too many together."""
        return self._all._of[self._key] > self._all.limit

    def hold(self, size: int) -> bool:
        """It holds `size` bytes now; False if its address holds too many."""
        change, self._held = size - self._held, size
        return self._all._add(self._key, change) if change else True
