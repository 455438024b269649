"""The SRT ports: who connects says by the stream id, or by the port itself, what it wants.

One worker owns the ports. While a handshake waits the supervisor is asked on what terms the peer
connects (passphrase, latency: its configuration, so within a millisecond or two) and whether it
may, and a viewer is found what it wants. A backend that has to be asked takes longer, and so does a
source that gives no data yet: they decide after the handshake, when SRT has no words any more and a
refusal is a connection that ends. Before, it is the code of the rejection (SRT Access Control: 1000
plus HTTP's status).

libsrt looks at the passphrase behind our decision. Who comes to a stream with a passphrase that
somebody publishes already is let in therefore, so that libsrt judges his passphrase, and put out
again; if he tries once more he is told the reason in the handshake.
"""

import asyncio
import concurrent.futures
import contextlib
import logging
import os
import re
import socket
import ssl
import time
from dataclasses import dataclass

from media_api.units import check_stream_name
from media_process.door import is_loopback
from media_rest.guessing import caller_key

from media_streamer.budgets import (
    SRT_ADDRESS_CONNECTIONS,
    SRT_CONNECTIONS,
    SRT_HANDSHAKE_SECONDS,
)
from media_streamer.egress.access import Access, AccessDenied
from media_streamer.egress.context import Egress
from media_streamer.egress.feed import Feed
from media_streamer.presentation.selection import asked_tracks
from media_streamer.protocols.srt import libsrt
from media_streamer.protocols.srt.engine import SrtEngine
from media_streamer.protocols.srt.libsrt import ERR, IN, NOT_TAKEN, SrtError, SrtSocket
from media_streamer.protocols.srt.play import SrtViewer
from media_streamer.protocols.srt.publish import SrtPublisher
from media_streamer.protocols.srt.settings import listener_options, peer_options
from media_streamer.protocols.srt.stream_id import BadStreamId, StreamId, parse
from media_streamer.wire.control import AccessRequest, DatagramsDropped, SrtQuestion, SrtTerms

log = logging.getLogger(__name__)

PROTO = "srt"
BACKLOG = 128
TERMS_SECONDS = 0.25
"""How long a handshake waits for its terms: it holds up the port's other traffic as long."""
DECIDE_SECONDS = 0.05
"""The same for the decision about access."""
MAX_UNDECIDED = 16
"""Handshakes whose decision takes longer; beyond these nobody waits, all are decided afterwards."""
DROPS_SECONDS = 5.0
"""The kernel is asked this often what it did not let in."""
_NUMBER = re.compile(r"[1-9][0-9]{0,5}", re.ASCII)
MAX_PROVEN = 1024
"""Addresses that are remembered to know a passphrase, and were refused nevertheless."""
PROVEN_SECONDS = 60.0


async def serve(
    egress: Egress, sock: socket.socket, tls: ssl.SSLContext | None = None
) -> "SrtServer":
    """Serve SRT on a bound UDP socket, which libsrt takes over. Raises OSError without libsrt."""
    return SrtServer(egress, sock)


@dataclass(slots=True)
class _Peer:
    """Who is connecting."""

    address: tuple[str, int]
    terms: SrtTerms
    decision: "concurrent.futures.Future[Access]"
    tracks: tuple[str, ...] = ()
    """Those that it wants to play; () for all."""
    timer: asyncio.TimerHandle | None = None
    key: str = ""
    """What its address is counted by."""


