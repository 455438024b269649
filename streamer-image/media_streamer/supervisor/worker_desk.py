"""Where the workers come to: who they are, what they are told and asked, and what their end means.

Invariants: a worker that hangs or stays without a channel does not stay (`ProcessPool` starts
another); what it ran is given to others or back to itself. Workers that live when the supervisor
starts are taken over with what they run: they say so before the configuration is applied, so that
streams and jobs are placed where they are.
"""

import asyncio
import contextlib
import logging
import signal
import time

import msgspec

from media_streamer import last_words
from media_streamer.supervisor.access import AccessControl
from media_streamer.supervisor.applier import egress_settings, media_settings
from media_streamer.supervisor.backend import Backend
from media_streamer.supervisor.catalog import CatalogFull
from media_streamer.supervisor.control import Connection
from media_streamer.supervisor.egress_workers import EgressWorkers
from media_streamer.supervisor.jobs import JobPlacement
from media_streamer.supervisor.news import StreamNews
from media_streamer.supervisor.ports import Place
from media_streamer.supervisor.processes import ProcessPool, Worker
from media_streamer.supervisor.sessions import SessionRegistry
from media_streamer.supervisor.settings import Settings
from media_streamer.supervisor.srt_ports import SrtDoor
from media_streamer.supervisor.streams import StreamControl
from media_streamer.supervisor.tasks import Tasks
from media_streamer.supervisor.tickets import read_ticket
from media_streamer.supervisor.transcoders import TranscoderProcesses
from media_streamer.version import server_version
from media_streamer.wire import homes
from media_streamer.wire.control import (
    AccessRequest,
    AnswersSent,
    DatagramsDropped,
    EgressSettings,
    Granted,
    Heartbeat,
    Hello,
    MediaSettings,
    Recycle,
    Refusal,
    SessionLeft,
    SessionsHeld,
    SessionsMoved,
    SrtQuestion,
    TranscodersWanted,
)
from media_streamer.wire.life import living_workers

log = logging.getLogger(__name__)

GATHER_SECONDS = 5.0
RECOVER_SECONDS = 5.0
"""For one name that the configuration backend must be asked about."""
ORPHAN_SECONDS = 3.0
"""A worker that lost its channel comes back at once; one that hangs in that must not stay."""
_ENDED_FROM_OUTSIDE = frozenset({-signal.SIGKILL, -signal.SIGTERM, 0})


