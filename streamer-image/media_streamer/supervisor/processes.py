"""The worker processes: started, watched, started again.

Invariants: a worker that dies is started again, at once the first time and then with a growing
pause, so that a worker that cannot start costs no CPU; a worker that says nothing for 10 s is
killed. Workers outlive a supervisor that is killed: the next one takes them over (`adopt`), or they
end by themselves (`wire/owner.py`).
"""

import asyncio
import contextlib
import logging
import os
import re
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from media_streamer.rounds import next_round
from media_streamer.supervisor.settings import variable

log = logging.getLogger(__name__)

Kind = Literal["egress", "media"]

HELLO_TIMEOUT_SECONDS = 120.0
"""Importing PyAV and aiohttp takes below 1 s; a machine under load takes many times that (28 s with
ten that wanted each core)."""
ADOPTION_SECONDS = 10.0
"""One that lives already tries five times a second; it may be of another version."""
HEARTBEAT_TIMEOUT_SECONDS = 10.0
STABLE_SECONDS = 30.0
"""A worker that ran this long starts again at once when it dies."""
FIRST_PAUSE_SECONDS = 0.5
MAX_PAUSE_SECONDS = 15.0
STOP_TIMEOUT_SECONDS = 5.0
WRITING_SECONDS = 25.0
"""So long for a media worker, whose recordings wait for their disks at the end."""
WATCH_INTERVAL_SECONDS = 1.0
ALLOCATOR = {"MALLOC_ARENA_MAX": "2", "MALLOC_MMAP_THRESHOLD_": "131072"}
"""For glibc (mallopt(3)): few arenas, and large blocks go back to the kernel when they are freed.

By default each input thread gets an arena of its own, and the first large block that is freed (a
probe buffer of FFmpeg) makes all later key frames stay in them. Measured with 50 HTTP-TS streams of
2 Mb/s: 4.9-6.3 MiB a stream by default, 2.6-2.7 MiB so, with the same CPU time."""


_SECRET = re.compile(
    r"SECRET|PASSW|TOKEN|CREDENTIAL|_AUTH|_KEY|_DSN|DATABASE_URL|CONFIG_EXTERNAL", re.IGNORECASE
)


class Process(Protocol):
    """A child, or one that an earlier supervisor started."""

    @property
    def pid(self) -> int: ...

    @property
    def returncode(self) -> int | None: ...

    async def wait(self) -> int: ...

    def terminate(self) -> None: ...

    def kill(self) -> None: ...


watched: set[int] = set()
"""Processes of which a `WatchedProcess` takes the status."""


class WatchedProcess:
    """A process that asyncio did not start, by its pidfd (pidfd_open(2)).

    Its status is its parent's to know. Where that is not us, because an earlier supervisor started
    it, its end counts as a failure, so that a crash is one.
    """

    def __init__(
        self,
        pid: int,
        *,
        is_child: bool = False,
        told: Callable[[int], None] = lambda _: None,
    ) -> None:
        """`told` hears its exit status. Raises OSError."""
        self.pid = pid
        self.returncode: int | None = None
        self.is_known = is_child
        """Whether `returncode` is how it ended."""
        self._told = told
        self._descriptor = os.pidfd_open(pid)
        watched.add(pid)
        self._ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(self._descriptor, self._end)

    async def wait(self) -> int:
        await self._ended.wait()
        assert self.returncode is not None  # it has ended
        return self.returncode

    def terminate(self) -> None:
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        self._send(signal.SIGKILL)

    def _send(self, number: int) -> None:
        if self.returncode is None:
            signal.pidfd_send_signal(self._descriptor, number)

    def _end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._descriptor)
        self.returncode = self._status()
        watched.discard(self.pid)
        os.close(self._descriptor)
        self._ended.set()
        self._told(self.returncode)

    def _status(self) -> int:
        if not self.is_known:
            return 1
        try:
            found = os.waitid(os.P_PIDFD, self._descriptor, os.WEXITED)
        except ChildProcessError:
            found = None
        if found is None:
            self.is_known = False
            return 1
        return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status


