"""How many sessions one address may open: a token of its own choice makes each request a new one.

A session costs a kilobyte in the supervisor, more in an egress worker, an event and a line of the
log of sessions, and stays for half a minute after its last request. Pure: the clock is given.

Invariants: this machine is not counted (proxies on it that are not `trusted_proxies` serve many); a
client of IPv6 has a whole /64; addresses that are quiet are forgotten; what is asked for counts,
also where a backend then refuses it or has not answered yet, or those would be without a bound.
"""

import logging

from media_rest.guessing import caller_key
from media_rest.same_origin import is_loopback

from media_streamer import budgets

log = logging.getLogger(__name__)

MAX_ADDRESSES = 10_000
"""Known before the quiet ones are looked for."""


class SessionQuota:
    """By address: `ADDRESS_SESSIONS` at once, and `ADDRESS_SESSIONS_PER_SECOND`."""

    def __init__(self) -> None:
        self._left: dict[str, tuple[float, float]] = {}
        """What was left, and when."""
        self._told: set[str] = set()

    def take(self, ip: str, now: float) -> bool:
        """Count one more of this address, if it may; `now` in monotonic seconds."""
        if is_loopback(ip):
            return True
        key = caller_key(ip)
        left = self._of(key, now)
        if left >= 1:
            if key not in self._left and len(self._left) >= MAX_ADDRESSES:
                self._forget_quiet(now)
            self._left[key] = left - 1, now
            return True
        if key not in self._told:
            self._told.add(key)
            log.warning(
                "sessions: %s asked for %d of them at once, more are let in at %d a second; if it"
                " is a proxy, name it in trusted_proxies",
                ip,
                budgets.ADDRESS_SESSIONS,
                budgets.ADDRESS_SESSIONS_PER_SECOND,
            )
        return False

    def __len__(self) -> int:
        return len(self._left)

    def _of(self, key: str, now: float) -> float:
        left, at = self._left.get(key, (budgets.ADDRESS_SESSIONS, now))
        gained = (now - at) * budgets.ADDRESS_SESSIONS_PER_SECOND
        return min(budgets.ADDRESS_SESSIONS, left + gained)

    def _forget_quiet(self, now: float) -> None:
        quiet = [key for key in self._left if self._of(key, now) >= budgets.ADDRESS_SESSIONS]
        for key in quiet:
            del self._left[key]
        self._told.intersection_update(self._left)
