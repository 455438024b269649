"""A thread that ends its media worker before it harms others: memory beyond a bound, or an event
loop that hangs.

What grew inside FFmpeg cannot be taken back from its threads, and a loop that hangs closes nothing:
the process goes, the supervisor starts another at once and keeps the stream that is to blame apart
from the others (`supervisor/quarantine.py`).

Who is to blame: of memory, the stream whose queues hold most, if that explains the excess (if
nothing does, the supervisor takes those that opened an input when it began to grow); of a hang, the
stream whose code the loop is in. A loop that waits for a CPU does not hang: on a machine that is
busy with other things a worker that ends itself begins anew, which takes more of what there is too
little of, and ends itself again. Where C code hangs without giving the interpreter lock back,
nobody here can look: then the supervisor misses the heartbeat.
"""

import logging
import os
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import FrameType

from media_streamer import budgets, last_words
from media_streamer.last_words import LastWords

log = logging.getLogger(__name__)

INTERVAL_SECONDS = 0.5
IDLE_INTERVAL_SECONDS = 2.0
"""Of a worker without streams: it sleeps, and so does its watchdog."""
LEAST_BLAME_BYTES = 32 * budgets.MIB
EXIT_CODE = 70
"""EX_SOFTWARE (sysexits.h)."""
STACK_LINES = 12
GROWTH_SAMPLES = int(budgets.MEDIA_BLAME_SECONDS / INTERVAL_SECONDS)
_STATM_BYTES = 256
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class OwnMemory:
    """Bytes that this process alone keeps in memory (proc(5), statm: resident - shared).

    The file stays open as long as the process lives: one system call in place of ten each time.
    """

    def __init__(self) -> None:
        self._file = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)

    def __call__(self) -> int:
        _, resident, shared, *_ = os.pread(self._file, _STATM_BYTES, 0).split()
        return (int(resident) - int(shared)) * _PAGE_BYTES


class CpuWait:
    """Seconds for which the thread that makes it was ready to run and had no CPU (the run-queue
    time of /proc/PID/task/TID/schedstat); 0 where the kernel does not count them."""

    def __init__(self) -> None:
        path = f"/proc/self/task/{threading.get_native_id()}/schedstat"
        try:
            self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._file = -1

    def __call__(self) -> float:
        try:
            return int(os.pread(self._file, _STATM_BYTES, 0).split()[1]) / 1e9
        except (OSError, ValueError, IndexError):
            return 0.0


def memory_bound(base: int, streams: int) -> int:
    """What a worker with so many streams may keep, in bytes."""
    return base + streams * budgets.MEDIA_STREAM_MEMORY_BYTES


def growing_since(samples: Sequence[tuple[float, int]]) -> float:
    """The time from which most of the growth came; `samples` are times and bytes, oldest first."""
    _, last = samples[-1]
    least = min(size for _, size in samples)
    began = least + (last - least) // 10
    return max(at for at, size in samples if size <= began)


def who_holds(held: Mapping[str, int], excess: int) -> list[str]:
    """The stream that holds most, if what it holds is a good part of `excess` bytes."""
    name = max(held, key=lambda one: held[one], default=None)
    if name is None or held[name] < max(LEAST_BLAME_BYTES, excess // 4):
        return []
    return [name]


def who_runs(frame: FrameType | None, names: Collection[str]) -> list[str]:
    """The stream whose object's code runs in `frame` or called it."""
    while frame is not None:
        owner = frame.f_locals.get("self")
        for attribute in ("name", "stream", "_stream", "_name"):
            value = getattr(owner, attribute, None)
            if isinstance(value, str) and value in names:
                return [value]
        frame = frame.f_back
    return []


class Watchdog:
    """Of one worker. `held` gives the streams and what their queues hold."""

    def __init__(
        self,
        path: Path,
        held: Callable[[], Mapping[str, int]],
        base_bytes: int = budgets.MEDIA_WORKER_MEMORY_BYTES,
        memory: Callable[[], int] | None = None,
        end: Callable[[int], None] = os._exit,
        cpu_wait: Callable[[], float] | None = None,
    ) -> None:
        """To be made in the thread of the loop."""
        self._path = path
        self._held = held
        self._base = base_bytes
        self._memory = memory or OwnMemory()
        self._cpu_wait = cpu_wait or CpuWait()
        self._end = end
        self._interval = INTERVAL_SECONDS
        self._loop_thread = threading.get_ident()
        self._looked_at = self._beat_at = self._seen_beat = time.monotonic()
        self._waited = self._cpu_wait()
        """Up to the first look after the last beat."""
        self._samples: deque[tuple[float, int]] = deque(maxlen=GROWTH_SAMPLES)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """The worker ends by itself, and may take its time."""
        self._stopped.set()

    def beat(self, *, idle: bool = False) -> None:
        """The loop turns; to be called more often than `MEDIA_LOOP_SECONDS`. Idle: no streams."""
        self._beat_at = time.monotonic()
        self._interval = IDLE_INTERVAL_SECONDS if idle else INTERVAL_SECONDS

    def look(self, now: float) -> None:
        """End the process if it must end; monotonic seconds."""
        if now - self._looked_at > self._interval + 4 * INTERVAL_SECONDS:
            self._beat_at = now  # it was stopped or swapped out: the loop had no chance either
        self._looked_at = now
        if self._beat_at != self._seen_beat:
            self._seen_beat, self._waited = self._beat_at, self._cpu_wait()
        memory = self._memory()
        self._samples.append((now, memory))
        if memory > self._base:
            held = dict(self._held())
            bound = memory_bound(self._base, len(held))
            if memory > bound:
                text = f"{memory >> 20} MiB of memory, at most {bound >> 20} are allowed"
                seconds = now - growing_since(self._samples)
                self._leave(text, who_holds(held, memory - self._base), seconds)
        elif (
            now - self._beat_at > budgets.MEDIA_LOOP_SECONDS
            and now - self._beat_at - (self._cpu_wait() - self._waited) > budgets.MEDIA_LOOP_SECONDS
        ):
            frame = sys._current_frames().get(self._loop_thread)
            stack = traceback.extract_stack(frame)[-STACK_LINES:] if frame else []
            where = " < ".join(f"{one.name} {one.lineno}" for one in reversed(stack))
            text = f"the event loop hangs for {now - self._beat_at:.1f} s in {where}"
            self._leave(text, who_runs(frame, self._held().keys()), now - self._beat_at)

    def _leave(self, reason: str, streams: list[str], seconds: float) -> None:
        log.error("this worker ends itself: %s; stream %s", reason, ", ".join(streams) or "unknown")
        try:
            last_words.leave(self._path, LastWords(reason, streams, seconds))
        except OSError as error:
            log.error("nobody is told who is to blame: %s", error)
        self._end(EXIT_CODE)

    def _run(self) -> None:
        # When the loop is awake as well (`rounds`).
        while not self._stopped.wait(self._interval - time.monotonic() % self._interval):
            try:
                self.look(time.monotonic())
            except Exception:
                log.exception("looking after memory and loop failed")
