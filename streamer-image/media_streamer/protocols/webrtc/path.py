"""What the path to a receiver carries, by what the receiver says of it. Pure: the clock is given.

Role: three kinds of receivers tell three things: when each packet came (transport-wide feedback),
what it believes to get through (REMB), how much was lost (reports). Of that one measure is made.

How: a queue on the path shows as delay over the shortest one that was seen of late. A key frame
fills it for a moment on any path, so what counts is the queue that never drains within a second
(as CoDel has it, RFC 8289 3.1).
"""

from array import array
from collections import deque
from dataclasses import dataclass

from media_streamer.rtp.rtcp import TransportFeedback

SLOTS = 2048
"""Packets whose departure is remembered: a second of 20 Mb/s."""
WINDOW_SECONDS = 1.0
LOSS_SECONDS = 2.5
"""Over which losses are counted: a key frame that does not fit a short buffer is repaired."""
BASE_SECONDS = 15.0
"""The shortest delay is that of the last one to two of these: clocks drift and paths change."""
STANDING_SECONDS = 0.1
"""A queue that never drains below this is one that grows, or that was filled up."""
CLEAR_SECONDS = 0.03
LOST_SHARE, CLEAR_SHARE = 0.1, 0.02
LATE_SECONDS, LATE_SHARE = 0.5, 0.3
"""Beyond this pictures are not worth their way: the next key frame is nearer."""
MIN_PACKETS = 50
"""Of fewer no share is made."""
ESTIMATE_SECONDS = 5.0
"""For which a receiver's own estimate holds."""
_TICK = 1 / 4000
_REFERENCE_SECONDS = 0.064
_REFERENCES = 1 << 24


@dataclass(frozen=True, slots=True)
class Measure:
    """Of the last second."""

    standing: float
    """Seconds of queue that were there all the time."""
    loss: float
    """Share of packets, 0 to 1."""
    rate: int
    """Bits a second that get through; 0: not known."""
    short: bool = False
    """The receiver believes that less gets through than it is sent."""
    known: bool = True

    @property
    def is_over(self) -> bool:
        """It is sent more than the path carries."""
        return self.standing > STANDING_SECONDS or self.loss > LOST_SHARE or self.short

    @property
    def is_late(self) -> bool:
        """What is sent now comes too late, or in pieces."""
        return self.standing > LATE_SECONDS or self.loss > LATE_SHARE

    @property
    def is_clear(self) -> bool:
        """Nothing tells of a limit."""
        quiet = self.standing < CLEAR_SECONDS and self.loss < CLEAR_SHARE
        return self.known and quiet and not self.short


@dataclass(frozen=True, slots=True)
class _Sample:
    at: float
    delay: float | None
    bytes: int
    received: int
    lost: int


class Path:
    """To one receiver."""

    def __init__(self) -> None:
        self.lost = 0
        """Packets that did not come, in all."""
        self._next = 0
        self._times = array("d", bytes(8 * SLOTS))
        self._sizes = array("H", bytes(2 * SLOTS))
        self._samples: deque[_Sample] = deque(maxlen=256)
        self._references: int | None = None
        self._began: float | None = None
        """When the first feedback came."""
        self._base = self._former_base = float("inf")
        self._base_since = 0.0
        self._estimate, self._estimated_at = 0, float("-inf")
        self._sent_since, self._sent_bytes, self._sent_rate = 0.0, 0, 0

    def sent(self, sizes: list[int], now: float) -> int:
        """Packets of these sizes go out; returns the number of the first on the transport."""
        first = self._next
        times, kept = self._times, self._sizes
        for number, size in enumerate(sizes, first):
            slot = number % SLOTS
            times[slot], kept[slot] = now, size
        self._next = first + len(sizes)
        self._sent_bytes += sum(sizes)
        passed = now - self._sent_since
        if passed >= WINDOW_SECONDS:
            self._sent_rate = round(8 * self._sent_bytes / passed)
            self._sent_since, self._sent_bytes = now, 0
        return first

    def feedback(self, told: TransportFeedback, now: float) -> None:
        """The receiver says when packets came."""
        began = self._unwrapped(told.reference) * _REFERENCE_SECONDS
        shortest: float | None = None
        size = received = lost = 0
        # The last packet that has this number on the circle of 16 bits.
        base = self._next - 1 - ((self._next - 1 - told.base) & 0xFFFF)
        for number, ticks in enumerate(told.arrivals, base):
            if not 0 <= number < self._next or self._next - number > SLOTS:
                continue
            if ticks is None:
                lost += 1
                continue
            slot = number % SLOTS
            delay = began + ticks * _TICK - self._times[slot]
            shortest = delay if shortest is None else min(shortest, delay)
            size += self._sizes[slot]
            received += 1
        self.lost += lost
        if received or lost:
            self._samples.append(_Sample(now, shortest, size, received, lost))
        if self._began is None:
            self._began = now
        if shortest is not None:
            self._learn(shortest, now)

    def estimate(self, bit_rate: int, now: float) -> None:
        """The receiver says what it believes to get through (REMB)."""
        self._estimate, self._estimated_at = bit_rate, now

    def report(self, fraction_lost: int, now: float) -> None:
        """A reception report on the video: loss since the last one in 1/256.

        Counted only where packets are not told of one by one.
        """
        if self._references is None:
            self._samples.append(_Sample(now, None, 0, 256 - fraction_lost, fraction_lost))

    def measure(self, now: float) -> Measure:
        """Of the second before `now`; of less nothing is made."""
        recent = [one for one in self._samples if now - one.at <= WINDOW_SECONDS]
        longer = [one for one in self._samples if now - one.at <= LOSS_SECONDS]
        received = sum(one.received for one in longer)
        lost = sum(one.lost for one in longer)
        loss = lost / (received + lost) if received + lost >= MIN_PACKETS else 0.0
        if self._references is None:
            fresh = now - self._estimated_at <= ESTIMATE_SECONDS
            short = fresh and self._estimate < 0.9 * self._sent_rate
            rate = self._estimate if fresh else 0
            return Measure(0.0, loss, rate, short, known=fresh or bool(recent))
        if self._began is None or now - self._began < WINDOW_SECONDS:
            return Measure(0.0, 0.0, 0, known=False)
        delays = [one.delay for one in recent if one.delay is not None]
        standing = max(0.0, min(delays) - min(self._base, self._former_base)) if delays else 0.0
        rate = round(8 * sum(one.bytes for one in recent) / WINDOW_SECONDS)
        return Measure(standing, loss, rate, known=bool(recent))

    def _unwrapped(self, reference: int) -> int:
        if self._references is None:
            self._references = reference
        step = (reference - self._references + _REFERENCES // 2) % _REFERENCES - _REFERENCES // 2
        self._references += step
        return self._references

    def _learn(self, delay: float, now: float) -> None:
        if now - self._base_since > BASE_SECONDS:
            self._former_base, self._base = self._base, delay
            self._base_since = now
        self._base = min(self._base, delay)
