"""When packets of a transport came, as their sender wants to know it to find out what the path
carries (draft-holmer-rmcat-transport-wide-cc-extensions-01).

Invariant: what is kept between two calls of `feedback` is bounded.
"""

import struct

from media_streamer.rtp import rtcp
from media_streamer.rtp.packet import distance

URI = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
MAX_PACKETS = 2048
"""Between two feedbacks: 50 ms of 400 Mb/s. A larger jump is a sender that counts anew."""
MAX_STATUSES = 400
"""In one message, which then has a datagram's size at most."""
_TICKS = 4000
"""A second of the deltas (3.1.5)."""
_REFERENCE_TICKS = 256
"""64 ms, in which the reference time counts."""
_LOST, _SMALL, _LARGE = 0, 1, 2
_VECTOR = 7
"""Symbols of a chunk of two bits each."""


class Arrivals:
    """Of one transport."""

    def __init__(self) -> None:
        self._next: int | None = None
        """The first number that was not reported yet, unwrapped."""
        self._highest = 0
        self._ticks: dict[int, int] = {}
        self._count = 0

    def packet(self, sequence: int, now: float) -> None:
        """A packet with this number came at `now`, monotonic seconds."""
        if self._next is None:
            self._next = self._highest = sequence
        number = self._highest + distance(sequence, self._highest & 0xFFFF)
        if not -MAX_PACKETS < number - self._next < MAX_PACKETS:
            self._next = number
            self._ticks.clear()
        elif number < self._next or len(self._ticks) >= MAX_PACKETS:
            return  # told already as lost
        self._highest = number if not self._ticks else max(self._highest, number)
        self._ticks.setdefault(number, int(now * _TICKS))

    def feedback(self, sender: int, media: int) -> list[bytes]:
        """Messages on all that came since the last call; none if nothing did."""
        messages = []
        while self._ticks and self._next is not None:
            count = min(self._highest - self._next + 1, MAX_STATUSES)
            message, told = self._message(self._next, count)
            messages.append(rtcp.transport_feedback(sender, media, message))
            for number in range(self._next, self._next + told):
                self._ticks.pop(number, None)
            self._next += told
        return messages

    def _message(self, base: int, count: int) -> tuple[bytes, int]:
        """Body of a message on some packets from `base` on, and on how many it is."""
        first = next((self._ticks[n] for n in range(base, base + count) if n in self._ticks), 0)
        reference = first // _REFERENCE_TICKS
        before = reference * _REFERENCE_TICKS
        symbols: list[int] = []
        deltas: list[bytes] = []
        for number in range(base, base + count):
            ticks = self._ticks.get(number)
            if ticks is None:
                symbols.append(_LOST)
                continue
            delta = ticks - before
            if not -(1 << 15) <= delta < 1 << 15:
                break  # told of in a message of its own
            small = 0 <= delta < 256
            symbols.append(_SMALL if small else _LARGE)
            deltas.append(delta.to_bytes(1) if small else delta.to_bytes(2, signed=True))
            before = ticks
        head = struct.pack(
            ">HHI",
            base & 0xFFFF,
            len(symbols),
            (reference & 0xFFFFFF) << 8 | self._count & 0xFF,
        )
        self._count += 1
        return head + _chunks(symbols) + b"".join(deltas), len(symbols)


def _chunks(symbols: list[int]) -> bytes:
    """Runs of equal symbols, and vectors of different ones (3.1.3, 3.1.4)."""
    chunks = []
    at = 0
    while at < len(symbols):
        run = at
        while run < len(symbols) and symbols[run] == symbols[at]:
            run += 1
        if run - at >= _VECTOR:
            chunks.append(symbols[at] << 13 | run - at)
            at = run
        else:
            vector = [*symbols[at : at + _VECTOR], *[_LOST] * _VECTOR][:_VECTOR]
            chunk = 3
            for symbol in vector:
                chunk = chunk << 2 | symbol
            chunks.append(chunk)
            at += _VECTOR
    return struct.pack(f">{len(chunks)}H", *chunks)