@dataclass(slots=True, eq=False)
class Worker:
    """One worker and its process; times are monotonic seconds."""

    kind: Kind
    id: str
    process: Process | None = None
    hello_seconds: float = HELLO_TIMEOUT_SECONDS
    started_at: float = 0.0
    said_hello: bool = False
    heard_at: float = 0.0
    restarts: int = 0
    wanted: bool = True
    killed_because: str = ""
    blameless: bool = False
    """It was ended in a way that is no fault of what ran in it."""
    _quick_deaths: int = field(default=0)

    @property
    def name(self) -> str:
        return f"{self.kind} worker {self.id}"

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process is not None else None

    def is_process(self, pid: int) -> bool:
        """Whether that is its process, which lives as far as anybody knows."""
        return pid == self.pid and self.process is not None and self.process.returncode is None

    def heard(self) -> None:
        """A message came."""
        self.heard_at = time.monotonic()

    def silent_for(self, now: float) -> float:
        """Seconds since it was heard (or started) beyond what is allowed; negative: fine."""
        limit = HEARTBEAT_TIMEOUT_SECONDS if self.said_hello else self.hello_seconds
        return now - max(self.heard_at, self.started_at) - limit

    def pause_after_death(self, uptime: float) -> float:
        """Seconds to wait before it is started again."""
        self._quick_deaths = 0 if uptime >= STABLE_SECONDS else self._quick_deaths + 1
        return pause_after(self._quick_deaths)


def pause_after(quick_deaths: int) -> float:
    """Seconds before the next start of a process that died so often in a row, each time soon."""
    if quick_deaths <= 1:
        return 0.0
    return min(FIRST_PAUSE_SECONDS * 2.0 ** min(quick_deaths - 2, 10), MAX_PAUSE_SECONDS)


OnDeath = Callable[[Worker, float], Awaitable[None]]
Start = Callable[[Worker], Awaitable[Process]]


