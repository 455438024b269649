"""Publishing by RTSP: the announced tracks, their packets, frames into a feed.

Packets come within the connection or by UDP, where each track has ports of its own and its
announcer's address alone is heard. Who publishes is told every few seconds what arrives.

Invariants: what waits here is bounded by the tracks' buffers; while the media worker is behind, the
connection is not read, and packets by UDP are lost, as on any network that is full.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from media_process.seldom import Seldom

from media_streamer.egress.feed import Feed
from media_streamer.egress.reading import ReadGate
from media_streamer.protocols.rtsp.message import Interleaved
from media_streamer.protocols.rtsp.receiving import Receiving
from media_streamer.protocols.rtsp.status import Refused
from media_streamer.protocols.rtsp.transport import Transport
from media_streamer.rtp import sdp
from media_streamer.rtp.codecs import Incoming, accept
from media_streamer.rtp.intake import Intake, Kind

log = logging.getLogger(__name__)

MAX_TRACKS = 16
_left_out = Seldom()
"""Lines of it: who publishes is asked who he is later."""


@dataclass(frozen=True, slots=True)
class Announced:
    """A track of the description that can be received."""

    number: int
    media: sdp.Media
    incoming: Incoming

    @property
    def kind(self) -> Kind:
        return "video" if self.media.kind == "video" else "audio"


def announced(body: bytes, name: str) -> list[Announced]:
    """Tracks of a description; raises Refused if none of them can be received."""
    try:
        description = sdp.parse(body.decode("utf-8", "replace"))
    except sdp.SdpError as error:
        raise Refused(400, f"The description cannot be read: {error}") from None
    tracks, left_out = [], list[str]()
    for number, media in enumerate(description.media):
        incoming = accept(media)
        if incoming is not None and media.kind in ("video", "audio"):
            tracks.append(Announced(number, media, incoming))
        else:
            left_out.append(media.encoding[:20] or media.kind[:20])
    if not tracks:
        names = ", ".join(one.encoding or one.kind for one in description.media)
        raise Refused(415, f"No track has a codec that is known here: {names[:100]}")
    if left_out and (tail := _left_out.tail(name)) is not None:
        words = ", ".join(map(repr, left_out))[:200]
        log.warning("stream %s: tracks are left out, not known here: %s%s", name, words, tail)
    return tracks[:MAX_TRACKS]


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
        self._receiving = Receiving(Intake(feed), f"stream {feed.stream}: the publisher by RTSP")
        self._draining: asyncio.Task[None] | None = None
        self._closed = False
        # Whoever does not know the message passes it over (RFC 3550 6.1), so all are asked.
        feed.on_key_frame = self._receiving.ask_key_frame
        feed.ended.add_done_callback(self._on_feed_ended)

    @property
    def is_set_up(self) -> bool:
        return bool(self._receiving.lanes)

    @property
    def running(self) -> bool:
        return self._receiving.running

    @property
    def heard_at(self) -> float:
        """When the last packet of media came, by the loop's clock."""
        return self._receiving.heard_at

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
        channels = self._receiving.free_channels(wanted.channels or usual)
        self._receiving.by_connection(
            track.number,
            track.kind,
            track.incoming,
            track.media.payload_type,
            channels,
            write,
            hears_wishes=True,
        )
        return Transport("tcp", channels=channels, record=True)

    def by_udp_ports(self, track: Announced, ports: tuple[int, int], host: str) -> Transport:
        """The track's packets come by UDP from `host`, whose ports these are; raises OSError."""
        way = self._receiving.by_udp_ports(
            track.number,
            track.kind,
            track.incoming,
            track.media.payload_type,
            host,
            hears_wishes=True,
        )
        way.reports_to(ports[1])
        return Transport("udp", client_ports=ports, server_ports=way.numbers, record=True)

    def begin(self) -> None:
        """RECORD was answered."""
        if not self._closed:
            self._receiving.begin()

    def take(self, packets: Sequence[Interleaved]) -> None:
        """Packets within the connection; goes on with reading it when that is of use."""
        self._receiving.take(packets)
        if self.running and self._feed.is_behind and self._draining is None:
            self._gate.hold("drain")
            self._draining = asyncio.create_task(self._drain())

    def close(self) -> None:
        """The publisher has finished, or is gone."""
        if self._closed:
            return
        self._closed = True
        if self._draining is not None:
            self._draining.cancel()
        self._receiving.close()
        intake = self._receiving.intake
        if intake.damaged or intake.figures.lost:
            log.warning(
                "stream %s: %d packets of the publisher were lost, and %d frames with them",
                self._feed.stream,
                intake.figures.lost,
                intake.damaged,
            )
        task = asyncio.ensure_future(self._feed.close())
        _closing.add(task)
        task.add_done_callback(_closing.discard)

    async def _drain(self) -> None:
        try:
            await self._feed.drain()
        finally:
            self._draining = None
            self._gate.release("drain")

    def _on_feed_ended(self, ended: "asyncio.Future[str]") -> None:
        if not self._closed:
            reason = "cancelled" if ended.cancelled() else ended.result()
            self._on_end(f"publishing ended: {reason}")


_closing: set[asyncio.Future[None]] = set()
"""Keeps the goodbyes of feeds alive that outlive their connection."""
