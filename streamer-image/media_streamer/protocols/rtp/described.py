"""`sdp://`: tracks that a description names, each at a port of its own.

All of it happens in the event loop of the media worker: packets give frames, no demuxer is needed.
Sender reports align the tracks. Invariants: what waits is bounded by the tracks' buffers; whatever
no description names is not listened to.
"""

import asyncio
import ipaddress
import socket
from dataclasses import dataclass, replace
from functools import partial

from media_streamer.media.inputs.base import InputError, InputRequest
from media_streamer.media.inputs.frames import FrameInput, Taker
from media_streamer.protocols.file.pull import resolve
from media_streamer.protocols.rtp.port import MAX_DATAGRAM_BYTES, Place, open_port
from media_streamer.rtp import sdp
from media_streamer.rtp.codecs import accept
from media_streamer.rtp.intake import Intake, Kind
from media_streamer.rtp.packet import is_rtcp
from media_streamer.rtp.published import PublishedTrack

POLL_SECONDS = 0.05
"""How often holes between packets, and silence, are looked at."""
READS_AT_ONCE = 64
MAX_TRACKS = 16


@dataclass(frozen=True, slots=True)
class Announced:
    """A track of a description, and where it comes to."""

    media: sdp.Media
    place: Place
    control: int
    """Port of RTCP; that of the media: both share it."""


def announced(text: str, interface: str = "") -> list[Announced]:
    """Tracks that can be received; raises InputError if there are none."""
    try:
        description = sdp.parse(text)
    except sdp.SdpError as error:
        raise InputError(f"the description cannot be read: {error}") from None
    found = []
    for media in description.media:
        host = _address(media.address or description.address or "0.0.0.0")
        if media.port and media.kind in ("video", "audio") and accept(media) is not None:
            source = _source(media.attributes.get("source-filter", "") or description.sources)
            place = Place(host, media.port, source, interface)
            found.append(Announced(media, place, _control_port(media)))
    if not found:
        if any(media.encoding == "MP2T" for media in description.media):
            raise InputError("the description is of MPEG-TS: write rtp://ADDRESS:PORT for it")
        names = ", ".join(media.encoding or media.kind for media in description.media)
        raise InputError(f"no track has a port, and a codec that is known here: {names[:100]}")
    return found[:MAX_TRACKS]


def _address(text: str) -> str:
    """Names would have to be asked for; who describes media writes addresses."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise InputError(f"the description has no address in c=: {text[:60]!r}") from None


def _control_port(media: sdp.Media) -> int:
    """RFC 3605, RFC 5761; else the next one (RFC 3550 11)."""
    if "rtcp-mux" in media.attributes:
        return media.port
    named = media.attributes.get("rtcp", "").partition(" ")[0]
    return int(named) if named.isascii() and named.isdecimal() else media.port + 1


def _source(text: str) -> str:
    """The sender of `incl IN IP4 GROUP SENDER` (RFC 4570)."""
    words = text.split()
    return words[4] if len(words) == 5 and words[0] == "incl" else ""


class DescribedInput(FrameInput):
    """One attempt."""

    def __init__(self, request: InputRequest) -> None:
        super().__init__(request.stream, request.receiver, request.limits, on_taken=request.arrived)
        self._request = request
        self._intake = Intake(Taker(self))
        self._sockets: list[socket.socket] = []
        self._task: asyncio.Task[None] | None = None
        self._poll_timer: asyncio.TimerHandle | None = None
        self._heard_at = 0.0

    def start(self) -> None:
        self._task = asyncio.create_task(self._listen_to_all(), name=f"sdp {self.name}")

    async def _listen_to_all(self) -> None:
        request = self._request
        self._loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(request.limits.open_seconds):
                text = await asyncio.to_thread(self._read_description)
            super().start()
            tracks = announced(text, request.config.bind_ip or "")
            for number, track in enumerate(tracks):
                self._listen(number, track)
        except (InputError, OSError, TimeoutError) as error:
            self._end(str(error) or "the description could not be read in time")
            return
        self._heard_at = self._loop.time()
        self._intake.tell_tracks()
        self._poll()

    def _read_description(self) -> str:
        config = self._request.config
        path = resolve("file" + config.url.removeprefix("sdp"), self._request.stored.vods)
        with path.open("rb") as file:
            return file.read(sdp.MAX_BYTES + 1).decode("utf-8", "replace")

    def _listen(self, number: int, track: Announced) -> None:
        incoming = accept(track.media)
        assert incoming is not None
        kind: Kind = "video" if track.media.kind == "video" else "audio"
        received = self._intake.add(
            number, kind, incoming, reorder=True, payload_type=track.media.payload_type
        )
        for port in dict.fromkeys((track.place.port, track.control)):
            sock = open_port(replace(track.place, port=port), else_anywhere=True)
            self._sockets.append(sock)
            source = track.place.source
            self._loop.add_reader(sock.fileno(), partial(self._hear, sock, received, source))

    def _hear(self, sock: socket.socket, track: PublishedTrack, source: str) -> None:
        for _ in range(READS_AT_ONCE):
            if self._ended:
                return
            try:
                data, sender = sock.recvfrom(MAX_DATAGRAM_BYTES)
            except BlockingIOError:
                break
            except OSError:
                continue  # an ICMP error
            if source and sender[0] != source:
                continue
            if is_rtcp(data):
                self._intake.control(track, data)
                continue
            before = track.received.packets
            frames = self._intake.take(track, data)
            if track.received.packets != before:
                self._heard_at = self._loop.time()
            self._intake.hand_on(frames)

    def _poll(self) -> None:
        if self._ended:
            return
        self._poll_timer = self._loop.call_later(POLL_SECONDS, self._poll)
        self._intake.poll()
        self.reception = self._intake.figures
        if self._loop.time() - self._heard_at > self._request.limits.read_seconds:
            self._end("the source sends nothing")

    def _end(self, error: str | None) -> None:
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
        if self._poll_timer is not None:
            self._poll_timer.cancel()
        sockets, self._sockets = self._sockets, []
        for sock in sockets:
            self._loop.remove_reader(sock.fileno())
            sock.close()
        super()._end(error)