def worker_environment(runtime: Path, segments: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Environment of a worker; what the user says of the allocator holds.

    Without secrets, but for what opens buckets; modules come from where they are installed.
    """
    return {
        **ALLOCATOR,
        **{name: value for name, value in environ.items() if not is_secret(name)},
        "PYTHONSAFEPATH": "1",
        "STREAMER_RUNTIME_DIR": str(runtime),
        "STREAMER_SEGMENTS_DIR": str(segments),
        **_log_variables(environ),
        "PYTHONUNBUFFERED": "1",
        # Nothing here is linear algebra: no threads for it, which could not be forked either.
        "OPENBLAS_NUM_THREADS": "1",
    }


def is_secret(variable: str) -> bool:
    """Whether a variable may hold what a worker that a stranger has taken over must not know."""
    return _SECRET.search(variable) is not None and not variable.startswith("AWS_")


def _log_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """How a worker logs until it has the configuration."""
    names = ("LOG_LEVEL", "LOG_FORMAT")
    return {f"STREAMER_{name}": value for name in names if (value := variable(environ, name))}


class ProcessPool:
    """Keeps a set of workers running, from `begin` on."""

    def __init__(self, start: Start) -> None:
        """`start` starts the process of a worker; raises OSError."""
        self._start = start
        self._on_death: OnDeath | None = None
        self._workers: dict[tuple[str, str], Worker] = {}
        self._keepers: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._watcher: asyncio.Task[None] | None = None

    def begin(self, on_death: OnDeath) -> None:
        """`on_death(worker, uptime)` is awaited before a worker is started again. What was wished
        for before starts now."""
        self._on_death = on_death
        for worker in self.all():
            self._run(worker)

    def get(self, kind: str, worker_id: str) -> Worker | None:
        return self._workers.get((kind, worker_id))

    def all(self, kind: Kind | None = None) -> list[Worker]:
        return [item for item in self._workers.values() if kind is None or item.kind == kind]

    def start(self, kind: Kind, worker_id: str) -> Worker:
        """Keep this worker running from now on."""
        key = (kind, worker_id)
        worker = self._workers.get(key)
        if worker is not None:
            return worker
        worker = self._workers[key] = Worker(kind, worker_id)
        if self._on_death is not None:
            self._run(worker)
        return worker

    def adopt(self, kind: Kind, worker_id: str, pid: int) -> None:
        """Keep a worker that lives already."""
        try:
            process = WatchedProcess(pid)
        except OSError:
            return  # it has just ended
        worker = self._workers[kind, worker_id] = Worker(kind, worker_id, process)
        worker.started_at = time.monotonic()
        worker.hello_seconds = ADOPTION_SECONDS

    async def drop(self, worker: Worker) -> None:
        """End one that was taken over, before `begin`."""
        await self._end(worker)
        self._workers.pop((worker.kind, worker.id), None)

    def _run(self, worker: Worker) -> None:
        keeper = asyncio.create_task(self._keep(worker), name=worker.name)
        self._keepers[worker.kind, worker.id] = keeper
        if self._watcher is None:
            self._watcher = asyncio.create_task(self._watch(), name="watch workers")

    async def stop(self, kind: Kind, worker_id: str) -> None:
        """End one worker for good."""
        worker = self._workers.pop((kind, worker_id), None)
        keeper = self._keepers.pop((kind, worker_id), None)
        if worker is None or keeper is None:
            return
        worker.wanted = False
        await self._end(worker)
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)

    async def stop_all(self) -> None:
        """End every worker: SIGTERM, and SIGKILL for those that take too long."""
        if self._watcher is not None:
            self._watcher.cancel()
        await asyncio.gather(*(self.stop(item.kind, item.id) for item in self.all()))

    def kill(self, worker: Worker, reason: str, *, blameless: bool = False) -> None:
        """SIGKILL: the keeper starts it again."""
        if worker.process is None or worker.process.returncode is not None:
            return
        worker.killed_because, worker.blameless = reason, blameless
        log.error("%s (pid %s) is killed: %s", worker.name, worker.pid, reason)
        with contextlib.suppress(ProcessLookupError):
            worker.process.kill()

    async def _keep(self, worker: Worker) -> None:
        is_adopted = worker.process is not None
        while worker.wanted:
            try:
                if not is_adopted:
                    await self._spawn(worker)
            except OSError as error:
                log.error("%s cannot be started: %s", worker.name, error)
                await asyncio.sleep(MAX_PAUSE_SECONDS)
                continue
            is_adopted = False
            process = worker.process
            assert process is not None  # set by _spawn
            code = await process.wait()
            if not worker.wanted:
                return
            uptime = time.monotonic() - worker.started_at
            worker.restarts += 1
            log.error("%s died after %.1f s: %s", worker.name, uptime, _why_it_died(code, worker))
            try:
                assert self._on_death is not None  # nothing runs before `begin`
                await self._on_death(worker, uptime)
            except Exception:
                log.exception("%s: cleaning up after its death failed", worker.name)
            await asyncio.sleep(worker.pause_after_death(uptime))

    async def _spawn(self, worker: Worker) -> None:
        worker.killed_because, worker.blameless = "", False
        worker.said_hello = False
        worker.hello_seconds = HELLO_TIMEOUT_SECONDS
        worker.started_at = time.monotonic()
        worker.process = await self._start(worker)
        worker.started_at = time.monotonic()
        log.info("%s started, pid %s", worker.name, worker.process.pid)

    async def _end(self, worker: Worker) -> None:
        seconds = WRITING_SECONDS if worker.kind == "media" else STOP_TIMEOUT_SECONDS
        await end_process(worker.process, worker.name, seconds)

    async def _watch(self) -> None:
        before = time.monotonic()
        while True:
            await next_round(WATCH_INTERVAL_SECONDS)
            now = time.monotonic()
            # After a pause of our own (stopped, swapped out) nobody had a chance to be heard.
            if now - before > 3 * WATCH_INTERVAL_SECONDS:
                for worker in self.all():
                    worker.heard()
            before = now
            for worker in self.all():
                running = worker.process is not None and worker.process.returncode is None
                if running and worker.silent_for(now) > 0:
                    what = "is silent" if worker.said_hello else "did not report"
                    self.kill(worker, f"it {what} for too long")


async def end_process(
    process: Process | None, name: str, seconds: float = STOP_TIMEOUT_SECONDS
) -> None:
    """Ask a process to end, and kill one that does not; None and one that has ended are done."""
    if process is None or process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(seconds):
            await process.wait()
    except TimeoutError:
        log.warning("%s does not end: killed", name)
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _why_it_died(code: int, worker: Worker) -> str:
    if worker.killed_because:
        return f"killed, {worker.killed_because}"
    return how_it_died(code, worker.process)


def how_it_died(code: int, process: Process | None = None) -> str:
    """An exit status in words."""
    if isinstance(process, WatchedProcess) and not process.is_known:
        return "it was taken over, so nobody knows why"
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"signal {signal.Signals(-code).name}"
    return f"exit code {code}"
