"""One RTSP connection: requests in order, packets within it, time-outs.

    OPTIONS -> DESCRIBE -> SETUP … -> PLAY <-> PAUSE -> TEARDOWN
               ANNOUNCE -> SETUP … -> RECORD         -> TEARDOWN

Invariants: requests are answered one after the other, and while one waits for access no more are
read than fit `MAX_QUEUED`; every wait has a time-out; a refusal says why in its status line; a peer
that breaks the protocol closes the connection with one log line that names it and its stream. What
belongs to the connection ends with it.
"""

import asyncio
import logging
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

from media_streamer.egress.access import AccessDenied
from media_streamer.egress.context import Egress
from media_streamer.egress.reading import ReadGate
from media_streamer.protocols.rtsp.message import (
    HeaderFields,
    Interleaved,
    MessageError,
    MessageReader,
    Request,
    Response,
    write_response,
)
from media_streamer.protocols.rtsp.session import RtspSession
from media_streamer.protocols.rtsp.status import Refused
from media_streamer.protocols.rtsp.tunnel import (
    MAX_RELAYED_BYTES,
    Decoder,
    Half,
    Second,
    TunnelBroken,
    Tunnels,
)
from media_streamer.rounds import until_round

log = logging.getLogger(__name__)

MAX_QUEUED = 16
CLOSE_SECONDS = 3.0
METHODS = (
    "OPTIONS", "DESCRIBE", "ANNOUNCE", "SETUP", "PLAY", "PAUSE", "RECORD", "TEARDOWN",
    "GET_PARAMETER", "SET_PARAMETER",
)  # fmt: skip
PUBLIC = ", ".join(METHODS)
SERVER = "media-appliance"
MAX_UNREAD_ANSWERS = 256 * 1024
"""A peer that sends requests and reads no answers is closed."""


@dataclass(frozen=True, slots=True)
class RtspTimes:
    """What a connection may take, in seconds."""

    setup_seconds: float = 20.0
    """From the connection, or the end of a presentation, to PLAY or RECORD."""
    udp_idle_seconds: float = 65.0
    """A player by UDP shows that it lives by requests or RTCP; it is told a time-out of 60 s."""
    publisher_idle_seconds: float = 30.0
    request_seconds: float = 40.0
    check_seconds: float = 2.0
    """How often the times above are looked at."""


TIMES = RtspTimes()


