"""Sending by WebRTC: what a broadcast writes to, paced, and what answers a receiver's feedback.

The receiver is a viewer, or a server that a stream is pushed to: `on_connected` and `on_closed` of
who sends say which. What its path does not carry is not sent: another rendition is, or no pictures
until the next key frame, so that its delay does not grow.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence

from media_streamer.egress.broadcast import Broadcast, Format
from media_streamer.egress.served_sessions import Account
from media_streamer.protocols.webrtc.connection import PeerConnection
from media_streamer.protocols.webrtc.framing import WebRtcFraming
from media_streamer.protocols.webrtc.outgoing import Chosen, Outgoing
from media_streamer.protocols.webrtc.packets import Batch, Packet, squeeze
from media_streamer.protocols.webrtc.path import Path
from media_streamer.protocols.webrtc.renditions import Renditions
from media_streamer.protocols.webrtc.rungs import Rungs
from media_streamer.rtp import rtcp

FORMAT: Format = "webrtc"
BURST_BYTES = 24 * 1024
"""What goes out at once; the rest follows at this much every `BURST_SECONDS`: 39 Mb/s, which most
paths carry, and which a start or a key frame does not have to wait for."""
BURST_SECONDS = 0.005
SLOW_SECONDS = 0.04
"""A peer by TCP that has not taken what it was sent gets more after so long."""
START_SECONDS = 0.5
"""In which a start is out, however long its group of pictures is."""
MAX_BUFFER_BYTES = 2 * 1024 * 1024
REPEATS_A_SECOND = 500
"""Packets that are sent again for one viewer: a third of 2 Mb/s and more is no repair any more."""
REPEATABLE_SECONDS = 10.0
"""For which the start can be sent again; long before its numbers come around."""
KEY_FRAME_SECONDS = 1.0
"""Between two wishes of one viewer."""
JUDGE_SECONDS = 0.1
RESUME_SECONDS = 0.25
"""Of a queue on the path with which pictures go on."""


class MediaSender(ABC):
    """Handler of a peer connection, and the transport of a broadcast."""

    connection: PeerConnection
    squeezes = True
    """The receiver shows what it gets at once: the start is squeezed up to the present."""
    _framing: WebRtcFraming

    def __init__(self, chosen: Sequence[Chosen]) -> None:
        self._sections = [Outgoing(one) for one in chosen]
        self._by_source = {one.chosen.ssrc: one for one in self._sections}
        self._video = next((one for one in self._sections if one.chosen.kind == "video"), None)
        self.renditions = Renditions(self._video.chosen.channel if self._video else -1)
        self.path = Path()
        self._rungs = Rungs()
        self._loop = asyncio.get_running_loop()
        self._broadcast: Broadcast | None = None
        self._account = Account()
        self._waiting: deque[tuple[Outgoing, Packet]] = deque()
        self._bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._began = False
        self._quota = BURST_BYTES
        self.repeated = 0
        """Packets that were sent again."""
        self._repeats, self._repeats_from = 0, 0.0
        self._wished_at = self._judged_at = self._started_at = 0.0

    def take_from(self, broadcast: Broadcast) -> None:
        """What comes is of this broadcast, whose framing is that of WebRTC."""
        assert isinstance(broadcast.framer, WebRtcFraming)
        self._broadcast, self._framing = broadcast, broadcast.framer

    def pay_by(self, account: Account) -> None:
        """What was and will be sent is counted there."""
        account.bytes += self._account.bytes
        account.dropped_gops += self._account.dropped_gops
        self._account = account

    # Handler of the connection

    @abstractmethod
    def on_connected(self) -> None:
        """Media may be sent."""

    @abstractmethod
    def on_closed(self, reason: str) -> None:
        """Nothing can be sent any more."""

    def on_rtp(self, packet: bytes) -> None:  # noqa: B027 - nothing is to be done
        """A receiver sends none."""

    def on_rtcp(self, packet: bytes) -> None:
        now = self._loop.time()
        for element in rtcp.parse(packet):
            match element:
                case rtcp.Nack():
                    self._repeat(element, now)
                case rtcp.KeyFrameRequest():
                    self._wish(now)
                case rtcp.TransportFeedback():
                    self.path.feedback(element, now)
                case rtcp.Estimate():
                    self.path.estimate(element.bit_rate, now)
                case rtcp.ReceiverReport(blocks=blocks) | rtcp.SenderReport(blocks=blocks):
                    for block in blocks:
                        if self._by_source.get(block.ssrc) is self._video:
                            self.path.report(block.fraction_lost, now)
                case rtcp.Goodbye():
                    self._loop.call_soon(self.connection.close, "the receiver said goodbye")
        self._judge(now)

    # Transport of the broadcast

    def write(self, data: bytes) -> None:
        """Send interleaved packets; the first time those of the group of pictures so far."""
        batch = self._framing.batch(data)
        if not self._began:
            self._began = True
            self._start(batch)
            return
        for section in self._sections:
            self._send(section, batch)
        self._report(batch)
        if self._waiting and self._timer is None:
            self._flush()

    def get_write_buffer_size(self) -> int:
        """Bytes that wait for their turn, or for a peer by TCP."""
        return self._bytes + self.connection.unsent

    @property
    def _is_slow(self) -> bool:
        return self.connection.unsent > BURST_BYTES

    def is_closing(self) -> bool:
        return not self.connection.is_open

    def abort(self) -> None:
        """Send nothing of what waits."""
        self._waiting.clear()
        self._bytes = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _start(self, batch: Batch) -> None:
        """Sound begins with what comes next where the pictures are squeezed. Where they are not,
        the reports come first: only by them a receiver knows how sound lies that comes behind all
        the pictures of a start."""
        if not self.squeezes:
            self._report(batch)
        self._started_at = self._loop.time()
        for section in self._sections:
            packets = batch.packets.get(section.chosen.channel, [])
            if section is self._video:
                self.renditions.start(packets)
            if self.squeezes:
                packets = squeeze(packets) if section is self._video else []
                section.move(packets)
            self._queue(section, packets)
        self._quota = max(BURST_BYTES, round(self._bytes * BURST_SECONDS / START_SECONDS))
        if self._waiting:
            self._flush()
        if self.squeezes:
            self._report(batch)

    def _report(self, batch: Batch) -> None:
        """Sender reports, under the source that the receiver knows."""
        for section in self._sections:
            channel = self.renditions.channel if section is self._video else section.chosen.channel
            report = batch.reports.get(channel)
            if report is not None:
                self.connection.send_rtcp(rtcp.with_source(report, section.chosen.ssrc))

    def _send(self, section: Outgoing, batch: Batch) -> None:
        channel = section.chosen.channel
        if section is not self._video:
            packets, runs = batch.packets.get(channel, []), batch.runs.get(channel)
        elif self.renditions.is_plain:
            packets = self.renditions.take(batch)
            runs = batch.runs.get(self.renditions.channel)
        else:
            packets, runs = self._pictures(batch), None
        if not packets:
            return
        size = sum(len(packet.payload) for packet in packets)
        if self._timer is None and not self._waiting and size <= BURST_BYTES and not self._is_slow:
            self._emit(section, packets, runs)
        else:
            self._queue(section, packets)

    def _queue(self, section: Outgoing, packets: Sequence[Packet]) -> None:
        self._waiting.extend((section, packet) for packet in packets)
        self._bytes += sum(len(packet.payload) for packet in packets)

    def _flush(self) -> None:
        if self._is_slow:
            self._timer = self._loop.call_later(SLOW_SECONDS, self._flush)
            return
        self._timer = None
        left = self._quota
        while self._waiting and left > 0:
            section, packets = self._waiting[0][0], list[Packet]()
            while self._waiting and left > 0 and self._waiting[0][0] is section:
                packet = self._waiting.popleft()[1]
                packets.append(packet)
                left -= len(packet.payload)
                self._bytes -= len(packet.payload)
            self._emit(section, packets)
        if self._waiting:
            self._timer = self._loop.call_later(BURST_SECONDS, self._flush)
        else:
            self._quota = BURST_BYTES

    def _emit(
        self, section: Outgoing, packets: Sequence[Packet], runs: Sequence[int] | None = None
    ) -> None:
        head = section.header_bytes
        sizes = [len(packet.payload) + head for packet in packets]
        self._account.bytes += sum(sizes)
        first = self.path.sent(sizes, self._loop.time()) if section.chosen.transport_id else 0
        self.connection.send_rtp(section.stamp(packets, first), runs)

    # What the path carries

    def _pictures(self, batch: Batch) -> list[Packet]:
        """Pictures while another rendition is on its way, or none are sent."""
        before, now = self.renditions.channel, self._loop.time()
        may_resume = self.path.measure(now).standing < RESUME_SECONDS
        packets = self.renditions.take(batch, may_resume)
        if self.renditions.channel != before:
            self._rungs.switched(now)
        return packets

    def _judge(self, now: float) -> None:
        """Heed what the receiver says of the path."""
        if now - self._judged_at < JUDGE_SECONDS or self._broadcast is None or not self._video:
            return
        self._judged_at = now
        measure, renditions = self.path.measure(now), self.renditions
        if renditions.is_plain and self._video.chosen.others:
            rates = {one: self._framing.rate(one) for one in self._video.channels}
            if all(rates.values()):
                order = sorted(rates, key=lambda one: -rates[one])
                other = sum(
                    self._framing.rate(one.chosen.channel)
                    for one in self._sections
                    if one is not self._video
                )
                at, falling = order.index(renditions.channel), [rates[one] for one in order]
                renditions.wanted = order[self._rungs.judge(now, at, falling, other, measure)]
                if renditions.wanted != renditions.channel:
                    self._broadcast.request_key_frame()
        if measure.is_late and not renditions.paused:
            self._pause()

    def _pause(self) -> None:
        """No pictures until the next key frame; those that wait are too late as well."""
        self.renditions.paused = True
        self._account.dropped_gops += 1
        kept = [one for one in self._waiting if one[0] is not self._video]
        self._waiting = deque(kept)
        self._bytes = sum(len(packet.payload) for _, packet in kept)

    # Feedback

    def _repeat(self, wish: rtcp.Nack, now: float) -> None:
        """Send again what is still kept."""
        section = self._by_source.get(wish.ssrc)
        if section is None or self._broadcast is None:
            return
        if now - self._repeats_from > 1.0:
            self._repeats, self._repeats_from = 0, now
            if now - self._started_at > REPEATABLE_SECONDS:
                for one in self._sections:
                    one.settle()
        packets: list[bytes] = []
        for number in wish.numbers:
            place = section.find(number)
            packet = self._framing.find(*place) if place is not None else None
            if packet is None or self._repeats >= REPEATS_A_SECOND:
                continue
            self._repeats += 1
            size = len(packet.payload) + section.header_bytes
            transport = self.path.sent([size], now) if section.chosen.transport_id else 0
            packets.append(section.again(packet, number, transport))
        if packets:
            self.repeated += len(packets)
            self._account.bytes += sum(map(len, packets))
            self.connection.send_rtp(packets)

    def _wish(self, now: float) -> None:
        """A decoder lost its way: ask for a key frame."""
        if self._broadcast is not None and now - self._wished_at > KEY_FRAME_SECONDS:
            self._wished_at = now
            self._broadcast.request_key_frame()
