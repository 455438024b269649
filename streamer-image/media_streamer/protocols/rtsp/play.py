"""Playing by RTSP: what DESCRIBE tells, and one presentation on its way to a client.

Within the connection all viewers are sent the very same bytes, as long as they took the channels
that are offered first (they all do); other channels are renumbered for that viewer alone.
"""

import asyncio
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from media_streamer.egress.access import Access
from media_streamer.egress.broadcast import Broadcast, Format
from media_streamer.egress.replay import ReplayBroadcast
from media_streamer.egress.viewer import Viewer
from media_streamer.protocols.rtsp import position
from media_streamer.protocols.rtsp.transport import Transport
from media_streamer.protocols.rtsp.udp import UdpSender, split
from media_streamer.rtp import sdp

FORMAT: Format = "rtp"
_HEAD = struct.Struct(">BBH")


class RtspFraming:
    """RTP packets in interleaved framing go out as they are; the description does not."""

    counted = True

    def keeps(self, before: bytes, now: bytes) -> bool:
        """Viewers cannot be told of other tracks: they have to ask again."""
        return before == now

    def header(self, payload: bytes) -> bytes:
        return b""

    def chunk(self, payload: bytes, key: bool) -> bytes:
        return payload


@dataclass(frozen=True, slots=True)
class Offered:
    """A track of the description; `number` is its place in the format `rtp`."""

    number: int
    name: str
    media: sdp.Media


def offered(description: bytes) -> list[Offered]:
    """Tracks of the format's header."""
    try:
        media = sdp.parse(description.decode()).media
    except sdp.SdpError:
        return []  # RTP can carry none of the tracks
    return [Offered(n, one.attributes.pop("x-track", ""), one) for n, one in enumerate(media)]


def describe(
    name: str, tracks: Sequence[Offered], *, heeds_wishes: bool = False, span: str = ""
) -> bytes:
    """Body of the answer to DESCRIBE, or of an ANNOUNCE. `heeds_wishes`: a player that needs a key
    frame may ask for it (RFC 4585 4.2); `span`: the Range that there is, if not the present."""
    for track in tracks:
        if heeds_wishes and track.media.kind == "video":
            track.media.attributes["rtcp-fb"] = f"{track.media.payload_type} nack pli"
    return sdp.write(name, [track.media for track in tracks], span=span).encode()


def span_of(broadcast: Broadcast | None, base_ms: int) -> str:
    """The Range of an archive or a file that can be played; empty for the present."""
    if not isinstance(broadcast, ReplayBroadcast):
        return ""
    unit: position.Unit = "npt" if broadcast.is_file else "clock"
    return position.written_span(position.Span(unit, base_ms, None), base_ms)


class Renumbered:
    """A connection whose client chose channels of its own, or only some of the tracks."""

    def __init__(self, transport: asyncio.Transport, channels: dict[int, int]) -> None:
        self._transport = transport
        self._channels = channels
        self.get_write_buffer_size = transport.get_write_buffer_size
        self.is_closing = transport.is_closing
        self.abort = transport.abort

    def write(self, data: bytes) -> None:
        parts: list[bytes] = []
        for channel, packet in split(data):
            chosen = self._channels.get(channel)
            if chosen is not None:
                parts += (_HEAD.pack(0x24, chosen, len(packet)), packet)
        if parts:
            self._transport.write(b"".join(parts))


class Playback:
    """One client that plays. `close` may be called again."""

    def __init__(
        self,
        broadcast: Broadcast,
        access: Access,
        transport: asyncio.Transport | Renumbered | UdpSender,
    ) -> None:
        self._broadcast = broadcast
        self._access = access
        self._transport = transport
        self._viewer: Viewer | None = None

    @property
    def playing(self) -> bool:
        return self._viewer is not None

    def start(self, on_end: "asyncio.Future[str]") -> None:
        """Send from the last key frame on; `on_end` is told why it ended, unless it was paused."""
        if self._viewer is not None:
            return
        # The part of a transport that a broadcast uses is what all three have.
        viewer = self._broadcast.attach(self._transport, self._access)
        self._viewer = viewer

        def ended(closed: "asyncio.Future[str]") -> None:
            if self._viewer is viewer and not on_end.done():
                on_end.set_result("cancelled" if closed.cancelled() else closed.result())

        viewer.closed.add_done_callback(ended)

    def pause(self, reason: str) -> None:
        """Send nothing until `start`."""
        viewer, self._viewer = self._viewer, None
        if viewer is not None:
            viewer.detach(reason)

    def renew(self, access: Access) -> None:
        """Go on under another session."""
        self._access = access

    def close(self, reason: str) -> None:
        self.pause(reason)
        self._broadcast.let_go()
        if isinstance(self._transport, UdpSender):
            self._transport.close()


def channels_of(transports: dict[int, Transport]) -> dict[int, int]:
    """Our channel -> the client's, for the tracks that were set up within the connection."""
    channels: dict[int, int] = {}
    for number, transport in transports.items():
        if transport.channels is not None:
            channels[2 * number], channels[2 * number + 1] = transport.channels
    return channels


def is_usual(channels: dict[int, int], tracks: int) -> bool:
    """Whether all tracks go by the channels that they have anyway."""
    return len(channels) == 2 * tracks and all(ours == theirs for ours, theirs in channels.items())
