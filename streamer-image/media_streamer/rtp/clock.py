"""From the 32-bit time stamps of RTP to a clock that does not wrap, and to the wall clock.

A sender report pairs a time stamp with the sender's wall clock (RFC 3550 6.4.1); by these pairs the
tracks of one sender are aligned. Before the first report each track counts from its first packet.
"""

_WRAP = 1 << 32
_HALF = 1 << 31
NTP_EPOCH_SECONDS = 2_208_988_800
"""From 1900 to 1970 (RFC 868)."""


class Unwrapper:
    """Time stamps of one track as integers that go on over the wrap."""

    def __init__(self) -> None:
        self._last: int | None = None

    def unwrap(self, timestamp: int) -> int:
        """The time stamp on the long clock: the nearest to the last one."""
        if self._last is None:
            self._last = timestamp
        else:
            self._last += ((timestamp - self._last + _HALF) % _WRAP) - _HALF
        return self._last


class SenderClock:
    """Wall clock of one track by its sender reports."""

    def __init__(self, clock_rate: int) -> None:
        self._rate = clock_rate
        self._unwrapper = Unwrapper()
        self._reference: tuple[int, float] | None = None

    def unwrap(self, timestamp: int) -> int:
        """The time stamp of a packet on the long clock, in ticks of the track's clock rate."""
        return self._unwrapper.unwrap(timestamp)

    def report(self, ntp: int, timestamp: int) -> None:
        """A sender report: 64-bit NTP time and the time stamp of the same moment."""
        seconds = ntp / (1 << 32) - NTP_EPOCH_SECONDS
        if ntp:  # 0: the sender has no clock (RFC 3550 6.4.1)
            self._reference = (self._unwrapper.unwrap(timestamp), seconds)

    @property
    def is_set(self) -> bool:
        """Whether there was a report."""
        return self._reference is not None

    def unix_seconds(self, ticks: int) -> float | None:
        """Sender's time at a long time stamp; None before the first report."""
        if self._reference is None:
            return None
        at, seconds = self._reference
        return seconds + (ticks - at) / self._rate


def ntp_time(unix_seconds: float) -> int:
    """64-bit NTP time (RFC 5905 6)."""
    return round((unix_seconds + NTP_EPOCH_SECONDS) * (1 << 32)) & ((1 << 64) - 1)
