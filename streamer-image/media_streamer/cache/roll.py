"""Which viewers the origin has heard of lately. Pure.

Viewers that ask for the same playlist at the same time share a request to the origin, which names
one of them. With blocking reloads (LL-HLS) that is all of them, all the time; so each asks on its
own from time to time, and the origin counts every viewer as a session.
"""

from collections import OrderedDict

OWN_EVERY_SECONDS = 20.0
"""An origin ends a session 60 s after its last request."""
MAX_CALLERS = 200_000

Caller = tuple[str, str, str]
"""Stream, address, identity."""


class Roll:
    """Times are seconds of a monotonic clock. Bounded: the oldest calls are forgotten."""

    def __init__(self, most: int = MAX_CALLERS) -> None:
        self._most = most
        self._called: OrderedDict[int, float] = OrderedDict()

    def is_due(self, caller: Caller, now: float) -> bool:
        """Whether the origin must hear of this viewer."""
        called = self._called.get(hash(caller))
        return called is None or now - called > OWN_EVERY_SECONDS

    def called(self, caller: Caller, now: float) -> None:
        """A request in this viewer's name goes to the origin."""
        self._called.pop(hash(caller), None)
        self._called[hash(caller)] = now
        if len(self._called) > self._most:
            self._called.popitem(last=False)
