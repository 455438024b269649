"""One clock for the receivers of a stream, whichever worker writes it. Pure.

When a media worker has died, its successor writes the same tracks with other sources and clocks
that begin anywhere. The source is each receiver's own anyway (`outgoing.py`); here its time stamps
are put on the clock that the receivers know, so that nobody has to connect again.
"""

from collections.abc import Sequence

from media_streamer.protocols.webrtc.packets import Batch, Packet
from media_streamer.rtp import rtcp, sdp

_SOURCE = b"a=x-ssrc:"
_MASK = 0xFFFFFFFF


def alike(before: bytes, now: bytes) -> bool:
    """Whether two descriptions tell of the same tracks, but for their sources."""
    return _without_sources(before) == _without_sources(now)


def _without_sources(description: bytes) -> list[bytes]:
    return [line for line in description.splitlines() if not line.startswith(_SOURCE)]


class Continuity:
    """Of one stream and worker."""

    def __init__(self) -> None:
        self._rates: dict[int, int] = {}
        self._before: dict[int, tuple[int, float]] = {}
        self._last: dict[int, tuple[int, float]] = {}
        """Newest time stamp of each channel, as it was sent, and when."""
        self._shifts: dict[int, int] = {}
        """What is added to time stamps; nothing is known of a channel until it has a packet."""

    def begin(self, description: bytes, *, goes_on: bool) -> None:
        """From now on it is written by somebody else; `goes_on`: for the same receivers."""
        self._before = self._last if goes_on else {}
        self._last, self._shifts = {}, {}
        try:
            media = sdp.parse(description.decode()).media if description else []
        except (ValueError, UnicodeDecodeError):
            media = []
        self._rates = {2 * number: one.clock_rate for number, one in enumerate(media)}

    def place(self, batch: Batch, now: float) -> Batch:
        """Put the packets and reports of a batch on the clock; `now` in seconds."""
        for channel, packets in batch.packets.items():
            shift = self._shift(channel, packets[0].timestamp, now)
            if shift:
                batch.packets[channel] = packets = _moved(packets, shift)
            self._last[channel] = packets[-1].timestamp, now
        for channel, report in list(batch.reports.items()):
            known = self._shifts.get(channel, 0 if channel not in self._before else None)
            if known is None:  # the clock is not known before the first packet
                del batch.reports[channel]
            elif known:
                batch.reports[channel] = rtcp.with_timestamp(report, known)
        return batch

    def _shift(self, channel: int, timestamp: int, now: float) -> int:
        shift = self._shifts.get(channel)
        if shift is None:
            before = self._before.get(channel)
            shift = 0
            if before is not None:
                passed = round((now - before[1]) * self._rates.get(channel, 0))
                shift = (before[0] + passed - timestamp) & _MASK
                if min(shift, _MASK - shift) < self._rates.get(channel, 0):
                    shift = 0  # it was the same clock all along
            self._shifts[channel] = shift
        return shift


def _moved(packets: Sequence[Packet], shift: int) -> list[Packet]:
    return [one._replace(timestamp=(one.timestamp + shift) & _MASK) for one in packets]
