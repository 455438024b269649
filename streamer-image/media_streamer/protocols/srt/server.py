"""The shared SRT port: who connects says by the stream id what it wants.

One worker owns the port. A connection is decided while its handshake waits: the answer is there
within a millisecond or two, unless a backend has to be asked, which then takes the decision after
the handshake; a refusal is the code of the rejection (SRT Access Control: 1000 plus HTTP's status).
"""

import asyncio
import concurrent.futures
import logging
import socket
import ssl

from media_api.units import check_stream_name

from media_streamer.egress.access import Access, AccessDenied
from media_streamer.egress.context import Egress
from media_streamer.protocols.srt import libsrt
from media_streamer.protocols.srt.engine import SrtEngine
from media_streamer.protocols.srt.libsrt import ERR, IN, Option, SrtError, SrtSocket
from media_streamer.protocols.srt.play import SrtViewer
from media_streamer.protocols.srt.publish import SrtPublisher
from media_streamer.protocols.srt.settings import SrtSettings
from media_streamer.protocols.srt.stream_id import BadStreamId, StreamId, parse
from media_streamer.wire.control import AccessRequest

log = logging.getLogger(__name__)

PROTO = "srt"
BACKLOG = 128
DECIDE_SECONDS = 0.05
"""How long a handshake waits for its decision: it holds up the port's other traffic as long, whose
latency is 120 ms at least."""
MAX_UNDECIDED = 16
"""Handshakes whose decision takes longer; beyond these nobody waits, all are decided afterwards."""
MAX_CONNECTIONS = 4096


async def serve(
    egress: Egress, sock: socket.socket, tls: ssl.SSLContext | None = None
) -> "SrtServer":
    """Serve SRT on a bound UDP socket, which libsrt takes over. Raises OSError without libsrt."""
    return SrtServer(egress, sock, SrtSettings())


class SrtServer:
    """A listener; `close` takes no new connections, those that are there go on."""

    def __init__(self, egress: Egress, sock: socket.socket, settings: SrtSettings) -> None:
        libsrt.library()
        self._egress = egress
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._engine = engine_of(egress)
        self._listener = SrtSocket()
        for option, value in settings.options():
            self._listener.set_flag(option, value)
        number = sock.detach()
        if libsrt.library().srt_bind_acquire(self._listener.number, number) < 0:
            raise libsrt.last_error("bind")
        self._hook = libsrt.set_hook(self._listener, self._decide)
        if libsrt.library().srt_listen(self._listener.number, BACKLOG) < 0:
            raise libsrt.last_error("listen")
        self._decisions: dict[int, concurrent.futures.Future[Access]] = {}
        self._asked: dict[int, tuple[StreamId, tuple[str, int]]] = {}
        self._connections: set[SrtViewer | SrtPublisher] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._engine.add(self._listener, self, IN | ERR, reads=False)

    def close(self) -> None:
        self._engine.remove(self._listener)

    # In a thread of libsrt

    def _decide(self, number: int, peer: tuple[str, int], text: str) -> int:
        """Code of the refusal, 0 to accept."""
        try:
            wanted = parse(text)
            check_stream_name(wanted.name)
        except (BadStreamId, ValueError) as error:
            log.info("srt %s:%d: stream id %r refused: %s", *peer, text[:100], error)
            return 400
        if len(self._connections) >= MAX_CONNECTIONS:
            return 503
        if passphrase := self._settings.passphrase:
            libsrt.set_option(number, Option.PASSPHRASE, passphrase)
        future = asyncio.run_coroutine_threadsafe(self._ask(wanted, peer), self._loop)
        self._decisions[number] = future
        self._asked[number] = wanted, peer
        if sum(not one.done() for one in self._decisions.values()) > MAX_UNDECIDED:
            return 0
        try:
            future.result(DECIDE_SECONDS)
        except TimeoutError:
            return 0
        except AccessDenied as denied:
            self._forget(number)
            log.info("srt %s:%d stream %s refused: %s", *peer, wanted.name, denied.title)
            return denied.status
        return 0

    # In the event loop

    async def _ask(self, wanted: StreamId, peer: tuple[str, int]) -> Access:
        parameters = wanted.parameters
        return await self._egress.hub.access(
            AccessRequest(
                name=wanted.name,
                proto=PROTO,
                kind=wanted.mode or self._settings.mode or "play",
                ip=peer[0],
                token=parameters.get(self._egress.token_parameter, ""),
                qs=wanted.query,
                password=parameters.get("password", ""),
                user_agent=parameters.get("user", ""),
            )
        )

    def on_messages(self, messages: list[bytes]) -> None:
        """A listener gets none."""

    def on_event(self, events: int) -> None:
        if events & ERR:
            log.error("srt: the listener is broken; reload the configuration to open it again")
            return
        lib = libsrt.library()
        while (
            number := lib.srt_accept(self._listener.number, libsrt.ffi.NULL, libsrt.ffi.NULL)
        ) >= 0:
            decision, asked = self._decisions.pop(number, None), self._asked.pop(number, None)
            sock = SrtSocket(number)
            if decision is None or asked is None:
                sock.close()
                continue
            task = asyncio.create_task(self._begin(sock, decision, *asked))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _begin(
        self,
        sock: SrtSocket,
        decision: "concurrent.futures.Future[Access]",
        wanted: StreamId,
        peer: tuple[str, int],
    ) -> None:
        name = wanted.name
        try:
            access = await asyncio.wrap_future(decision)
            name = access.stream
            made: SrtViewer | SrtPublisher
            if access.request.kind == "publish":
                feed = await self._egress.hub.publish(access, "ts")
                made = SrtPublisher(self._engine, sock, feed, name, peer, self._connections.discard)
            else:
                broadcast = await self._egress.hub.broadcast(access, "ts")
                made = SrtViewer(
                    self._engine, sock, broadcast, access, peer, self._connections.discard
                )
        except AccessDenied as denied:
            log.info("srt %s:%d stream %s refused: %s", *peer, name, denied.title)
            sock.close()
            return
        except SrtError as error:
            log.info("srt %s:%d stream %s: %s", *peer, name, error)
            sock.close()
            return
        self._connections.add(made)

    def _forget(self, number: int) -> None:
        self._decisions.pop(number, None)
        self._asked.pop(number, None)


_engines: dict[int, SrtEngine] = {}


def engine_of(egress: Egress) -> SrtEngine:
    """The one thread of this process that waits for SRT sockets."""
    found = _engines.get(id(egress))
    if found is None:
        found = _engines[id(egress)] = SrtEngine()
    return found
