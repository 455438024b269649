"""The processes that workers are forked from, as the supervisor sees them (`fork_server.py`).

Why: importing what a worker is made of takes a second of CPU time and 40 MiB; so it is done once
for all of a kind. Egress workers have a server of their own: theirs knows no FFmpeg.

Invariants: a worker is a child of the supervisor, so its exit status is known, and does not notice
when its server dies. A server belongs to the supervisor that began it, so its code is the same, and
ends with it. One that dies is begun again, at once the first time and then with a growing pause;
who wants a worker meanwhile waits. After a worker has crashed in native code its successor is the
last one of the server: all workers of a server have their memory at the same addresses, and whoever
guesses at them shall not guess twice.
"""

import asyncio
import contextlib
import ctypes
import errno
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from media_streamer.fork_server import IMPORTED, MAX_REQUEST_BYTES, READY, ROOM, TURN
from media_streamer.supervisor import orphans
from media_streamer.supervisor.processes import (
    STABLE_SECONDS,
    Process,
    WatchedProcess,
    Worker,
    how_it_died,
    pause_after,
    watched,
    worker_environment,
)
from media_streamer.supervisor.settings import Settings

log = logging.getLogger(__name__)

EGRESS, MEDIA = "media_streamer.egress.worker", "media_streamer.media.worker"
TRANSCODER = "media_streamer.transcoder.worker"
SERVER = "media_streamer.fork_server"
IMPORTING_PROCESSES = 3
"""The supervisor and two servers of its own."""
NO_PIPES: Mapping[str, int] = MappingProxyType({})
READY_SECONDS = 180.0
"""For a server to import, on a machine under load: longer than anybody waits for what it begins
(`ports.EGRESS_START_SECONDS`), as one that is killed over it imports from nothing."""
START_SECONDS = 60.0
"""For a worker to begin, by a server that has imported."""
STOP_SECONDS = 5.0
ANSWER_BYTES = 1024
CRASHES = frozenset(
    -number
    for number in (
        signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGABRT, signal.SIGFPE, signal.SIGSYS
    )
)  # fmt: skip
"""Exit statuses of those who read, wrote or jumped where nothing is for them."""
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h

_libc = ctypes.CDLL(None, use_errno=True)