class WorkerDesk:
    """`control.Handlers`, and what happens when a process dies."""

    def __init__(
        self,
        settings: Settings,
        pool: ProcessPool,
        streams: StreamControl,
        egress: EgressWorkers,
        jobs: JobPlacement,
        sessions: SessionRegistry,
        access: AccessControl,
        srt: SrtDoor,
        backend: Backend,
        transcoders: TranscoderProcesses,
        news: StreamNews,
        tasks: Tasks,
    ) -> None:
        self._settings = settings
        self._pool = pool
        self._streams = streams
        self._egress = egress
        self._jobs = jobs
        self._sessions = sessions
        self._access = access
        self._srt = srt
        self._tasks = tasks
        self._transcoders = transcoders
        self._news = news
        self._backend = backend
        self._adopted: set[tuple[str, str]] = set()
        """Workers that lived before this supervisor and have not said hello yet."""
        self._is_running = False
        """Who dies is started again."""
        self._replaced: dict[int, asyncio.Task[None]] = {}
        """Process ids of those of another version, which end."""
        self._known: set[str] = set()
        """Streams that they run."""
        self._knocked = asyncio.Event()
        self._configured = asyncio.Event()
        self._connected: set[tuple[str, str]] = set()
        self.held_ports: set[Place] = set()
        """Ports that are open already."""

    # Workers of a supervisor that was killed

    def adopt(self) -> None:
        """Take over those that live."""
        for (kind, worker_id), pid in living_workers(self._settings.runtime).items():
            log.info("%s worker %s lives, pid %d: it is taken over", kind, worker_id, pid)
            self._pool.adopt(kind, worker_id, pid)
            if self._pool.get(kind, worker_id) is not None:
                self._adopted.add((kind, worker_id))

    async def gather(self) -> None:
        """Wait until they have said what they run, within a bound; those of another version have
        ended then, and hold no port any more."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GATHER_SECONDS):
                while self._adopted:
                    self._knocked.clear()
                    await self._knocked.wait()
        await self._let_go()

    async def _let_go(self) -> None:
        """Wait until those of another version have ended; the time of each is bounded."""
        while ending := [task for task in self._replaced.values() if not task.done()]:
            await asyncio.wait(ending)

    async def recover(self) -> None:
        """Streams that were made for viewers and publishers are known again, and workers told."""
        catalog = self._streams.catalog
        for name in self._known - catalog.streams.keys():
            try:
                if catalog.find_template(name) is not None:
                    self._streams.apply(catalog.add_user(name))
                else:
                    async with asyncio.timeout(RECOVER_SECONDS):
                        await self._backend.find(name)
            except (CatalogFull, TimeoutError, ValueError) as error:
                log.warning("stream %s: not taken over: %s", name, error)
        self._known.clear()
        self._configured.set()

    async def start_workers(self) -> None:
        """From now on they run."""
        await self._let_go()  # one may have said late that it is foreign
        self._is_running = True
        for number in range(self._settings.media_workers):
            if self._pool.get("media", str(number)) is None:  # one that died when nobody listened
                last_words.take(last_words.path_of(self._settings.runtime, "media", str(number)))
        self._pool.begin(self.died)
        for number in range(self._settings.media_workers):
            self._pool.start("media", str(number))
        for number in range(self._settings.egress_workers):
            self._pool.start("egress", str(number))

    # control.Handlers

    def accept(self, hello: Hello, pid: int) -> str:
        worker = self._pool.get(hello.kind, hello.id)
        if worker is None or not worker.is_process(pid):
            return "it was not started here"
        if hello.version != server_version():
            self.met_foreigner(pid)  # with the same messages
            return f"it is of version {hello.version}"
        if hello.segments_dir != str(self._settings.segments):
            return "it is of another run, whose segments are gone"
        return ""

    def met_foreigner(self, pid: int) -> None:
        worker = next((one for one in self._pool.all() if one.is_process(pid)), None)
        if worker is None or pid in self._replaced:
            return
        is_adopted = (worker.kind, worker.id) in self._adopted
        self._adopted.discard((worker.kind, worker.id))
        if self._is_running:
            # One that was not there before has begun from files that are newer than what this
            # process has loaded.
            reason = "it is of another version: it is replaced"
            if not is_adopted:
                reason = "the program was replaced while this server ran: start the server anew"
            self._pool.kill(worker, reason, blameless=is_adopted)
            return
        log.warning("%s, pid %d, is of another version: it is replaced", worker.name, pid)
        self._replaced[pid] = self._tasks.spawn(self._pool.drop(worker), "replace a worker")
        self._knocked.set()

    async def greet(self, connection: Connection, hello: Hello) -> EgressSettings | MediaSettings:
        if hello.kind == "media":
            self._streams.cages.said(hello.id, hello.folders, hello.read_folders, time.monotonic())
        if hello.streams:
            self._streams.remember(hello.id, hello.streams)
            self._known |= hello.streams.keys()
        if hello.kind == "egress":
            self._jobs.remember(hello.jobs, hello.id)
            self.held_ports.update(hello.ports)
        self._adopted.discard((hello.kind, hello.id))
        self._knocked.set()
        await self._configured.wait()
        config = self._streams.config
        if connection.kind == "egress":
            return egress_settings(config)
        return media_settings(config, self._settings)

    async def connected(self, connection: Connection) -> None:
        worker = self._pool.get(connection.kind, connection.id)
        if worker is not None:
            worker.said_hello = True
            worker.heard()
        self._connected.add((connection.kind, connection.id))
        if connection.kind == "media":
            self._streams.media_connected(connection)
            return
        listening = self._egress.connected(connection, self._streams.directory.whole())
        self._jobs.connected(connection)
        await listening

    def disconnected(self, connection: Connection) -> None:
        if connection.kind == "media":
            self._streams.media_disconnected(connection)
        else:
            self._egress.disconnected(connection)
            self._jobs.disconnected(connection)
        self._connected.discard((connection.kind, connection.id))
        worker = self._pool.get(connection.kind, connection.id)
        if worker is not None and worker.wanted and worker.pid == connection.pid:
            self._tasks.spawn(self._end_orphan(worker, connection.pid), "orphan")

    async def _end_orphan(self, worker: Worker, pid: int) -> None:
        await asyncio.sleep(ORPHAN_SECONDS)
        if worker.pid == pid and (worker.kind, worker.id) not in self._connected:
            self._pool.kill(worker, "its control channel is closed and it did not come back")

    def attend(self, connection: Connection) -> None:
        worker = self._pool.get(connection.kind, connection.id)
        assert worker is not None  # it was accepted

        def recycle(told: Recycle) -> None:
            self._pool.kill(worker, f"it asked for that: {told.reason}", blameless=True)

        connection.peer.take(Heartbeat, lambda _: worker.heard())
        connection.peer.take(Recycle, recycle)
        if connection.kind == "media":
            self._streams.attend(connection)
            connection.peer.take(
                TranscodersWanted, lambda told: self._transcoders.use(connection.id, told.streams)
            )
        else:
            self._attend_egress(connection)

    def _attend_egress(self, connection: Connection) -> None:
        async def access(request: AccessRequest) -> Granted | Refusal:
            return await self._decide(connection.id, request)

        def held(told: SessionsHeld) -> None:
            names = set()
            for one in told.sessions:
                try:
                    session = read_ticket(one.ticket)
                except msgspec.DecodeError as error:
                    log.error("%s: a session is not taken over: %s", connection.name, error)
                    continue
                self._sessions.adopt(connection.id, session, one.bytes, one.dropped_gops)
                names.add(session.name)
            for name in names:  # its configuration may be another one than when they came
                self._news.allowed(name)

        def moved(told: SessionsMoved) -> None:
            for session_id in self._sessions.update(connection.id, told.sessions):
                self._egress.close_session(session_id, (connection.id,), "session closed")

        def left(told: SessionLeft) -> None:
            self._sessions.left(connection.id, told.id, told.bytes, told.reason)

        def answered(told: AnswersSent) -> None:
            for stream, protocol, status, count in told.counts:
                if self._streams.get(stream) is not None:
                    self._sessions.answered(stream, protocol, status, count)

        connection.peer.answer(AccessRequest, access)
        connection.peer.answer(SrtQuestion, self._srt.answer)
        connection.peer.take(SessionsHeld, held)
        connection.peer.take(SessionsMoved, moved)
        connection.peer.take(SessionLeft, left)
        connection.peer.take(AnswersSent, answered)
        connection.peer.take(DatagramsDropped, self._srt.dropped)

    async def _decide(self, worker: str, request: AccessRequest) -> Granted | Refusal:
        answer = await self._access.decide(request)
        if isinstance(answer, Granted):
            self._sessions.claim(worker, answer.session_id)
            stream = self._streams.get(answer.stream)
            if request.kind == "publish" and stream is not None:
                stream.opens()  # its first bytes are demuxed now, which is when FFmpeg crashes
        elif request.kind == "publish" or answer.status != 404:
            log.info(
                "stream %s: %s by %s from %s refused: %s",
                request.name,
                request.kind,
                request.proto,
                request.ip,
                answer.title,
            )
        return answer

    # Processes

    async def died(self, worker: Worker, uptime: float) -> None:
        """Called before the worker is started again."""
        code = worker.process.returncode if worker.process is not None else None
        if worker.kind == "egress":
            self._sessions.worker_died(worker.id)
            self._jobs.worker_died(worker.id)
            return
        self._transcoders.use(worker.id, {})
        words = last_words.take(last_words.path_of(self._settings.runtime, "media", worker.id))
        if worker.said_hello:  # before that it had no streams that could be at fault
            from_outside = not worker.killed_because and code in _ENDED_FROM_OUTSIDE
            by_crash = not (from_outside or worker.blameless)
            self._streams.media_died(worker.id, uptime, by_crash, words)
        self._remove_socket(worker.id)

    def end_resting(self, now: float) -> None:
        """End the media workers that were begun for a folder and have no streams any more."""
        for worker in self._streams.resting(now):
            log.info("media worker %s ends: it has no streams any more", worker)
            self._tasks.spawn(self._end_media(worker), f"end of media worker {worker}")

    async def _end_media(self, worker: str) -> None:
        await self._pool.stop("media", worker)
        self._remove_socket(worker)

    def _remove_socket(self, media_worker: str) -> None:
        """Nobody waits for it any more."""
        try:
            homes.remove(self._settings.media_socket(media_worker))
        except OSError as error:
            log.error("media worker %s: its socket stays: %s", media_worker, error)
