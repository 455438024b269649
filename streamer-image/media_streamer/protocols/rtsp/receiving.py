"""Receiving by RTSP, from a publisher or of a source: packets within the connection, or by UDP,
where each track has ports of its own; frames to a sink; reports and wishes to the sender.

Invariants: what waits is bounded by the tracks' buffers; by UDP the sender's address alone is
heard, and nothing is sent to any other one, whatever its headers say.
"""

import asyncio
from collections.abc import Callable, Sequence

from media_streamer.protocols.rtsp.message import Interleaved, write_interleaved
from media_streamer.protocols.rtsp.ports import Address, UdpPort, open_pair
from media_streamer.rtp import packet, rtcp
from media_streamer.rtp.codecs import Incoming
from media_streamer.rtp.feedback import WISH_SECONDS, Feedback
from media_streamer.rtp.intake import Intake, Kind
from media_streamer.rtp.published import PublishedTrack
from media_streamer.wire.media import PublishedFrame

REPORT_SECONDS = 5.0
"""Between two receiver reports (RFC 3550 6.2)."""
FIGURES_SECONDS = 1.0
POLL_SECONDS = 0.05
"""How often holes in what comes by UDP are looked at."""


class Lane:
    """One track on its way."""

    def __init__(
        self, track: PublishedTrack, send_control: Callable[[bytes], None], hears_wishes: bool
    ) -> None:
        self.track = track
        self.send_control = send_control
        self.hears_wishes = hears_wishes
        self.ports: tuple[UdpPort, ...] = ()
        self.said_goodbye = False

    def close(self) -> None:
        for port in self.ports:
            port.close()
        self.ports = ()