class Forks:
    """Of one supervisor: starts workers and transcoders."""

    def __init__(self, runtime: Path, environment: Mapping[str, str]) -> None:
        self._runtime = runtime
        self._egress = ForkServer([EGRESS], environment)
        self._media = ForkServer([MEDIA, TRANSCODER], environment)
        self._reaper: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Let them import; may be called again, and before there is an event loop.

        With fewer cores than would import, the server of the egress workers waits until that of the
        media workers has: what is recorded goes on first, and who comes to a port needs both.
        """
        if len(os.sched_getaffinity(0)) >= IMPORTING_PROCESSES:
            self._egress.begin()
            self._media.begin()
            return
        turn, imported = os.pipe()
        try:
            self._media.begin({IMPORTED: imported})
            self._egress.begin({TURN: turn})
        finally:
            os.close(turn)
            os.close(imported)

    async def worker(self, worker: Worker) -> Process:
        """The process of a worker. Raises OSError, TimeoutError among them."""
        module = f"media_streamer.{worker.kind}.worker"
        return await self.start(module, ["--runtime", str(self._runtime), "--id", worker.id])

    async def start(self, module: str, arguments: Sequence[str]) -> Process:
        """A process that runs `main()` of a module. Raises OSError, TimeoutError among them."""
        if self._reaper is None:
            self._reaper = asyncio.create_task(orphans.reap(self._known), name="reap orphans")
        server = self._egress if module == EGRESS else self._media
        return await server.start(module, arguments)

    def _known(self) -> set[int | None]:
        return {*watched, self._egress.pid, self._media.pid}

    async def close(self) -> None:
        if self._reaper is not None:
            self._reaper.cancel()
        await asyncio.gather(self._egress.close(), self._media.close())


def forks_of(settings: Settings, environ: Mapping[str, str]) -> Forks:
    """Those of a server."""
    environment = worker_environment(settings.runtime, settings.segments, environ)
    return Forks(settings.runtime, environment)


def launch(
    modules: Sequence[str],
    environment: Mapping[str, str],
    number: int,
    pipes: Mapping[str, int] = NO_PIPES,
) -> subprocess.Popen[bytes]:
    """A fork server with its ends of the socket and of `pipes` (`TURN`, `IMPORTED`) by descriptor.
    Raises OSError."""
    turns = [f"{word}{end}" for word, end in pipes.items()]
    return subprocess.Popen(
        [sys.executable, "-m", SERVER, str(number), *turns, *modules, ROOM],
        env=environment,
        stdin=subprocess.DEVNULL,
        pass_fds=[number, *pipes.values()],
        start_new_session=True,
    )


class ForkServer:
    """One process; workers run `main()` of these modules, in this environment."""

    def __init__(self, modules: Sequence[str], environment: Mapping[str, str]) -> None:
        self._modules = list(modules)
        self._environment = dict(environment)
        self._running: subprocess.Popen[bytes] | None = None
        self._watched: WatchedProcess | None = None
        self._channel: socket.socket | None = None
        self._asked: socket.socket | None = None
        """Where an answer is due."""
        self._turn = asyncio.Lock()
        self._there = asyncio.Event()
        """It has imported, and hears."""
        self._keeper: asyncio.Task[None] | None = None
        self._unwanted: set[asyncio.Task[Process]] = set()
        """Workers that begin for nobody."""
        self._began_at = 0.0
        self._is_guessed_at = False
        """A worker of it has crashed."""
        self._is_replaced = False
        """It ends because we want it to."""

    @property
    def name(self) -> str:
        return f"fork server of {self._modules[0]}"

    @property
    def pid(self) -> int | None:
        return self._running.pid if self._running is not None else None

    def begin(self, pipes: Mapping[str, int] = NO_PIPES) -> None:
        """Start the process; `pipes`: whose turn it is to import, by an end of one. Raises
        OSError."""
        if self._running is not None:
            return
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            ours.setblocking(False)
            self._running = launch(self._modules, self._environment, theirs.fileno(), pipes)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self._began_at = time.monotonic()
        self._is_guessed_at = self._is_replaced = False
        self._channel = ours

    async def start(self, module: str, arguments: Sequence[str]) -> Process:
        """A worker, once the process answers. Raises OSError, TimeoutError among them."""
        starting = asyncio.create_task(self._start(module, arguments), name=f"start of {module}")
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            self._unwanted.add(starting)
            starting.add_done_callback(self._end)
            raise

    def _end(self, started: asyncio.Task[Process]) -> None:
        """Nobody waits for this one any more."""
        self._unwanted.discard(started)
        if not started.cancelled() and started.exception() is None:
            started.result().kill()

    async def _start(self, module: str, arguments: Sequence[str]) -> Process:
        if self._keeper is None:
            self.begin()
            self._keeper = asyncio.create_task(self._keep(), name=self.name)
        request = b"\0".join(map(os.fsencode, (module, *arguments)))
        if len(request) > MAX_REQUEST_BYTES:
            raise OSError(errno.E2BIG, f"its command line has more than {MAX_REQUEST_BYTES} bytes")
        answer = b""
        while not answer:  # one that dies over the question is followed by another
            async with asyncio.timeout(READY_SECONDS) as waiting, self._turn:
                while not self._there.is_set():
                    await self._there.wait()
                waiting.reschedule(None)
                answer = await self._ask(request)
        if answer.startswith(b"!"):
            raise OSError(os.fsdecode(answer[1:]))
        if self._is_guessed_at and self._channel is not None:
            self._is_replaced = True
            self._leave(self._channel)
        pid = int(answer)
        try:
            return WatchedProcess(pid, is_child=True, told=self._ended)
        except OSError:
            await _end_child(pid)
            raise

    async def _ask(self, request: bytes) -> bytes:
        """The answer, empty if there is none because it dies. Raises TimeoutError."""
        channel = self._asked = self._channel
        assert channel is not None  # it is there
        asking = asyncio.create_task(_exchange(channel, request))
        answer = b""
        try:
            # Not by a timeout: an answer that comes with it names a process that runs.
            if not (await asyncio.wait([asking], timeout=START_SECONDS))[0]:
                log.error("%s does not answer: killed", self.name)
                self._kill()
                raise TimeoutError(errno.ETIMEDOUT, f"{self.name} does not answer")
            answer = asking.result()
        finally:
            self._asked = None
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            if self._channel is not channel:  # it has died since, and was left to us
                channel.close()
            elif not answer:  # what it says later is for nobody
                self._leave(channel)
        return answer

    def _kill(self) -> None:
        if self._watched is not None:
            self._watched.kill()
        elif self._running is not None:  # nobody else has asked how it ended
            os.kill(self._running.pid, signal.SIGKILL)

    def _ended(self, code: int) -> None:
        self._is_guessed_at |= code in CRASHES

    def _leave(self, channel: socket.socket) -> None:
        """The process at its other end has ended, or ends now. Who waits for an answer from there
        hears of it, and closes."""
        if self._asked is channel:
            with contextlib.suppress(OSError):
                channel.shutdown(socket.SHUT_RDWR)
        else:
            channel.close()
        if self._channel is channel:
            self._channel = None
            self._there.clear()

    async def _keep(self) -> None:
        quick_deaths = 0
        while True:
            running, channel = self._running, self._channel
            if running is not None and channel is not None:
                await self._hear(channel)
                code = await self._end_of(running)
                self._leave(channel)
                if not self._is_replaced:
                    uptime = time.monotonic() - self._began_at
                    quick_deaths = 0 if uptime >= STABLE_SECONDS else quick_deaths + 1
                    log.error("%s died after %.1f s: %s", self.name, uptime, how_it_died(code))
                    await asyncio.sleep(pause_after(quick_deaths))
            self._running = self._watched = None
            try:
                self.begin()
            except OSError as error:
                log.error("%s cannot be started: %s", self.name, error)
                quick_deaths += 1
                await asyncio.sleep(pause_after(quick_deaths + 1))

    async def _hear(self, channel: socket.socket) -> None:
        """Wait until it has imported, or has ended; kill it if it takes too long."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(READY_SECONDS):
                if await loop.sock_recv(channel, ANSWER_BYTES) == READY:
                    self._there.set()
        except TimeoutError:
            log.error("%s does not get ready: killed", self.name)
            self._kill()
        except ConnectionError:
            pass

    async def _end_of(self, running: subprocess.Popen[bytes]) -> int:
        """Its exit status, once it has ended."""
        tries = 1
        while self._watched is None:
            try:
                self._watched = WatchedProcess(running.pid, is_child=True)
            except OSError as error:
                log.error("%s cannot be watched: %s", self.name, error)
                tries += 1
                await asyncio.sleep(pause_after(tries))
        running.returncode = await self._watched.wait()
        return running.returncode

    async def close(self) -> None:
        """End the process; its workers live on."""
        for starting in self._unwanted:
            starting.cancel()
        await asyncio.gather(*self._unwanted, return_exceptions=True)
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self._channel is not None:
            self._leave(self._channel)
        running, self._running = self._running, None
        if running is None or running.returncode is not None:
            return
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._end_of(running)
        except TimeoutError:
            running.kill()
            await self._end_of(running)


async def _exchange(channel: socket.socket, request: bytes) -> bytes:
    """The answer, empty from one that dies."""
    loop = asyncio.get_running_loop()
    try:
        await loop.sock_sendall(channel, request)
        return await loop.sock_recv(channel, ANSWER_BYTES)
    except ConnectionError:
        return b""


async def _end_child(pid: int) -> None:
    """Kill a child that nobody watches, and let nothing of it stay."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        await asyncio.to_thread(os.waitpid, pid, 0)
