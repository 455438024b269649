"""What one RTSP client has asked for: its stream, its tracks and their transports, its state.

A session lives and dies with its connection. Access is asked for once: by DESCRIBE (or the first
SETUP) for a player, by ANNOUNCE for a publisher; it becomes the viewer's or publisher's session at
PLAY or RECORD, or is given up.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Sequence
from typing import Literal, Protocol

from media_api.units import check_stream_name
from msgspec.structs import replace

from media_streamer import digest
from media_streamer.archive.places import MAX_MS
from media_streamer.egress.access import Access, AccessDenied
from media_streamer.egress.broadcast import Broadcast
from media_streamer.egress.context import Egress
from media_streamer.egress.reading import ReadGate
from media_streamer.egress.replay import ReplayBroadcast, asked_start
from media_streamer.presentation.moments import Moment
from media_streamer.presentation.selection import no_such_tracks
from media_streamer.protocols.rtsp import address, play, position, transport
from media_streamer.protocols.rtsp.message import HeaderFields, Interleaved, Request
from media_streamer.protocols.rtsp.ports import Address, UdpPort, open_pair
from media_streamer.protocols.rtsp.publish import Recording, announced
from media_streamer.protocols.rtsp.status import Refused
from media_streamer.protocols.rtsp.transport import Transport
from media_streamer.protocols.rtsp.udp import UdpSender
from media_streamer.rtp.feedback import Feedback
from media_streamer.wire.control import AccessKind, AccessRequest, DigestAnswer

log = logging.getLogger(__name__)

PROTO = "rtsp"
TIMEOUT_SECONDS = 60
_challenger = digest.Challenger()
_INCURABLE = frozenset(
    {"protocol_denied", "protocol_unknown", "cluster_only", "drm_not_supported", "drm_hls_only"}
    | {"user_sessions_limit", "publish_not_allowed"}
)
"""Refusals that no password changes: clients are not asked for one."""

Answer = tuple[HeaderFields, bytes]


class Connection(Protocol):
    """What a session needs of its connection."""

    ip: str
    transport: asyncio.Transport
    gate: ReadGate

    def send(self, data: bytes) -> None: ...

    def ended(self, reason: str) -> None: ...


class RtspSession:
    """One per connection; the methods `on_…` answer requests and raise Refused or AccessDenied."""

    def __init__(self, egress: Egress, connection: Connection) -> None:
        self._egress = egress
        self._connection = connection
        self.id = ""
        self.name = ""
        self.heard_at = time.monotonic()
        """Last packet of the client, within the connection or beside it."""
        self._access: Access | None = None
        self._broadcast: Broadcast | None = None
        self._start = ""
        """The moment of the archive that it plays, as it was asked for."""
        self._base_ms = 0
        """What times of a Range in `npt` count from."""
        self._rate = position.Rate()
        self._has_begun = False
        self._offered: list[play.Offered] = []
        self._transports: dict[int, Transport] = {}
        self._ports: list[UdpPort] = []
        self._playback: play.Playback | None = None
        self._recording: Recording | None = None
        self._begins: Literal["play", "record"] | None = None
        """What was asked for, to begin once the answer is on its way."""
        self.paused = False
        self._feedback: Feedback | None = None
        self._loop = asyncio.get_running_loop()

    # State

    @property
    def header(self) -> str:
        return f"{self.id};timeout={TIMEOUT_SECONDS}"

    @property
    def playing(self) -> bool:
        return self._playback is not None and self._playback.playing

    @property
    def recording(self) -> bool:
        return self._recording is not None and self._recording.running

    @property
    def silence(self) -> float:
        """Seconds since a publisher's last packet."""
        return self._loop.time() - self._recording.heard_at if self._recording else 0.0

    @property
    def by_udp(self) -> bool:
        return any(one.kind == "udp" for one in self._transports.values())

    def begin(self) -> None:
        """The answer to PLAY or RECORD was written: media may follow it."""
        begins, self._begins = self._begins, None
        if begins == "record" and self._recording is not None:
            log.info("rtsp %s stream %s: publishing", self._connection.ip, self.name)
            self._recording.begin()
        elif begins == "play" and self._playback is not None:
            self.paused = False
            ended: asyncio.Future[str] = self._loop.create_future()
            ended.add_done_callback(self._on_end)
            self._playback.start(ended)

    def _on_end(self, ended: "asyncio.Future[str]") -> None:
        self._connection.ended("cancelled" if ended.cancelled() else ended.result())

    def take_packets(self, packets: Sequence[Interleaved]) -> None:
        """Packets within the connection: media of a publisher, RTCP of a player."""
        self.heard_at = time.monotonic()
        if self._recording is not None:
            self._recording.take(packets)
        else:
            for packet in packets:
                self._take_wish(packet.data)

    def _take_wish(self, data: bytes) -> None:
        """RTCP of a player: a key frame that it needs is asked for upstream, now and then."""
        if not self.playing or self._broadcast is None:
            return
        if self._feedback is None:
            self._feedback = Feedback(f"stream {self.name}: {self._connection.ip} by RTSP")
        if self._feedback.wants_key_frame(data, self._loop.time()):
            self._broadcast.request_key_frame()

    def close(self, reason: str) -> None:
        """Give up what is held; may be called again."""
        playback, self._playback = self._playback, None
        access, self._access = self._access, None
        recording, self._recording = self._recording, None
        if recording is not None:
            recording.close()
        if playback is not None:
            if not playback.playing and access is not None:
                self._egress.hub.give_up(access, reason)
            playback.close(reason)
        elif access is not None:
            self._egress.hub.give_up(access, reason)
        if playback is None and self._broadcast is not None:
            self._broadcast.let_go()
        for port in self._ports:
            port.close()
        self._ports.clear()
        self._transports.clear()
        self._broadcast = None
        self.paused = False
        self.id = ""

    # Playing

    async def on_describe(self, request: Request) -> Answer:
        """The description of a stream."""
        accepts = request.headers.text("accept")
        if accepts and "application/sdp" not in accepts and "*/*" not in accepts:
            raise Refused(406, "Descriptions are application/sdp")
        url = _parse(request)
        await self._open(url, request)
        span = play.span_of(self._broadcast, self._base_ms)
        body = play.describe(self.name, self._offered, heeds_wishes=True, span=span)
        return {"Content-Base": f"{url.base}/", "Content-Type": "application/sdp"}, body

    async def _open(self, url: address.StreamUrl, request: Request) -> None:
        """Access to play, and the tracks that the stream has."""
        if self.playing or self._recording is not None:
            raise Refused(455, "This connection plays or publishes already")
        moment = asked_start(url.parameters)
        start = url.parameters.get("from") or url.parameters.get("ago", "")
        is_open = self._access is not None and self.name == url.name and self._offered
        if is_open and start in ("", self._start):  # tracks may be asked for without the query
            return
        self.close("the client asks for another stream")
        access = await self._ask(url, request, "play")
        self._access = access
        hub = self._egress.hub
        # A broadcast gives the access up by itself if it raises.
        try:
            if moment is not None:
                broadcast = await hub.replay(access, play.FORMAT, moment, play.RtspFraming)
            else:
                broadcast = await hub.broadcast(access, play.FORMAT, play.RtspFraming)
        except BaseException:
            self._access = None
            raise
        self._broadcast = broadcast
        self._base_ms = moment.from_ms if moment is not None and not access.config.file else 0
        self._rate, self._has_begun = position.Rate(), False
        self._start = start
        tracks = play.offered(broadcast.description)
        self._offered = [one for one in tracks if one.name in url.tracks or not url.tracks]
        names = [one.name for one in tracks]
        if any(name not in names for name in url.tracks):
            self.close("no such track")
            raise Refused(404, no_such_tracks(url.tracks, names).title)
        if not self._offered:
            self.close("nothing to play")
            raise Refused(415, "The stream has no track that RTP can carry")

    def _name(self, url: address.StreamUrl) -> None:
        """Which stream is meant from now on; raises Refused for what cannot be one."""
        try:
            check_stream_name(url.name)
        except ValueError as error:
            raise Refused(400, str(error)) from None
        self.name = url.name

    async def _ask(self, url: address.StreamUrl, request: Request, kind: AccessKind) -> Access:
        self._name(url)
        given = digest.parse(request.headers.text("authorization"))
        password = url.parameters.get("password", "")
        token = url.parameters.get(self._egress.token_parameter, "")
        proof: DigestAnswer | None = None
        if given is not None and given.scheme == "basic":
            password, token = password or given.password, token or given.password
        elif given is not None:
            proof = self._proof(given, url, request.method)
        try:
            access = await self._egress.hub.access(
                AccessRequest(
                    name=url.name,
                    proto=PROTO,
                    kind=kind,
                    ip=self._connection.ip,
                    token=token,
                    qs=url.query,
                    password=password,
                    user_agent=request.headers.text("user-agent"),
                    referer=request.headers.text("referer"),
                    digest=proof,
                    archive=kind == "play" and asked_start(url.parameters) is not None,
                )
            )
        except AccessDenied as denied:
            is_curable = denied.code not in _INCURABLE
            if denied.status in (401, 403) and given is None and is_curable:
                # Clients that have a password send it once they are asked for it. By Digest it can
                # be proven only where this server itself knows it.
                challenges = [_challenger.basic]
                if denied.code == "wrong_password":
                    challenges.insert(0, _challenger.digest())
                raise Refused(401, denied.title, {"WWW-Authenticate": challenges}) from None
            raise
        self.name = access.stream
        return access

    def _proof(
        self, given: digest.Credentials, url: address.StreamUrl, method: str
    ) -> DigestAnswer:
        """An answer to a challenge of ours, for this stream; else there is a new challenge."""
        try:
            meant = address.parse(given.fields.get("uri", "")).name == url.name
        except address.BadUrl:
            meant = False
        if not meant or not _challenger.is_fresh(given):
            challenge = _challenger.digest(stale=True)
            raise Refused(401, "The challenge is too old", {"WWW-Authenticate": [challenge]})
        return DigestAnswer(method, given.fields)

    async def on_setup(self, request: Request) -> Answer:
        """How one track travels."""
        if self._recording is not None:
            return self._set_up_recording(self._recording, request)
        url = _parse(request)
        await self._open(url, request)
        if url.track is None and len(self._offered) > 1:
            raise Refused(459, "SETUP names one track: trackID=N")
        number = self._offered[0].number if url.track is None else url.track
        if number not in {track.number for track in self._offered}:
            raise Refused(404, f"The stream has no track {number}")
        if self.playing:
            raise Refused(455, "The presentation plays already")
        chosen = await self._choose(number, request)
        self._transports[number] = chosen
        self._name_session()
        return {"Transport": chosen.write(), "Session": self.header}, b""

    async def _choose(self, number: int, request: Request) -> Transport:
        """The first transport that the client offers and we have."""
        for wanted in transport.parse(request.headers.text("transport")):
            if wanted.multicast or wanted.profile != "RTP/AVP" or wanted.record:
                continue
            if any(one.kind != wanted.kind for one in self._transports.values()):
                continue  # one presentation travels one way
            if wanted.kind == "tcp":
                channels = wanted.channels or (2 * number, 2 * number + 1)
                return Transport("tcp", channels=channels)
            if wanted.client_ports is not None:
                rtp, rtcp = self._udp_ports()
                return Transport(
                    "udp", client_ports=wanted.client_ports, server_ports=(rtp.number, rtcp.number)
                )
        raise Refused(461, "RTP/AVP unicast by TCP or UDP is served, all tracks the same way")

    def _udp_ports(self) -> list[UdpPort]:
        if not self._ports:
            try:
                self._ports = [*open_pair(self._hear, self._hear, self._local_host())]
            except OSError as error:
                raise self._no_port(error) from error
        return self._ports

    def _local_host(self) -> str:
        """Packets leave from the address that the client talks to."""
        name = self._connection.transport.get_extra_info("sockname") or ("",)
        return str(name[0]).removeprefix("::ffff:")

    def _hear(self, data: bytes, sender: Address) -> None:
        if sender[0] == self._connection.ip:
            self.heard_at = time.monotonic()
            self._take_wish(data)

    async def on_play(self, request: Request) -> Answer:
        self._check_session(request)
        if self._broadcast is None or self._access is None or not self._transports:
            raise Refused(455, "PLAY needs SETUP first")
        fields = await self._go_to(request)
        if self._playback is None:
            self._playback = play.Playback(self._broadcast, self._access, self._way())
        self._begins = "play"
        return fields, b""

    async def _go_to(self, request: Request) -> HeaderFields:
        """Play from where, and as fast as, the client wants; what there is no choice of stays."""
        assert self._access is not None
        asked, rate = request.headers, position.asked_rate(request.headers)
        if not isinstance(self._broadcast, ReplayBroadcast):
            is_clock = asked.text("range").startswith("clock=")
            span = position.asked_span(asked, 0) if is_clock else position.NOWHERE
            if span.start_ms is None or not self._access.config.archive:
                return {"Range": "npt=now-"}
            await self._open_archive(self._access, span.start_ms)
        assert isinstance(self._broadcast, ReplayBroadcast)
        span = position.asked_span(asked, self._base_ms)
        if span.unit == "clock" and self._broadcast.is_file:
            raise Refused(457, "Times of a file are given in npt")
        start = span.start_ms
        if start == self._base_ms and not self._has_begun:
            start = None  # it begins there
        if start is not None or span.end_ms is not None or rate != self._rate:
            self._broadcast.seek(start, span.end_ms, rate.speed, rate.scale)
        self._rate, self._has_begun = rate, True
        fields = {"Range": position.written_span(span, self._base_ms)}
        fields |= {"Scale": f"{rate.scale:g}"} if asked.text("scale") else {}
        fields |= {"Speed": f"{rate.speed:g}"} if asked.text("speed") else {}
        return {name: value for name, value in fields.items() if value}

    async def _open_archive(self, access: Access, start_ms: int) -> None:
        """In place of the present, which the client has set up; raises Refused, AccessDenied."""
        if self.playing:
            raise Refused(455, "PAUSE comes before a time of the archive")
        hub = self._egress.hub
        recorded = await hub.access(replace(access.request, archive=True))
        moment = Moment("event", start_ms, MAX_MS)
        broadcast = await hub.replay(recorded, play.FORMAT, moment, play.RtspFraming)
        tracks = play.offered(broadcast.description)
        names = [(one.number, one.name, one.media.encoding) for one in tracks]
        if any((o.number, o.name, o.media.encoding) not in names for o in self._offered):
            broadcast.let_go()
            hub.give_up(recorded, "other tracks")
            raise Refused(457, "The recording has other tracks: ask for it by ?from=")
        hub.give_up(access, "the client plays the archive")
        if self._broadcast is not None:
            self._broadcast.let_go()
        self._access, self._broadcast, self._playback = recorded, broadcast, None
        self._base_ms, self._rate, self._has_begun = start_ms, position.Rate(), False

    def _way(self) -> "asyncio.Transport | play.Renumbered | UdpSender":
        if self.by_udp:
            rtp, rtcp = self._ports
            routes = {}
            for number, one in self._transports.items():
                assert one.client_ports is not None
                routes[2 * number] = rtp, (self._connection.ip, one.client_ports[0])
                routes[2 * number + 1] = rtcp, (self._connection.ip, one.client_ports[1])
            return UdpSender(routes)
        assert self._broadcast is not None
        channels = play.channels_of(self._transports)
        count = len(play.offered(self._broadcast.description))
        if play.is_usual(channels, count):
            return self._connection.transport
        return play.Renumbered(self._connection.transport, channels)

    async def on_pause(self, request: Request) -> Answer:
        self._check_session(request)
        if self._playback is None:
            raise Refused(455, "Nothing plays")
        # What is paused goes on under a session of its own: a replay where it was, the rest at the
        # live point.
        access, playback = self._access, self._playback
        if isinstance(self._broadcast, ReplayBroadcast) and access is not None:
            self._access, self.paused = None, True
            playback.pause("paused")
            self._access = await self._egress.hub.access(access.request)
            playback.renew(self._access)
            return {}, b""
        self._access = self._playback = None
        self.paused = True
        playback.close("paused")
        if access is not None:
            self._access = await self._egress.hub.access(access.request)
        return {}, b""

    async def on_teardown(self, request: Request) -> Answer:
        self._check_session(request)
        header = self.header
        self.close("the client ended it")
        return {"Session": header}, b""

    # Publishing

    async def on_announce(self, request: Request) -> Answer:
        """What a publisher will send."""
        if self._recording is not None or self.playing:
            raise Refused(455, "This connection plays or publishes already")
        if "application/sdp" not in request.headers.text("content-type"):
            raise Refused(415, "ANNOUNCE carries application/sdp")
        url = _parse(request)
        self._name(url)
        tracks = announced(request.body, url.name)
        self.close("the client publishes")
        access = await self._ask(url, request, "publish")
        feed = await self._egress.hub.publish(access, "frames")
        connection = self._connection
        self._recording = Recording(feed, tracks, connection.gate, connection.ended)
        self._name_session()
        return {}, b""

    def _set_up_recording(self, recording: Recording, request: Request) -> Answer:
        if recording.running:
            raise Refused(455, "The publication runs already")
        track = recording.find(request.url)
        if track is None:
            raise Refused(404, "The description has no such track")
        for wanted in transport.parse(request.headers.text("transport")):
            if wanted.multicast or wanted.profile != "RTP/AVP":
                continue
            if wanted.kind == "tcp":
                chosen = recording.by_connection(track, wanted, self._connection.send)
            elif wanted.client_ports is not None:
                try:
                    chosen = recording.by_udp_ports(track, wanted.client_ports, self._connection.ip)
                except OSError as error:
                    raise self._no_port(error) from error
            else:
                continue
            return {"Transport": chosen.write(), "Session": self.header}, b""
        raise Refused(461, "RTP/AVP unicast by TCP or UDP is served")

    async def on_record(self, request: Request) -> Answer:
        self._check_session(request)
        if self._recording is None or not self._recording.is_set_up:
            raise Refused(455, "RECORD needs ANNOUNCE and SETUP first")
        self._begins = "record"
        return {}, b""

    # Both

    def _no_port(self, error: OSError) -> Refused:
        log.error("rtsp stream %s: no UDP port: %s", self.name, error)
        return Refused(503, "The server has no UDP port left; use TCP")

    def _name_session(self) -> None:
        self.id = self.id or secrets.token_hex(8)

    def _check_session(self, request: Request) -> None:
        given = request.headers.text("session").partition(";")[0]
        if not self.id or (given and given != self.id):
            raise Refused(454, "There is no such session on this connection")


def _parse(request: Request) -> address.StreamUrl:
    try:
        return address.parse(request.url)
    except address.BadUrl as error:
        raise Refused(400, str(error)) from None
