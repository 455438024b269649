"""Receiving by WebRTC: packets of a peer into frames, feedback back to it.

The peer is a publisher, or a server that a stream is pulled from. Invariants: what waits here is
bounded by the tracks' buffers; while who takes the frames is behind, packets are lost, as on any
network that is full.
"""

import asyncio
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from media_streamer.protocols.webrtc.allowance import Allowance
from media_streamer.protocols.webrtc.connection import PeerConnection
from media_streamer.protocols.webrtc.offer import Codec, Section
from media_streamer.rtp import codecs, rtcp
from media_streamer.rtp.arrivals import Arrivals
from media_streamer.rtp.intake import Sink
from media_streamer.rtp.packet import extension
from media_streamer.rtp.published import PublishedTrack
from media_streamer.rtp.receiver import CommonClock
from media_streamer.rtp.sdp import Media
from media_streamer.wire.media import PublishedFrame, Reception

TICK_SECONDS = 0.05
"""How often holes are looked at and asked for."""
REPORT_SECONDS = 1.0
REPAIR_SECONDS = 0.5
"""Between two wishes because of loss."""
MAX_NACKS = 128
"""Numbers in one message; who has lost more needs a key frame."""
MAX_BIT_RATE = 20_000_000
"""What is told to be wanted (REMB) of who does not find out by the arrival of its packets; by the
loss that reports tell a browser goes below."""
MAX_EARLY_REPORTS = 8
"""Of sources that nothing was heard of yet."""
_CNAME = "media"


@dataclass(frozen=True, slots=True)
class Incoming:
    """A track that the publisher sends."""

    kind: Literal["video", "audio"]
    payload_type: int
    codec: codecs.Incoming
    repairs: bool
    """It sends lost packets again."""


class _Lane:
    """One track on its way."""

    def __init__(self, track: PublishedTrack, incoming: Incoming) -> None:
        self.track = track
        self.repairs = incoming.repairs
        self.is_video = incoming.kind == "video"
        self.damaged = 0


def accepted(section: Section, codec: Codec) -> codecs.Incoming | None:
    """How packets of a codec of a section become frames; None for one that cannot be taken."""
    media = Media(
        section.kind,
        payload_type=codec.payload_type,
        encoding=codec.encoding,
        clock_rate=codec.clock_rate,
        channels=codec.channels,
        fmtp=codec.fmtp,
    )
    return codecs.accept(media)


