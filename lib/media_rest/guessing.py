"""Wrong passwords cost the guesser time: by address, by login, and by both together.

After `FREE_FAILURES` wrong answers a caller must wait before he is heard again, each time twice as
long. A login that is guessed from everywhere is heard every `CROWD_WAIT_SECONDS` only: whoever
knows its password gets in all the same, also where it was never used. An address that lately had
the right password of a login waits for its own mistakes with that login only: nobody can lock out
the people who work there, neither by guessing their login from everywhere nor by a program with a
wrong key behind the same router. While somebody waits he is not heard at all, so that guessing on
tells him nothing. Pure: the clock is passed in.

Bound: `MAX_KEYS` addresses and logins are remembered, the oldest are forgotten.
"""

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TypeVar

FREE_FAILURES = 5
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 60.0
CROWD_FREE_FAILURES = 100
CROWD_WAIT_SECONDS = 2.0
"""43,200 guesses a day, however many addresses share in it."""
FORGET_SECONDS = 900.0
"""An address that was quiet for so long begins anew."""
TRUST_SECONDS = 7 * 86400.0
MAX_KEYS = 20_000
MAX_LOGIN_CHARACTERS = 64
K = TypeVar("K")
V = TypeVar("V")
_Key = tuple[str | None, str | None]
"""(address, login); None stands for any."""


def caller_key(address: str) -> str:
    """What `address` is remembered by: whoever has one IPv6 address has 2^64 of them."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv4Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))


@dataclass(slots=True)
class _Record:
    failures: int = 0
    last: float = 0.0
    until: float = 0.0


@dataclass(slots=True)
class GuessLimiter:
    """`wait_for` before a password is looked at; `failed` or `succeeded` after."""

    failures_total: int = 0
    """Wrong passwords since the start, for a metric."""
    refused_total: int = 0
    """Attempts that were not even looked at."""
    _records: OrderedDict[_Key, _Record] = field(default_factory=OrderedDict)
    _trusted: OrderedDict[tuple[str, str], float] = field(default_factory=OrderedDict)

    def wait_for(self, address: str, login: str, now: float) -> float:
        """Seconds that this caller must wait; 0 if he may try."""
        address, login = caller_key(address), login[:MAX_LOGIN_CHARACTERS]
        wait = self._wait((address, login), now)
        if now - self._trusted.get((address, login), -TRUST_SECONDS) >= TRUST_SECONDS:
            wait = max(wait, self._wait((address, None), now), self._wait((None, login), now))
        if wait:
            self.refused_total += 1
        return wait

    def failed(self, address: str, login: str, now: float) -> int:
        """A wrong password. Returns how many came from that address lately."""
        address, login = caller_key(address), login[:MAX_LOGIN_CHARACTERS]
        self.failures_total += 1
        self._count((address, login), now)
        self._count((None, login), now)
        return self._count((address, None), now)

    def succeeded(self, address: str, login: str, now: float) -> None:
        """The right password. What was wrong before still counts: others share the address."""
        _remember(self._trusted, (caller_key(address), login[:MAX_LOGIN_CHARACTERS]), now)

    def _wait(self, key: _Key, now: float) -> float:
        record = self._records.get(key)
        return max(0.0, record.until - now) if record is not None else 0.0

    def _count(self, key: _Key, now: float) -> int:
        record = self._records.get(key)
        if record is None or now - record.last > FORGET_SECONDS:
            record = _Record()
        record.failures += 1
        record.last = now
        free, longest = FREE_FAILURES, LONGEST_WAIT_SECONDS
        if key[0] is None:
            free, longest = CROWD_FREE_FAILURES, CROWD_WAIT_SECONDS
        excess = record.failures - free
        if excess >= 0:
            wait = FIRST_WAIT_SECONDS * 2.0 ** min(excess, 30)
            record.until = now + min(wait, longest)
        _remember(self._records, key, record)
        return record.failures


def _remember(table: OrderedDict[K, V], key: K, value: V) -> None:
    table[key] = value
    table.move_to_end(key)
    if len(table) > MAX_KEYS:
        table.popitem(last=False)
