"""Which workers live: each holds a lock on a file of its own for as long as it does.

A process id alone would not do: it may be another process by now, and containers that share a file
system do not share process ids. The kernel gives a lock back however its holder dies, and says who
holds it (fcntl(2), F_GETLK): what stands in the file is for people to read.
"""

import contextlib
import fcntl
import os
import signal
import struct
import time
from collections.abc import Iterator
from pathlib import Path

from media_streamer.wire import homes
from media_streamer.wire.control import WorkerKind
from media_streamer.wire.homes import home_of, make_home

WAIT_SECONDS = 5.0
"""A worker that takes the place of one that is just ending waits for it this long."""
SILENT_SECONDS = 120
"""A worker whose loop stands still this long is killed by the kernel (alarm(2)): nobody else is
there to do it when its supervisor is gone."""
_POLL_SECONDS = 0.05
_NAME = "pid"
_FLOCK = struct.Struct("@hhqqi4x")
"""`struct flock`: type, whence, start, length, process id."""
_is_worker = False
"""Whether this process is one: its alarms are ours then."""


def _path(runtime: Path, kind: WorkerKind, worker_id: str) -> Path:
    return home_of(runtime, kind, worker_id) / _NAME


@contextlib.contextmanager
def living(runtime: Path, kind: WorkerKind, worker_id: str) -> Iterator[None]:
    """Be this worker. Raises OSError if another process is it and does not end."""
    global _is_worker
    home = make_home(runtime, kind, worker_id)
    path = _path(runtime, kind, worker_id)
    is_ours = path.is_file() and not path.is_symlink() and os.access(path, os.R_OK | os.W_OK)
    if not is_ours:  # one that was taken over leaves what it likes
        homes.remove(path)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        deadline = time.monotonic() + WAIT_SECONDS
        while not _lock(descriptor):
            if time.monotonic() > deadline:
                raise OSError(f"another process is {kind} worker {worker_id}: {path} is locked")
            time.sleep(_POLL_SECONDS)
        homes.empty(home, but=_NAME)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        _is_worker = True
        is_alive()
        yield
    finally:
        if _is_worker:
            _is_worker = False
            signal.alarm(0)
        os.close(descriptor)


def is_alive() -> None:
    """The loop turns: the alarm of `living` begins anew."""
    if _is_worker:
        signal.alarm(SILENT_SECONDS)


def living_workers(runtime: Path) -> dict[tuple[WorkerKind, str], int]:
    """Process ids of the workers that live in `runtime`, by kind and identifier."""
    found: dict[tuple[WorkerKind, str], int] = {}
    for path in runtime.glob(f"*-*/{_NAME}"):
        kind, _, worker_id = path.parent.name.partition("-")
        if kind in ("egress", "media") and (pid := _holder(path)):
            found[kind, worker_id] = pid  # type: ignore[index]  # one of the two kinds
    return _former_workers(runtime) | found


def _former_workers(runtime: Path) -> dict[tuple[WorkerKind, str], int]:
    """Those of the version before homes, to be replaced: `media-0.pid`, with a lock by flock(2).

    May go after the next release.
    """
    found: dict[tuple[WorkerKind, str], int] = {}
    for path in runtime.glob("*-*.pid"):
        kind, _, worker_id = path.stem.partition("-")
        try:
            with path.open("rb+") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()  # nobody holds it, and nobody makes it any more
        except BlockingIOError:
            text = path.read_bytes()[:32].strip()
            if kind in ("egress", "media") and text.isdigit():
                found[kind, worker_id] = int(text)  # type: ignore[index]  # one of the two kinds
        except OSError:
            continue
    return found


def _holder(path: Path) -> int:
    """Process that has locked a file, 0 if none has that we can see."""
    wanted = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return 0
    try:
        found = _FLOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_GETLK, wanted))
    except OSError:
        return 0
    finally:
        os.close(descriptor)
    return max(found[4], 0) if found[0] != fcntl.F_UNLCK else 0


def _lock(descriptor: int) -> bool:
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # EAGAIN or EACCES
        return False
    return True