class MediaReceiver(ABC):
    """Handler of a peer connection."""

    connection: PeerConnection
    silence_seconds = 10.0
    """Also a muted browser sends."""
    key_frame_seconds = float("inf")
    """How often a key frame is asked for, whatever happens."""

    def __init__(
        self, sink: Sink, tracks: Sequence[Incoming], transport_extension: int = 0
    ) -> None:
        """`transport_extension`: packets carry their number on the transport in this header
        extension, and the peer wants to know of it; 0: they do not."""
        self._sink = sink
        self._arrivals = Arrivals() if transport_extension else None
        self._extension = transport_extension
        clock = CommonClock()
        self._lanes: dict[int, _Lane] = {}
        for number, one in enumerate(tracks):
            track = PublishedTrack(
                number, one.kind, one.codec, clock, reorder=True, payload_type=one.payload_type
            )
            self._lanes[one.payload_type] = _Lane(track, one)
        self._early: dict[int, rtcp.SenderReport] = {}
        """Sender reports that came before the first packet of their source."""
        self._ssrc = secrets.randbits(32)
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._heard_at = 0.0
        self._next_report = self._next_key_frame = self._asked_at = 0.0
        self._told = Reception(0, 0)
        self._bytes = 0
        self.allowance: Allowance | None = None
        """What the peer may send, where we say it; else it finds out, or gets no bound."""
        self.on_allowance: Callable[[float, int], None] | None = None
        """Called when it has changed, by so many percent of loss and so many bit/s."""

    # Handler of the connection

    def on_connected(self) -> None:
        self._heard_at = self._loop.time()
        self._tell_tracks()
        self._tick()

    @abstractmethod
    def on_closed(self, reason: str) -> None:
        """Nothing comes any more; begin with `end`."""

    def end(self) -> None:
        """Take nothing more."""
        if self._timer is not None:
            self._timer.cancel()

    @property
    def damaged(self) -> int:
        """Frames that are lost because packets of them are."""
        return sum(lane.track.damaged for lane in self._lanes.values())

    @property
    def lost(self) -> int:
        """Packets that never came."""
        return self._told.lost

    def on_rtp(self, packet: bytes) -> None:
        self._bytes += len(packet)
        if self._arrivals is not None:
            number = extension(packet, self._extension)
            if len(number) == 2:
                self._arrivals.packet(int.from_bytes(number), self._loop.time())
        lane = self._lanes.get(packet[1] & 0x7F)
        if lane is not None and not self._sink.is_behind:
            self._heard_at = self._loop.time()
            if self._early and lane.track.received.ssrc is None:
                early = self._early.pop(int.from_bytes(packet[8:12]), None)
                if early is not None:
                    lane.track.received.control(early)
            self._send(lane.track.take(packet))

    def on_rtcp(self, packet: bytes) -> None:
        for element in rtcp.parse(packet):
            if isinstance(element, rtcp.Goodbye):
                continue  # also of a track that is replaced
            if isinstance(element, rtcp.SenderReport):
                self._take_report(element)

    def _take_report(self, report: rtcp.SenderReport) -> None:
        for lane in self._lanes.values():
            if lane.track.received.ssrc == report.ssrc:
                lane.track.received.control(report)
                return
        if len(self._early) < MAX_EARLY_REPORTS or report.ssrc in self._early:
            self._early[report.ssrc] = report

    # Frames

    def _send(self, frames: list[PublishedFrame]) -> None:
        if any(lane.track.changed for lane in self._lanes.values()):
            self._tell_tracks()
        if frames:
            self._sink.frames(frames)

    def _tell_tracks(self) -> None:
        tracks = [lane.track for lane in self._lanes.values()]
        for track in tracks:
            track.changed = False
        self._sink.tracks([track.setup for track in tracks], True)

    # Feedback

    def _tick(self) -> None:
        now = self._loop.time()
        self._timer = self._loop.call_later(TICK_SECONDS, self._tick)
        if now - self._heard_at > self.silence_seconds:
            self.connection.close(f"the peer sent nothing for {self.silence_seconds:.0f} s")
            return
        for lane in self._lanes.values():
            self._send(lane.track.poll())
            self._repair(lane)
        if self._arrivals is not None:
            media = next((one.track.received.ssrc or 0 for one in self._lanes.values()), 0)
            for message in self._arrivals.feedback(self._ssrc, media):
                self.connection.send_rtcp(message)
        if now >= self._next_report:
            self._next_report = now + REPORT_SECONDS
            self._report()
        if now >= self._next_key_frame:
            self._ask_key_frame()

    def _repair(self, lane: _Lane) -> None:
        """Ask for what is missing, or for a new beginning where that has come too late."""
        ssrc = lane.track.received.ssrc
        if ssrc is None:
            return
        missing = lane.track.received.missing()
        if missing and lane.repairs and len(missing) <= MAX_NACKS:
            self.connection.send_rtcp(rtcp.nack(self._ssrc, ssrc, missing))
        if lane.track.damaged != lane.damaged:
            lane.damaged = lane.track.damaged
            if lane.is_video:
                self.wish()

    def wish(self) -> None:
        """A decoder lost its way, here or at a viewer."""
        if self._loop.time() - self._asked_at >= REPAIR_SECONDS:
            self._ask_key_frame()

    def _ask_key_frame(self) -> None:
        self._asked_at = self._loop.time()
        self._next_key_frame = self._asked_at + self.key_frame_seconds
        for lane in self._lanes.values():
            ssrc = lane.track.received.ssrc
            if lane.is_video and ssrc is not None:
                self.connection.send_rtcp(rtcp.picture_loss(self._ssrc, ssrc))

    def _report(self) -> None:
        received = [lane.track.received for lane in self._lanes.values()]
        figures = Reception(sum(one.packets for one in received), sum(one.lost for one in received))
        if figures.lost != self._told.lost:
            self._sink.reception(figures)
        self._told = figures
        blocks = [block for one in received if (block := one.report()) is not None]
        if not blocks:
            return
        compound = rtcp.receiver_report(self._ssrc, blocks) + rtcp.description(self._ssrc, _CNAME)
        sources = [one.ssrc for one in received if one.ssrc is not None]
        if self._arrivals is None:
            compound += rtcp.remb(self._ssrc, self._allowed(blocks), sources)
        self.connection.send_rtcp(compound)

    def _allowed(self, blocks: Sequence[rtcp.ReportBlock]) -> int:
        """The bit rate that the peer is told."""
        if self.allowance is None:
            return MAX_BIT_RATE
        came, self._bytes = round(8 * self._bytes / REPORT_SECONDS), 0
        loss = max(block.fraction_lost for block in blocks) / 2.56
        if self.allowance.report(loss, came) and self.on_allowance is not None:
            self.on_allowance(loss, came)
        return self.allowance.bit_rate