class SrtServer:
    """A listener; `close` takes no new connections, those that are there go on."""

    def __init__(self, egress: Egress, sock: socket.socket) -> None:
        libsrt.library()
        self._egress = egress
        self._loop = asyncio.get_running_loop()
        self._engine = engine_of(egress)
        address, self._port = sock.getsockname()[:2]
        self._address = "" if address in ("::", "0.0.0.0") else str(address)
        self._listener = SrtSocket()
        for option, value in listener_options():
            self._listener.set_flag(option, value)
        self._listener.use(sock)
        self._hook = libsrt.set_hook(self._listener, self._look_at)
        if libsrt.library().srt_listen(self._listener.number, BACKLOG) < 0:
            raise libsrt.last_error("listen")
        self._peers: dict[int, _Peer] = {}
        self._connections: dict[SrtViewer | SrtPublisher, str] = {}
        """With what their addresses are counted by."""
        self._proven: dict[tuple[str, str], float] = {}
        """Until when: address and stream."""
        self._tasks: dict[asyncio.Task[None], str] = {}
        """With what the address is counted by whose connection begins; "" of one that is over."""
        said = os.environ.get("STREAMER_SRT_ADDRESS_CONNECTIONS", "")
        self._most = int(said) if _NUMBER.fullmatch(said) else SRT_ADDRESS_CONNECTIONS
        """Connections of an address."""
        if said and not _NUMBER.fullmatch(said):
            log.error(
                "STREAMER_SRT_ADDRESS_CONNECTIONS=%.20r is no number from 1 on: %d hold",
                said,
                self._most,
            )
        self._engine.add(self._listener, self, IN | ERR, reads=False)
        self._look = self._loop.call_later(DROPS_SECONDS, self._count_drops)

    def close(self) -> None:
        self._look.cancel()
        self._engine.remove(self._listener)

    def _count_drops(self) -> None:
        """Say what was not let in, and by how much it grew."""
        self._look = self._loop.call_later(DROPS_SECONDS, self._count_drops)
        drops = self._listener.drops
        if drops is None or not (count := drops.new()):
            return
        self._egress.hub.notify(DatagramsDropped(count))
        if (tail := self._egress.refusals.tail("srt", "", "dropped", str(self._port))) is not None:
            log.warning(
                "srt port %d: %d datagrams found no room or were refused: %s%s",
                *(self._port, count, NOT_TAKEN, tail),
            )

    # In a thread of libsrt

    def _look_at(self, number: int, address: tuple[str, int], text: str) -> int:
        """Code of the refusal, 0 to accept."""
        name = "-"
        try:
            wanted = parse(text)
            if wanted.name:
                check_stream_name(wanted.name)
                name = wanted.name
            self._check_room(address[0])
            asked = asyncio.run_coroutine_threadsafe(self._terms(wanted), self._loop)
            terms = asked.result(TERMS_SECONDS)
            name = terms.name  # a port of one stream needs none in the stream id
            return self._decide(number, address, wanted, terms)
        except (BadStreamId, ValueError) as error:
            tail = self._egress.refusals.tail("srt", "", "bad_stream_id", address[0])
            if tail is not None:
                words = f"stream id {text[:100]!r} refused: {error}"
                log.info("srt %s:%d: %s%s", *address, words, tail)
            return 400
        except TimeoutError:
            if (tail := self._egress.refusals.tail("srt", name, "late")) is not None:
                log.warning("srt %s:%d stream %s: no decision in time%s", *address, name, tail)
            return 503
        except AccessDenied as denied:
            self._say_refused(address, name, denied)
            return denied.status

    def _decide(
        self, number: int, address: tuple[str, int], wanted: StreamId, terms: SrtTerms
    ) -> int:
        for option, value in peer_options(terms):
            libsrt.set_option(number, option, value)
        refusal = terms.refusal
        known_until = self._proven.get((address[0], terms.name), 0.0)
        if refusal is not None and time.monotonic() < known_until:
            raise AccessDenied(refusal.status, refusal.code, refusal.title)
        tracks = asked_tracks(wanted.parameters, "tracks")
        question = self._ask(wanted, terms, address, tracks)
        decision = asyncio.run_coroutine_threadsafe(question, self._loop)
        self._peers[number] = _Peer(address, terms, decision, tracks, key=caller_key(address[0]))
        self._loop.call_soon_threadsafe(self._watch, number)
        if refusal is not None:
            return 0
        if sum(not one.decision.done() for one in list(self._peers.values())) > MAX_UNDECIDED:
            return 0
        try:
            decision.result(DECIDE_SECONDS)
        except TimeoutError:
            return 0
        except AccessDenied:
            self._peers.pop(number, None)
            raise
        return 0

    def _check_room(self, ip: str) -> None:
        """One more connection; raises AccessDenied(503)."""
        peers = [one.key for one in list(self._peers.values())]
        begin = [key for key in list(self._tasks.values()) if key]
        keys = [*list(self._connections.values()), *begin, *peers]
        if len(keys) >= SRT_CONNECTIONS:
            raise AccessDenied(503, "too_many", "There are too many connections")
        if len(keys) < self._most or is_loopback(ip):
            return
        if keys.count(caller_key(ip)) >= self._most:
            title = f"The address has {self._most} connections (STREAMER_SRT_ADDRESS_CONNECTIONS)"
            raise AccessDenied(503, "address_limit", title)

    def _say_refused(self, address: tuple[str, int], name: str, denied: AccessDenied) -> None:
        tail = self._egress.refusals.tail("srt", name, denied.code, address[0])
        if tail is not None:
            log.info("srt %s:%d stream %s refused: %s%s", *address, name, denied.title, tail)

    # In the event loop

    async def _terms(self, wanted: StreamId) -> SrtTerms:
        question = SrtQuestion(self._address, self._port, wanted.name, wanted.mode or "")
        return await self._egress.hub.ask(question)

    async def _ask(
        self, wanted: StreamId, terms: SrtTerms, address: tuple[str, int], tracks: tuple[str, ...]
    ) -> Access:
        """Leave, of a viewer also that there is what it wants."""
        if terms.refusal is not None:
            raise AccessDenied(terms.refusal.status, terms.refusal.code, terms.refusal.title)
        parameters, hub = wanted.parameters, self._egress.hub
        access = await hub.access(
            AccessRequest(
                name=terms.name,
                proto=PROTO,
                kind=terms.mode,
                ip=address[0],
                token=parameters.get(self._egress.token_parameter, ""),
                qs=wanted.query,
                password=parameters.get("password", ""),
                user_agent=parameters.get("user", ""),
            )
        )
        if terms.mode == "play":
            await hub.broadcast(access, "ts", tracks=tracks)
        return access

    def _watch(self, number: int) -> None:
        """Somebody has leave: the handshake must end some time."""
        if peer := self._peers.get(number):
            peer.timer = self._loop.call_later(SRT_HANDSHAKE_SECONDS, self._give_up, number)

    def _give_up(self, number: int) -> None:
        peer = self._peers.pop(number, None)
        if peer is None:
            return
        if peer.timer is not None:
            peer.timer.cancel()
        name = peer.terms.name
        tail = self._egress.refusals.tail("srt", name, "unfinished", peer.address[0])
        if tail is not None:
            why = "a wrong passphrase, or " if peer.terms.passphrase else ""
            words = f"{why}the handshake was not finished{tail}"
            log.info("srt %s:%d stream %s: %s", *peer.address, name, words)
        task = asyncio.create_task(self._return(peer.decision))
        self._tasks[task] = ""
        task.add_done_callback(self._tasks.pop)

    async def _return(self, decision: "concurrent.futures.Future[Access]") -> None:
        try:
            access = await asyncio.wrap_future(decision)
        except AccessDenied:
            return
        self._egress.hub.give_up(access, "the handshake was not finished")

    def on_messages(self, messages: list[bytes]) -> None:
        """A listener gets none."""

    def on_event(self, events: int) -> None:
        if events & ERR:
            log.error("srt port %d: the listener is broken: restart the server", self._port)
            return
        lib = libsrt.library()
        while (
            number := lib.srt_accept(self._listener.number, libsrt.ffi.NULL, libsrt.ffi.NULL)
        ) >= 0:
            peer = self._peers.pop(number, None)
            sock: SrtSocket | None = None
            with contextlib.suppress(SrtError):  # who has called is gone again
                sock = SrtSocket(number)
            if peer is None:
                if sock is not None:
                    sock.close()
                continue
            if peer.timer is not None:
                peer.timer.cancel()
            task = asyncio.create_task(self._begin(sock, peer))
            self._tasks[task] = peer.key
            task.add_done_callback(self._tasks.pop)

    def _remember(self, peer: _Peer) -> None:
        """His passphrase was right."""
        place = (peer.address[0], peer.terms.name)
        self._proven.pop(place, None)
        self._proven[place] = time.monotonic() + PROVEN_SECONDS
        if len(self._proven) > MAX_PROVEN:
            del self._proven[next(iter(self._proven))]

    async def _begin(self, sock: SrtSocket | None, peer: _Peer) -> None:
        """Nothing comes after the answer where the socket is gone."""
        name = peer.terms.name
        feed: Feed | None = None
        try:
            access = await asyncio.wrap_future(peer.decision)
            name = access.stream
            if sock is None:
                self._egress.hub.give_up(access, "the caller was gone at once")
                return
            made: SrtViewer | SrtPublisher
            if access.request.kind == "publish":
                feed = await self._egress.hub.publish(access, "ts")
                made = SrtPublisher(
                    self._engine, sock, feed, peer.terms, peer.address, self._forget
                )
            else:
                broadcast = await self._egress.hub.broadcast(access, "ts", tracks=peer.tracks)
                made = SrtViewer(self._engine, sock, broadcast, access, peer.address, self._forget)
        except AccessDenied as denied:
            self._say_refused(peer.address, name, denied)
            if peer.terms.refusal is not None:
                self._remember(peer)
            if sock is not None:
                sock.close()
            return
        except SrtError as error:
            log.info("srt %s:%d stream %s: %s", *peer.address, name, error)
            if sock is not None:
                sock.close()
            if feed is not None:
                await feed.close()
            return
        self._connections[made] = peer.key

    def _forget(self, gone: SrtViewer | SrtPublisher) -> None:
        self._connections.pop(gone, None)


_engines: dict[int, SrtEngine] = {}


def engine_of(egress: Egress) -> SrtEngine:
    """The one thread of this process that waits for SRT sockets."""
    found = _engines.get(id(egress))
    if found is None:
        found = _engines[id(egress)] = SrtEngine()
    return found