class Receiving:
    """What one sender sends."""

    def __init__(self, intake: Intake, title: str) -> None:
        """`title` says in the log who sends."""
        self.intake = intake
        self._feedback = Feedback(title)
        self.lanes: dict[int, Lane] = {}
        """By the number of the track in the description."""
        self._media_channels: dict[int, Lane] = {}
        self._control_channels: dict[int, Lane] = {}
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._next_report = self._next_figures = self._next_wish = 0.0
        self._damaged = 0
        self.running = False
        self.heard_at = self._loop.time()
        """When the last packet of media came, by the loop's clock."""
        self.heard: asyncio.Future[None] = self._loop.create_future()
        """Done with the first packet of media."""

    # The tracks

    @property
    def by_udp(self) -> bool:
        return any(lane.ports for lane in self.lanes.values())

    @property
    def said_goodbye(self) -> bool:
        """Whether the sender has ended all tracks that it sent."""
        heard = [lane for lane in self.lanes.values() if lane.track.received.packets]
        return bool(heard) and all(lane.said_goodbye for lane in heard)

    def free_channels(self, wanted: tuple[int, int]) -> tuple[int, int]:
        """Those that are wanted, or others where a track has them already."""
        taken = self._media_channels.keys() | self._control_channels.keys()
        if wanted[0] != wanted[1] and taken.isdisjoint(wanted):
            return wanted
        first = next(n for n in range(0, 256, 2) if taken.isdisjoint((n, n + 1)))
        return first, first + 1

    def by_connection(
        self,
        number: int,
        kind: Kind,
        incoming: Incoming,
        payload_type: int,
        channels: tuple[int, int],
        write: Callable[[bytes], None],
        *,
        hears_wishes: bool,
    ) -> None:
        """The track's packets come within the connection, which `write` sends to."""
        self._drop(number)
        media, control = channels

        def send(data: bytes) -> None:
            write(write_interleaved(control, data))

        track = self.intake.add(number, kind, incoming, reorder=False, payload_type=payload_type)
        lane = self.lanes[number] = Lane(track, send, hears_wishes)
        self._media_channels[media] = self._control_channels[control] = lane

    def by_udp_ports(
        self,
        number: int,
        kind: Kind,
        incoming: Incoming,
        payload_type: int,
        peer: str,
        *,
        hears_wishes: bool,
    ) -> "UdpWay":
        """The track's packets come by UDP from `peer`; raises OSError."""
        self._drop(number)
        track = self.intake.add(number, kind, incoming, reorder=True, payload_type=payload_type)
        way = UdpWay(self, track, peer, hears_wishes)
        self.lanes[number] = way.lane
        return way

    def _drop(self, number: int) -> None:
        """The track is set up again."""
        if old := self.lanes.pop(number, None):
            old.close()
            self.intake.tracks.remove(old.track)
            for channels in (self._media_channels, self._control_channels):
                for channel in [c for c, lane in channels.items() if lane is old]:
                    del channels[channel]

    # Media

    def begin(self) -> None:
        """Media may come."""
        if not self.running:
            self.running = True
            self.heard_at = self._loop.time()
            self.intake.tell_tracks()
            self._tick()

    def close(self) -> None:
        """Nothing is taken any more; may be called again."""
        self.running = False
        if self._timer is not None:
            self._timer.cancel()
        for lane in self.lanes.values():
            lane.close()

    def take(self, packets: Sequence[Interleaved]) -> None:
        """Packets came within the connection."""
        if not self.running:
            return
        frames: list[PublishedFrame] = []
        for one in packets:
            if lane := self._media_channels.get(one.channel):
                frames += self.intake.take(lane.track, one.data)
                self._note_heard()
            elif lane := self._control_channels.get(one.channel):
                self.take_control(lane, one.data)
        self.intake.hand_on(frames)

    def take_media(self, lane: Lane, data: bytes) -> None:
        """A packet of media by UDP. While who takes the frames is behind, it is lost, as on any
        network that is full."""
        if self.running and not self.intake.sink.is_behind:
            self._note_heard()
            self.intake.hand_on(self.intake.take(lane.track, data))

    def take_control(self, lane: Lane, data: bytes) -> None:
        """RTCP of the sender."""
        if not self._feedback.may_be_read(self._loop.time()):
            return
        for element in self.intake.control(lane.track, data):
            if isinstance(element, rtcp.Goodbye):
                lane.said_goodbye = lane.track.received.ssrc in element.ssrcs

    def _note_heard(self) -> None:
        self.heard_at = self._loop.time()
        if not self.heard.done():
            self.heard.set_result(None)

    # Back to the sender

    def ask_key_frame(self) -> None:
        """A decoder lost its way, here or at a viewer; the sender is asked now and then at most."""
        now = self._loop.time()
        if not self.running or now < self._next_wish:
            return
        self._next_wish = now + WISH_SECONDS
        for lane in self.lanes.values():
            is_asked = lane.hears_wishes and lane.track.setup.kind == "video"
            if is_asked and (wish := self.intake.wish(lane.track)):
                lane.send_control(wish)

    def _tick(self) -> None:
        now = self._loop.time()
        seconds = POLL_SECONDS if self.by_udp else FIGURES_SECONDS
        self._timer = self._loop.call_later(seconds, self._tick)
        if self.by_udp:
            self.intake.poll()
        if self.intake.damaged != self._damaged:
            self._damaged = self.intake.damaged
            self.ask_key_frame()
        if now >= self._next_figures:
            self._next_figures = now + FIGURES_SECONDS
            self.intake.tell_figures()
        if now >= self._next_report:
            self._next_report = now + REPORT_SECONDS
            for lane in self.lanes.values():
                if report := self.intake.report(lane.track):
                    lane.send_control(report)


class UdpWay:
    """The two ports of a track."""

    def __init__(
        self, receiving: Receiving, track: PublishedTrack, peer: str, hears_wishes: bool
    ) -> None:
        """Raises OSError."""
        self.lane = Lane(track, self._send_control, hears_wishes)
        self._receiving = receiving
        self._peer = peer
        self._control_to: Address | None = None
        self.lane.ports = open_pair(
            self._hear_media, self._hear_control, "::" if ":" in peer else ""
        )

    @property
    def numbers(self) -> tuple[int, int]:
        media, control = self.lane.ports
        return media.number, control.number

    def reports_to(self, port: int) -> None:
        """Where the sender listens for RTCP, until it is heard from elsewhere."""
        self._control_to = self._peer, port

    def greet(self, ports: tuple[int, int]) -> None:
        """Send a packet of nothing to each port of the sender, so that what it sends finds a way
        through a NAT."""
        nothing = packet.write(0, False, 0, 0, 0, b""), self._receiving.intake.greeting()
        for own, port, data in zip(self.lane.ports, ports, nothing, strict=True):
            own.send([data], (self._peer, port))

    def _send_control(self, data: bytes) -> None:
        if self._control_to is not None and self.lane.ports:
            self.lane.ports[1].send([data], self._control_to)

    def _hear_media(self, data: bytes, sender: Address) -> None:
        if sender[0] == self._peer:
            self._receiving.take_media(self.lane, data)

    def _hear_control(self, data: bytes, sender: Address) -> None:
        if sender[0] == self._peer:
            self._control_to = sender
            self._receiving.take_control(self.lane, data)
