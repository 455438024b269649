"""Where the workers come to: who they are, what they are told and asked, and what their end means.

Invariant: a worker that hangs or stays without a channel does not stay (`ProcessPool` starts
another); what it ran is given to others or back to itself.
"""

import asyncio
import contextlib
import logging
import os
import signal

from media_streamer import last_words
from media_streamer.supervisor.access import AccessControl
from media_streamer.supervisor.applier import egress_settings, media_settings
from media_streamer.supervisor.control import Connection
from media_streamer.supervisor.egress_workers import EgressWorkers
from media_streamer.supervisor.jobs import JobPlacement
from media_streamer.supervisor.processes import ProcessPool, Worker
from media_streamer.supervisor.sessions import SessionRegistry
from media_streamer.supervisor.settings import Settings
from media_streamer.supervisor.srt_ports import SrtDoor
from media_streamer.supervisor.streams import StreamControl
from media_streamer.supervisor.tasks import Tasks
from media_streamer.wire.control import (
    AccessRequest,
    EgressSettings,
    Granted,
    Heartbeat,
    Hello,
    MediaSettings,
    Recycle,
    Refusal,
    SessionLeft,
    SessionsMoved,
    SrtQuestion,
)

log = logging.getLogger(__name__)

ORPHAN_SECONDS = 3.0
"""A worker without a channel exits by itself; one that hangs in that must not stay."""
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

    def start_workers(self) -> None:
        """From now on they run."""
        self._pool.begin(self.died)
        for number in range(self._settings.media_workers):
            self._pool.start("media", str(number))
        for number in range(self._settings.egress_workers):
            self._pool.start("egress", str(number))

    # control.Handlers

    def accept(self, hello: Hello) -> bool:
        worker = self._pool.get(hello.kind, hello.id)
        return worker is not None and worker.pid == hello.pid

    def settings_for(self, connection: Connection) -> EgressSettings | MediaSettings:
        config = self._streams.config
        if connection.kind == "egress":
            return egress_settings(config)
        return media_settings(config, self._settings)

    async def connected(self, connection: Connection) -> None:
        worker = self._pool.get(connection.kind, connection.id)
        if worker is not None:
            worker.said_hello = True
            worker.heard()
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
        worker = self._pool.get(connection.kind, connection.id)
        if worker is not None and worker.wanted and worker.pid == connection.pid:
            self._tasks.spawn(self._end_orphan(worker, connection.pid), "orphan")

    async def _end_orphan(self, worker: Worker, pid: int) -> None:
        await asyncio.sleep(ORPHAN_SECONDS)
        if worker.pid == pid:
            self._pool.kill(worker, "its control channel is closed and it did not end")

    def attend(self, connection: Connection) -> None:
        worker = self._pool.get(connection.kind, connection.id)
        assert worker is not None  # it was accepted

        def recycle(told: Recycle) -> None:
            self._pool.kill(worker, f"it asked for that: {told.reason}", blameless=True)

        connection.peer.take(Heartbeat, lambda _: worker.heard())
        connection.peer.take(Recycle, recycle)
        if connection.kind == "media":
            self._streams.attend(connection)
        else:
            self._attend_egress(connection)

    def _attend_egress(self, connection: Connection) -> None:
        async def access(request: AccessRequest) -> Granted | Refusal:
            return await self._decide(connection.id, request)

        def moved(told: SessionsMoved) -> None:
            for session_id in self._sessions.update(connection.id, told.sessions):
                self._egress.close_session(session_id, (connection.id,), "session closed")

        def left(told: SessionLeft) -> None:
            self._sessions.left(connection.id, told.id, told.bytes, told.reason)

        connection.peer.answer(AccessRequest, access)
        connection.peer.answer(SrtQuestion, self._srt.answer)
        connection.peer.take(SessionsMoved, moved)
        connection.peer.take(SessionLeft, left)

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
        words = last_words.take(last_words.path_of(self._settings.runtime, "media", worker.id))
        if worker.said_hello:  # before that it had no streams that could be at fault
            from_outside = not worker.killed_because and code in _ENDED_FROM_OUTSIDE
            by_crash = not (from_outside or worker.blameless)
            self._streams.media_died(worker.id, uptime, by_crash, words)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._settings.media_socket(worker.id))
