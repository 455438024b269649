"""Sending by WebRTC: what a broadcast writes to, paced, and what answers a receiver's feedback.

The receiver is a viewer, or a server that a stream is pushed to: `on_connected` and `on_closed` of
who sends say which.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from media_streamer.egress.broadcast import Broadcast, Format
from media_streamer.protocols.webrtc.connection import PeerConnection
from media_streamer.protocols.webrtc.packets import (
    WebRtcFraming,
    squeeze,
    with_timestamp,
    with_type,
)
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


@dataclass(frozen=True, slots=True)
class Chosen:
    """A track that the viewer takes."""

    channel: int
    ssrc: int
    payload_type: int
    kind: str


class MediaSender(ABC):
    """Handler of a peer connection, and the transport of a broadcast."""

    connection: PeerConnection
    squeezes = True
    """The receiver shows what it gets at once: the start is squeezed up to the present."""
    _framing: WebRtcFraming

    def __init__(self, chosen: Sequence[Chosen]) -> None:
        self._types = tuple((one.channel, one.payload_type) for one in chosen)
        self._channels = {one.ssrc: one.channel for one in chosen}
        self._video = next((one.channel for one in chosen if one.kind == "video"), None)
        self._loop = asyncio.get_running_loop()
        self._broadcast: Broadcast | None = None
        self._timestamps: dict[tuple[int, int], int] = {}
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._began = False
        self._quota = BURST_BYTES
        self._repeats, self._repeats_from = 0, 0.0
        self._wished_at = 0.0
        self._started_at = 0.0

    def take_from(self, broadcast: Broadcast) -> None:
        """What comes is of this broadcast, whose framing is that of WebRTC."""
        assert isinstance(broadcast.framer, WebRtcFraming)
        self._broadcast, self._framing = broadcast, broadcast.framer

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
        for element in rtcp.parse(packet):
            if isinstance(element, rtcp.Nack):
                self._repeat(element)
            elif isinstance(element, rtcp.KeyFrameRequest):
                self._wish()
            elif isinstance(element, rtcp.Goodbye):
                self._loop.call_soon(self.connection.close, "the receiver said goodbye")

    # Transport of the broadcast

    def write(self, data: bytes) -> None:
        """Send interleaved packets; the first time those of the group of pictures so far."""
        if not self._began:
            self._began = True
            self._start(data)
            return
        prepared = self._framing.prepare(data, self._types)
        for report in prepared.rtcp:
            self.connection.send_rtcp(report)
        if self._timer is None and prepared.size <= BURST_BYTES and not self._is_slow:
            self.connection.send_rtp(prepared.rtp, prepared.runs)
            return
        self._waiting.extend(prepared.rtp)
        self._bytes += prepared.size
        if self._timer is None:
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

    def _start(self, data: bytes) -> None:
        self._started_at = self._loop.time()
        if self.squeezes:
            start = squeeze(data, self._video, dict(self._types))
            self._timestamps, reports = start.timestamps, start.reports
            self._waiting.extend(packet for _, packet in start.packets)
        else:
            prepared = self._framing.prepare(data, self._types)
            reports = prepared.rtcp[-len(self._types) :]
            self._waiting.extend(prepared.rtp)
        self._bytes += sum(map(len, self._waiting))
        self._quota = max(BURST_BYTES, round(self._bytes * BURST_SECONDS / START_SECONDS))
        if self._waiting:
            self._flush()
        for report in reports:
            self.connection.send_rtcp(report)

    def _flush(self) -> None:
        if self._is_slow:
            self._timer = self._loop.call_later(SLOW_SECONDS, self._flush)
            return
        self._timer = None
        left = self._quota
        packets: list[bytes] = []
        while self._waiting and left > 0:
            packet = self._waiting.popleft()
            packets.append(packet)
            left -= len(packet)
            self._bytes -= len(packet)
        self.connection.send_rtp(packets)
        if self._waiting:
            self._timer = self._loop.call_later(BURST_SECONDS, self._flush)
        else:
            self._quota = BURST_BYTES

    # Feedback

    def _repeat(self, wish: rtcp.Nack) -> None:
        """Send again what is still kept."""
        channel = self._channels.get(wish.ssrc)
        if channel is None or self._broadcast is None:
            return
        now = self._loop.time()
        if now - self._repeats_from > 1.0:
            self._repeats, self._repeats_from = 0, now
            if now - self._started_at > REPEATABLE_SECONDS:
                self._timestamps = {}
        types = dict(self._types)
        packets: list[bytes] = []
        for sequence in wish.numbers:
            packet = self._framing.find(channel, sequence)
            if packet is None or self._repeats >= REPEATS_A_SECOND:
                continue
            self._repeats += 1
            timestamp = self._timestamps.get((channel, sequence))
            if timestamp is not None:
                packet = with_timestamp(packet, timestamp)
            packets.append(with_type(packet, types[channel]))
        if packets:
            self.connection.send_rtp(packets)

    def _wish(self) -> None:
        """A decoder lost its way: ask for a key frame."""
        now = self._loop.time()
        if self._broadcast is not None and now - self._wished_at > KEY_FRAME_SECONDS:
            self._wished_at = now
            self._broadcast.request_key_frame()