class RtspConnection(asyncio.Protocol):
    """Protocol of one client."""

    def __init__(
        self,
        egress: Egress,
        tunnels: Tunnels,
        times: RtspTimes,
    ) -> None:
        self._refusals = egress.refusals
        self._turns = egress.hub.turns
        self._times = times
        self._tunnels = tunnels
        self._reader = MessageReader()
        self._queue: deque[Request] = deque()
        self._wake = asyncio.Event()
        self._session = RtspSession(egress, self)
        self._closed = False
        self._second: Second | None = None
        """Of the first half of a tunnel: who brings what the client says."""
        self._first: Half | None = None
        self._decoder: Decoder | None = None
        self._relay: asyncio.Transport | None = None
        self._searching: asyncio.Task[None] | None = None
        """Of a second half: the first one where it is here, else the way to its worker."""
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._since = self.heard_at = time.monotonic()
        self.ip = self.peer = ""
        self.transport: asyncio.Transport
        self.gate: ReadGate

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.gate = ReadGate(transport)
        host, port = (transport.get_extra_info("peername") or ("?", 0))[:2]
        self.ip = str(host).removeprefix("::ffff:")
        self.peer = f"{self.ip}:{port}"
        self._task = asyncio.create_task(self._work(), name=f"rtsp {self.peer}")
        self._schedule_check()

    def data_received(self, data: bytes) -> None:
        self.heard_at = time.monotonic()
        try:
            if self._first is not None or self._relay is not None:
                self._pass_on(data)
            else:
                self._take(data)
        except (MessageError, TunnelBroken) as error:
            self.close(f"no RTSP: {error}", level=logging.WARNING, fault="no RTSP")

    def _take(self, data: bytes) -> None:
        packets: list[Interleaved] = []
        for message in self._reader.feed(data):
            if isinstance(message, Interleaved):
                packets.append(message)
            elif isinstance(message, Response):
                continue  # of a keep-alive; we ask nothing else
            elif message.version.startswith("HTTP/"):
                self._open_tunnel(message)
                return
            else:
                self._queue.append(message)
                self._wake.set()
        if packets:
            self._session.take_packets(packets)
            if self._session.recording and self._second is None:
                self._turns.wait(self.gate, self.data_received)
        if len(self._queue) >= MAX_QUEUED:
            self.gate.hold("requests")

    def connection_lost(self, exc: Exception | None) -> None:
        gone = exc is None or isinstance(exc, ConnectionResetError | BrokenPipeError)
        self.close("the client closed the connection" if gone else f"connection lost: {exc}")

    # Life

    def close(self, reason: str, *, level: int = logging.INFO, fault: str = "") -> None:
        """End everything; may be called again.

        `fault`: a word for what the peer did wrong, and may do often: it is not logged each time.
        """
        if self._closed:
            return
        self._closed = True
        name = self._session.name or "-"
        tail = self._refusals.tail("rtsp", name, fault, self.ip) if fault else ""
        if tail is not None:
            log.log(level, "rtsp %s stream %s: %s%s", self.peer, name, reason, tail)
        if self._timer is not None:
            self._timer.cancel()
        self._turns.leave(self.gate)
        self._session.close(reason)
        self._tunnels.forget(self)
        self._wake.set()
        self.transport.close()
        asyncio.get_running_loop().call_later(CLOSE_SECONDS, self.transport.abort)
        if self._searching is not None:
            self._searching.cancel()
        if self._relay is not None:
            self._relay.close()
        for half in (self._first, self._second):
            if half is not None:
                half.close("its tunnel was closed")

    def send(self, data: bytes) -> None:
        """Write an answer, or packets."""
        if self._closed or self.transport.is_closing():
            return
        if (
            not self._session.playing
            and self.transport.get_write_buffer_size() > MAX_UNREAD_ANSWERS
        ):
            self.close("the client does not read its answers", level=logging.WARNING)
            return
        self.transport.write(data)

    def _schedule_check(self) -> None:
        seconds = until_round(self._times.check_seconds)
        self._timer = asyncio.get_running_loop().call_later(seconds, self._check)

    def _check(self) -> None:
        now = time.monotonic()
        session, times = self._session, self._times
        if session.playing:
            self._since = now
            idle = now - max(self.heard_at, session.heard_at)
            if session.by_udp and idle > times.udp_idle_seconds:
                self.close(f"the player said nothing for {times.udp_idle_seconds:.0f} s")
        elif session.recording:
            self._since = now
            if session.silence > times.publisher_idle_seconds:
                self.close(f"the publisher sent nothing for {times.publisher_idle_seconds:.0f} s")
        elif session.paused:
            self._since = now
            if now - self.heard_at > times.udp_idle_seconds:
                self.close(f"paused, and nothing said for {times.udp_idle_seconds:.0f} s")
        elif self._first is not None or self._relay is not None:
            pass  # its first half looks after both
        elif now - self._since > times.setup_seconds:
            # Who named no stream by then is no line: strangers would write the log.
            level = logging.INFO if session.name else logging.DEBUG
            reason = f"neither PLAY nor RECORD within {times.setup_seconds:.0f} s"
            self.close(reason, level=level)
        if not self._closed:
            self._schedule_check()

    # Requests

    async def _work(self) -> None:
        """Answer requests in their order."""
        while not self._closed:
            if not self._queue:
                self._wake.clear()
                await self._wake.wait()
                continue
            request = self._queue.popleft()
            if len(self._queue) < MAX_QUEUED // 2:
                self.gate.release("requests")
            await self._answer(request)

    async def _answer(self, request: Request) -> None:
        try:
            async with asyncio.timeout(self._times.request_seconds):
                answer = await self._serve(request)
        except Refused as refused:
            self._refuse(request, refused)
        except AccessDenied as denied:
            self._refuse(request, Refused.of(denied))
        except TimeoutError:
            self._refuse(request, Refused(503, "The server did not decide in time; try again"))
        except Exception:
            log.exception("rtsp %s stream %s: %s", self.peer, self._session.name, request.method)
            self._refuse(request, Refused(500, "The server failed; see its log"))
        else:
            self.send(answer)
            if request.method in ("PLAY", "RECORD"):
                self._session.begin()
            elif request.method == "TEARDOWN":
                self._since = time.monotonic()
        finally:
            if self._closed:  # meanwhile: what the request has got is given back
                self._session.close("the client closed the connection")

    async def _serve(self, request: Request) -> bytes:
        if not request.version.startswith("RTSP/1."):
            raise Refused(505, "Only RTSP/1.0 is spoken here")
        session, method = self._session, request.method
        if method == "OPTIONS":
            return self.answer(request, {"Public": PUBLIC})
        if method in ("GET_PARAMETER", "SET_PARAMETER"):
            return self.answer(request)  # what clients keep a session alive with
        if method not in METHODS:
            raise Refused(501, f"{method[:32]} is not known here", {"Public": PUBLIC})
        handler: Any = getattr(session, f"on_{method.lower()}")
        headers, body = await handler(request)
        return self.answer(request, headers, body)

    def answer(
        self, request: Request, headers: HeaderFields | None = None, body: bytes = b""
    ) -> bytes:
        """A 200 answer."""
        fields = {"Server": SERVER, **(headers or {})}
        if self._session.id and "Session" not in fields:
            fields["Session"] = self._session.header
        return write_response(200, request.cseq, fields, body)

    def _refuse(self, request: Request, refused: Refused) -> None:
        name = self._session.name or "-"
        tail = self._refusals.tail("rtsp", name, str(refused.status), self.ip)
        if tail is not None:
            words = f"{request.method[:32]} refused: {refused.status} {refused.reason}{tail}"
            log.info("rtsp %s stream %s: %s", self.peer, name, words)
        headers = {"Server": SERVER, **refused.headers}
        self.send(write_response(refused.status, request.cseq, headers, reason=refused.reason))

    def ended(self, reason: str) -> None:
        """What was played is over, for a reason of the server's."""
        self.close(reason)

    # Tunnel

    def _open_tunnel(self, request: Request) -> None:
        """RTSP within two HTTP requests: GET carries what we send, POST what we get, in base64."""
        cookie = request.headers.text("x-sessioncookie")
        if not cookie or request.method not in ("GET", "POST"):
            self.transport.write(b"HTTP/1.1 400 This port speaks RTSP\r\nConnection: close\r\n\r\n")
            self.close("HTTP without a tunnel's cookie")
        elif request.method == "GET":
            self._open_outward(cookie)
        elif (first := self._tunnels.take(cookie)) is not None:
            self._decoder = Decoder()
            self._first = first
            first.join(self)
            self._pass_on(self._reader.rest())
        else:
            self.gate.hold("access")
            self._searching = asyncio.create_task(self._search(cookie), name="rtsp tunnel")

    def _open_outward(self, cookie: str) -> None:
        if not self._tunnels.offer(cookie, self):
            self.transport.write(b"HTTP/1.0 503 Too many tunnels\r\n\r\n")
            self.close("too many tunnels wait for their other half", level=logging.WARNING)
            return
        self.transport.write(
            b"HTTP/1.0 200 OK\r\nContent-Type: application/x-rtsp-tunnelled\r\n"
            b"Cache-Control: no-store\r\nPragma: no-cache\r\nConnection: close\r\n\r\n"
        )

    async def _search(self, cookie: str) -> None:
        """The first half may have come to another worker."""
        relay = await self._tunnels.search(cookie, self)
        if self._closed or relay is None:
            if relay is not None:
                relay.close()
            if not self._closed:
                self.transport.write(b"HTTP/1.0 404 No such tunnel\r\n\r\n")
                self.close("a tunnel's second half without a first one")
            return
        self._relay = relay
        self._pass_on(self._reader.rest())
        self.gate.release("access")

    def _pass_on(self, data: bytes) -> None:
        """Bytes of a second half."""
        if self._relay is not None:
            self._relay.write(data)
            if self._relay.get_write_buffer_size() > MAX_RELAYED_BYTES:
                self.close("the tunnel's other worker does not read", level=logging.WARNING)
        elif self._first is not None and self._decoder is not None:
            self._first.hear(self._decoder.decode(data))

    # tunnel.Half

    def hear(self, data: bytes) -> None:
        """What the client says by the other half."""
        self.data_received(data)

    def join(self, second: Second) -> None:
        """The other half is there."""
        self._second = second
