"""Publishing by RTSP: the announced tracks, their packets, frames into a feed.

Packets come within the connection or by UDP, where each track has ports of its own and its
announcer's address alone is heard. Who publishes is told every few seconds what arrives.

Invariants: what waits here is bounded by the tracks' buffers; while the media worker is behind, the
connection is not read, and packets by UDP are lost, as on any network that is full.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from media_streamer.egress.feed import Feed
from media_streamer.egress.reading import ReadGate
from media_streamer.protocols.rtsp.message import Interleaved, write_interleaved
from media_streamer.protocols.rtsp.status import Refused
from media_streamer.protocols.rtsp.transport import Transport
from media_streamer.protocols.rtsp.udp import Address, UdpPort, open_pair
from media_streamer.rtp import rtcp, sdp
from media_streamer.rtp.codecs import Incoming, accept
from media_streamer.rtp.published import PublishedTrack
from media_streamer.rtp.receiver import CommonClock
from media_streamer.wire.media import PublishedFrame, Reception

log = logging.getLogger(__name__)

REPORT_SECONDS = 5.0
"""Between two receiver reports (RFC 3550 6.2)."""
FIGURES_SECONDS = 1.0
POLL_SECONDS = 0.05
"""How often holes in what comes by UDP are looked at."""
MAX_TRACKS = 16
_CNAME = "media"


@dataclass(frozen=True, slots=True)
class Announced:
    """A track of the description that can be received."""

    number: int
    media: sdp.Media
    incoming: Incoming


def announced(body: bytes, name: str) -> list[Announced]:
    """Tracks of a description; raises Refused if none of them can be received."""
    try:
        description = sdp.parse(body.decode("utf-8", "replace"))
    except sdp.SdpError as error:
        raise Refused(400, f"The description cannot be read: {error}") from None
    tracks = []
    for number, media in enumerate(description.media):
        incoming = accept(media)
        if incoming is not None and media.kind in ("video", "audio"):
            tracks.append(Announced(number, media, incoming))
        else:
            encoding = media.encoding[:20] or media.kind[:20]
            log.warning("stream %s: a track is left out: %r is not known here", name, encoding)
    if not tracks:
        names = ", ".join(one.encoding or one.kind for one in description.media)
        raise Refused(415, f"No track has a codec that is known here: {names[:100]}")
    return tracks[:MAX_TRACKS]


class _Lane:
    """One track on its way."""

    def __init__(self, track: PublishedTrack, send_control: Callable[[bytes], None]) -> None:
        self.track = track
        self.send_control = send_control
        self.ports: tuple[UdpPort, ...] = ()

    def close(self) -> None:
        for port in self.ports:
            port.close()
        self.ports = ()


class Recording:
    """One publication."""

    def __init__(
        self,
        feed: Feed,
        tracks: Sequence[Announced],
        gate: ReadGate,
        on_end: Callable[[str], None],
    ) -> None:
        """`gate`: of the connection; `on_end` is told why the server takes no more."""
        self._feed = feed
        self._gate = gate
        self._on_end = on_end
        self._tracks = tracks
        self._clock = CommonClock()
        self._lanes: dict[int, _Lane] = {}
        """By the number of the track in the description."""
        self._media_channels: dict[int, _Lane] = {}
        self._control_channels: dict[int, _Lane] = {}
        self._ssrc = secrets.randbits(32)
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._next_report = self._next_figures = 0.0
        self._told = Reception(0, 0)
        self._draining: asyncio.Task[None] | None = None
        self._closed = False
        self.running = False
        self.heard_at = self._loop.time()
        """When the last packet of media came, by the loop's clock."""
        feed.ended.add_done_callback(self._on_feed_ended)

    @property
    def is_set_up(self) -> bool:
        return bool(self._lanes)

    @property
    def by_udp(self) -> bool:
        return any(lane.ports for lane in self._lanes.values())

    def find(self, url: str) -> Announced | None:
        """Which track a SETUP means: by its `control`, by `trackID=N`, or the only one."""
        path = url.partition("?")[0]
        for track in self._tracks:
            control = track.media.control
            if control and (control in (url, path) or path.endswith(f"/{control}")):
                return track
        for track in self._tracks:
            if path.endswith(f"trackID={track.number}"):
                return track
        return self._tracks[0] if len(self._tracks) == 1 else None

    def by_connection(
        self, track: Announced, wanted: Transport, write: Callable[[bytes], None]
    ) -> Transport:
        """The track's packets come within the connection, which `write` sends to."""
        usual = 2 * track.number, 2 * track.number + 1
        media, control = wanted.channels or usual
        taken = self._media_channels.keys() | self._control_channels.keys()
        if media == control or not taken.isdisjoint((media, control)):
            media = next(n for n in range(0, 256, 2) if taken.isdisjoint((n, n + 1)))
            control = media + 1

        def send(packet: bytes) -> None:
            write(write_interleaved(control, packet))

        lane = self._set_up(track, send, reorder=False)
        self._media_channels[media] = self._control_channels[control] = lane
        return Transport("tcp", channels=(media, control), record=True)

    def by_udp_ports(self, track: Announced, ports: tuple[int, int], host: str) -> Transport:
        """The track's packets come by UDP from `host`, whose ports these are; raises OSError."""
        control: Address = (host, ports[1])

        def send(packet: bytes) -> None:
            media_ports[1].send([packet], control)

        def hear_media(data: bytes, sender: Address) -> None:
            if sender[0] == host and not self._feed.is_behind:
                self._take(lane, data)

        def hear_control(data: bytes, sender: Address) -> None:
            nonlocal control
            if sender[0] == host:
                control = sender
                self._control(lane, data)

        media_ports = open_pair(hear_media, hear_control, "::" if ":" in host else "")
        lane = self._set_up(track, send, reorder=True)
        lane.ports = media_ports
        return Transport(
            "udp",
            client_ports=ports,
            server_ports=(media_ports[0].number, media_ports[1].number),
            record=True,
        )

    def begin(self) -> None:
        """RECORD was answered."""
        if not self.running and not self._closed:
            self.running = True
            self.heard_at = self._loop.time()
            self._tell_tracks()
            self._tick()

    def take(self, packets: Sequence[Interleaved]) -> None:
        """Packets within the connection; goes on with reading it when that is of use."""
        if not self.running:
            return
        frames: list[PublishedFrame] = []
        for packet in packets:
            if lane := self._media_channels.get(packet.channel):
                frames += lane.track.take(packet.data)
                self.heard_at = self._loop.time()
            elif lane := self._control_channels.get(packet.channel):
                self._control(lane, packet.data)
        self._send(frames)
        if self._feed.is_behind and self._draining is None:
            self._gate.hold("drain")
            self._draining = asyncio.create_task(self._drain())

    def close(self) -> None:
        """The publisher has finished, or is gone."""
        if self._closed:
            return
        self._closed = True
        self.running = False
        if self._timer is not None:
            self._timer.cancel()
        if self._draining is not None:
            self._draining.cancel()
        damaged = sum(lane.track.damaged for lane in self._lanes.values())
        if damaged or self._told.lost:
            log.warning(
                "stream %s: %d packets of the publisher were lost, and %d frames with them",
                self._feed.stream,
                self._told.lost,
                damaged,
            )
        for lane in self._lanes.values():
            lane.close()
        task = asyncio.ensure_future(self._feed.close())
        _closing.add(task)
        task.add_done_callback(_closing.discard)

    def _set_up(
        self, track: Announced, send_control: Callable[[bytes], None], *, reorder: bool
    ) -> _Lane:
        if old := self._lanes.get(track.number):
            old.close()
            for channels in (self._media_channels, self._control_channels):
                for channel in [c for c, lane in channels.items() if lane is old]:
                    del channels[channel]
        kind: Literal["video", "audio"] = "video" if track.media.kind == "video" else "audio"
        published = PublishedTrack(
            track.number,
            kind,
            track.incoming,
            self._clock,
            reorder=reorder,
            payload_type=track.media.payload_type,
        )
        lane = self._lanes[track.number] = _Lane(published, send_control)
        return lane

    def _take(self, lane: _Lane, data: bytes) -> None:
        """A packet of media by UDP."""
        if self.running:
            self.heard_at = self._loop.time()
            self._send(lane.track.take(data))

    def _control(self, lane: _Lane, data: bytes) -> None:
        for element in rtcp.parse(data):
            lane.track.received.control(element)

    def _send(self, frames: list[PublishedFrame]) -> None:
        if any(lane.track.changed for lane in self._lanes.values()):
            self._tell_tracks()
        if frames:
            self._feed.frames(frames)

    def _tell_tracks(self) -> None:
        tracks = [lane.track for lane in self._lanes.values()]
        for track in tracks:
            track.changed = False
        self._feed.tracks([track.setup for track in tracks], True)

    async def _drain(self) -> None:
        try:
            await self._feed.drain()
        finally:
            self._draining = None
            self._gate.release("drain")

    def _tick(self) -> None:
        now = self._loop.time()
        self._timer = self._loop.call_later(
            POLL_SECONDS if self.by_udp else FIGURES_SECONDS, self._tick
        )
        for lane in self._lanes.values():
            self._send(lane.track.poll())
        if now >= self._next_figures:
            self._next_figures = now + FIGURES_SECONDS
            self._tell_figures()
        if now >= self._next_report:
            self._next_report = now + REPORT_SECONDS
            for lane in self._lanes.values():
                self._report(lane)

    def _tell_figures(self) -> None:
        received = [lane.track.received for lane in self._lanes.values()]
        figures = Reception(sum(one.packets for one in received), sum(one.lost for one in received))
        if figures.lost != self._told.lost:
            self._feed.reception(figures)
        self._told = figures

    def _report(self, lane: _Lane) -> None:
        block = lane.track.received.report()
        if block is not None:
            report = rtcp.receiver_report(self._ssrc, [block])
            lane.send_control(report + rtcp.description(self._ssrc, _CNAME))

    def _on_feed_ended(self, ended: "asyncio.Future[str]") -> None:
        if not self._closed:
            reason = "cancelled" if ended.cancelled() else ended.result()
            self._on_end(f"publishing ended: {reason}")


_closing: set[asyncio.Future[None]] = set()
"""Keeps the goodbyes of feeds alive that outlive their connection."""
