"""Loss and jitter of one source, as the reports of its receiver carry them (RFC 3550 A.3, A.8)."""

import time

from media_streamer.rtp.packet import Packet, distance
from media_streamer.rtp.rtcp import ReportBlock, SenderReport


class Reception:
    """Counts the packets of one SSRC."""

    def __init__(self, ssrc: int, clock_rate: int) -> None:
        self.ssrc = ssrc
        self.received = 0
        self._rate = clock_rate
        self._base: int | None = None
        self._highest = 0
        """Extended: the number of wraps above 16 bits."""
        self._jitter = 0.0
        self._transit: float | None = None
        self._expected_before = self._received_before = 0
        self._report: tuple[int, float] | None = None

    def packet(self, packet: Packet, now: float | None = None) -> None:
        """A packet came at `now` (monotonic seconds)."""
        now = time.monotonic() if now is None else now
        if self._base is None:
            self._base = self._highest = packet.sequence
        step = distance(packet.sequence, self._highest & 0xFFFF)
        if step > 0:
            self._highest += step
        self.received += 1
        transit = now * self._rate - packet.timestamp
        if self._transit is not None:
            change = abs(transit - self._transit)
            if change < self._rate:  # a wrap, or a clock that started anew, is no jitter
                self._jitter += (change - self._jitter) / 16
        self._transit = transit

    def sender_report(self, report: SenderReport, now: float | None = None) -> None:
        """The source reported: its next report block refers to that."""
        self._report = (report.ntp >> 16 & 0xFFFFFFFF, time.monotonic() if now is None else now)

    @property
    def expected(self) -> int:
        """Packets that were sent, as the numbers say."""
        return 0 if self._base is None else self._highest - self._base + 1

    @property
    def lost(self) -> int:
        """Packets that never came; duplicates make it negative (6.4.1)."""
        return self.expected - self.received

    def block(self, now: float | None = None) -> ReportBlock:
        """The report block since the last call."""
        now = time.monotonic() if now is None else now
        expected = self.expected - self._expected_before
        lost = expected - (self.received - self._received_before)
        self._expected_before, self._received_before = self.expected, self.received
        fraction = (lost << 8) // expected if expected > 0 and lost > 0 else 0
        last, delay = 0, 0
        if self._report is not None:
            last, delay = self._report[0], round((now - self._report[1]) * 65536)
        return ReportBlock(
            self.ssrc, min(fraction, 255), self.lost, self._highest, int(self._jitter), last, delay
        )
