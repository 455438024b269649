"""A sender's tracks: packets in, frames on one common clock out.

Each track of RTP counts from a number of its own. Sender reports tell the wall clock of a time
stamp (RFC 3550 6.4.1), by which tracks are aligned; until a track has its first report it is placed
by the arrival of its first packet. Memory is bounded by the jitter buffer and the depacketizers.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from media_streamer.rtp import rtcp
from media_streamer.rtp.clock import SenderClock
from media_streamer.rtp.codecs import Incoming
from media_streamer.rtp.decode_order import DecodeOrder
from media_streamer.rtp.jitter import MAX_DISORDER, JitterBuffer
from media_streamer.rtp.packet import Packet, PacketError, distance, parse
from media_streamer.rtp.payloads.base import Sample
from media_streamer.rtp.reception import Reception

TICKS = 90_000
"""Ticks a second of the frames that come out."""
MAX_CORRECTION_TICKS = TICKS // 50
"""A new report moves a track only if it is out by more: two frames of sound."""
_REORDERED = frozenset({"h264", "hevc", "av1"})


@dataclass(frozen=True, slots=True)
class ReceivedFrame:
    """A frame; stamps in ticks of 90 kHz that all tracks of the sender share."""

    dts: int
    pts: int
    key: bool
    data: bytes
    intact: bool


class CommonClock:
    """What the tracks of one sender share: when it began, here and on its own wall clock."""

    def __init__(self, now: float | None = None) -> None:
        self.arrival = time.monotonic() if now is None else now
        self.sender_start: float | None = None
        """Wall clock of the sender at tick 0, once a report has told it."""


class ReceivedTrack:
    """One track of a sender."""

    def __init__(
        self,
        incoming: Incoming,
        clock: CommonClock,
        *,
        reorder: bool,
        payload_type: int | None = None,
    ) -> None:
        """`reorder`: packets may come in any order (UDP). Others than `payload_type` are passed
        over; None: there are none."""
        self._payload_type = payload_type
        self.codec = incoming.codec
        self.lost = 0
        self.packets = 0
        """That came."""
        self._rate = incoming.clock_rate
        self._clock = clock
        self._depacketizer = incoming.depacketizer
        self._jitter = JitterBuffer() if reorder else None
        self._order = DecodeOrder(TICKS) if incoming.codec in _REORDERED else None
        self._sender = SenderClock(incoming.clock_rate)
        self._reception: Reception | None = None
        self._ssrc: int | None = None
        self._expected: int | None = None
        self._timestamp = 0
        self._offset: int | None = None
        """From ticks of the track's clock to the common one, in ticks of 90 kHz."""
        self.sent_at: float | None = None
        """Unix time of the last frame by the sender's clock; None before its first report."""

    def take(self, data: bytes, now: float | None = None) -> Iterator[ReceivedFrame]:
        """A packet came; frames that are complete. What is no RTP is passed over."""
        try:
            packet = parse(data)
        except PacketError:
            return
        if self._payload_type is not None and packet.payload_type != self._payload_type:
            return
        now = time.monotonic() if now is None else now
        if packet.ssrc != self._ssrc:
            self._begin(packet)
        assert self._reception is not None
        self._reception.packet(packet, now)
        self.packets += 1
        for ready in [packet] if self._jitter is None else self._jitter.push(packet):
            yield from self._feed(ready, now)

    def poll(self, now: float | None = None) -> Iterator[ReceivedFrame]:
        """Frames behind packets that have been waited for long enough."""
        if self._jitter is not None:
            for ready in self._jitter.poll():
                yield from self._feed(ready, time.monotonic() if now is None else now)

    def missing(self) -> list[int]:
        """Numbers of packets that a NACK may ask for."""
        return [] if self._jitter is None else self._jitter.missing()

    def control(self, element: rtcp.Element, now: float | None = None) -> None:
        """What the sender's RTCP says."""
        if isinstance(element, rtcp.SenderReport) and element.ssrc == (self._ssrc or element.ssrc):
            self._sender.report(element.ntp, element.timestamp)
            if self._reception is not None:
                self._reception.sender_report(element, now)

    @property
    def knows_wall_clock(self) -> bool:
        """Whether the sender has paired a time stamp with its wall clock."""
        return self._sender.is_set

    @property
    def ssrc(self) -> int | None:
        """Whom feedback is for; None before the first packet."""
        return self._ssrc

    def report(self, now: float | None = None) -> rtcp.ReportBlock | None:
        """Our view of the track for a receiver report."""
        return self._reception.block(now) if self._reception is not None else None

    def _begin(self, packet: Packet) -> None:
        """The first packet, or a sender that started anew."""
        self._ssrc = packet.ssrc
        self._reception = Reception(packet.ssrc, self._rate)
        self._expected = None
        if self._jitter is not None:
            self._jitter = JitterBuffer()
        if self._offset is not None:
            self._sender = SenderClock(self._rate)
            self._offset = None

    def _feed(self, packet: Packet, now: float) -> Iterator[ReceivedFrame]:
        if self._expected is not None and packet.sequence != self._expected:
            step = distance(packet.sequence, self._expected)
            if step == -1 and packet.timestamp == self._timestamp:
                return  # sent twice
            if 0 < step <= MAX_DISORDER:  # else the sender counts anew
                self.lost += step
            self._depacketizer.lose()
        self._expected, self._timestamp = (packet.sequence + 1) & 0xFFFF, packet.timestamp
        for sample in self._depacketizer.feed(packet.payload, packet.timestamp, packet.marker):
            yield self._frame(sample, now)

    def _frame(self, sample: Sample, now: float) -> ReceivedFrame:
        ticks = self._sender.unwrap(sample.timestamp)
        pts = ticks * TICKS // self._rate + self._aligned(ticks, now)
        dts = pts if self._order is None else self._order.dts(pts)
        return ReceivedFrame(dts, pts, sample.key, sample.data, sample.intact)

    def _aligned(self, ticks: int, now: float) -> int:
        """Offset to the common clock, by the sender's wall clock where it is known."""
        own = ticks * TICKS // self._rate
        unix = self.sent_at = self._sender.unix_seconds(ticks)
        if unix is not None:
            if self._clock.sender_start is None:
                at = own + self._offset if self._offset is not None else self._since(now)
                self._clock.sender_start = unix - at / TICKS
            offset = round((unix - self._clock.sender_start) * TICKS) - own
            if self._offset is None or abs(offset - self._offset) > MAX_CORRECTION_TICKS:
                self._offset = offset
        elif self._offset is None:
            self._offset = self._since(now) - own
        return self._offset or 0

    def _since(self, now: float) -> int:
        return round((now - self._clock.arrival) * TICKS)
