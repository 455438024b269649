"""Running, finding and stopping the programs of the cluster.

Role: the only module that starts or signals a process.
Invariant: each long-running program carries ``MARKER=<state>:<role>`` in its environment, and its
descendants (container shims) inherit it. So they are found again by what they are, not by a pid
file that a crash leaves behind and the kernel may have given to somebody else since.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from local_cluster.layout import Layout, Node

MARKER = "LOCAL_CLUSTER_ROLE"
POLL_S = 0.1
STOP_GRACE_S = 5.0
KILL_GRACE_S = 10.0

_children: set[int] = set()


class ClusterError(Exception):
    """Something about the cluster failed; the message names it and the way out."""


class CommandError(ClusterError):
    """A command failed or ran past its time; the message ends with its last output."""


@dataclass(frozen=True)
class Process:
    """A running program of the cluster."""

    pid: int
    role: str
    program: str


def run(
    args: Sequence[str | Path],
    *,
    input: str | None = None,
    timeout: float = 30.0,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
) -> str:
    """Run a command to its end and return its standard output.

    ``timeout`` is in seconds. Raises CommandError when it fails, is missing or runs too long.
    """
    command = [str(arg) for arg in args]
    shown = " ".join(command[:6])
    try:
        done = subprocess.run(
            command,
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            check=False,
        )
    except FileNotFoundError as error:
        raise CommandError(f"{shown}: {error.strerror}: {error.filename}") from error
    except subprocess.TimeoutExpired as error:
        raise CommandError(f"{shown}: no end within {timeout:g} s") from error
    if done.returncode != 0:
        tail = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise CommandError(f"{shown}: exit status {done.returncode}: {tail}")
    return done.stdout


def attempt(args: Sequence[str | Path], *, timeout: float = 30.0) -> bool:
    """Run a command of which a failure is an answer too: True if it succeeded."""
    try:
        run(args, timeout=timeout)
    except CommandError:
        return False
    return True


def wait_until(
    condition: Callable[[], bool],
    what: str,
    timeout: float = 60.0,
    poll: float = POLL_S,
    hint: Callable[[], str] = lambda: "",
) -> None:
    """Poll ``condition`` until it holds; ClusterError naming ``what`` after ``timeout`` s."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise ClusterError(f"{what}: not within {timeout:g} s. {hint()}".strip())
        time.sleep(poll)


def open_locked(path: Path, kind: int, timeout: float, holder: str) -> TextIO:
    """Open a lock file and lock it (``fcntl.LOCK_SH`` or ``LOCK_EX``); closing it unlocks.

    ClusterError after ``timeout`` seconds, saying what the ``holder`` does.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("w")

    def lock() -> bool:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    try:
        wait_until(lock, f"lock {path} ({holder})", timeout)
    except BaseException:
        file.close()
        raise
    return file


def _keep_descriptors() -> None:
    """Of those that this process was given, as the lock of whoever started it, a daemon gets none:
    it would hold them for as long as it lives."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2:
            with contextlib.suppress(OSError):  # that of this list itself is closed already
                os.set_inheritable(int(name), False)


def start(layout: Layout, role: str, args: Sequence[str | Path], node: Node | None = None) -> int:
    """Start a program in its own session, its output in ``logs/ROLE.log``; return its pid.

    In ``node``'s network namespace if one is given: by nsenter, because ``ip netns exec`` mounts
    a fresh /sys in which the kubelet finds no cgroups.
    """
    command = [str(arg) for arg in args]
    if node is not None:
        command = ["nsenter", f"--net=/run/netns/{node.netns}", *command]
    program = shutil.which(command[0])
    if program is None:
        raise ClusterError(f"{role}: {command[0]} is not installed")
    log = layout.logs / f"{role.replace('/', '-')}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {
        "PATH": os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin",
        "HOME": str(layout.state),
        MARKER: f"{layout.state}:{role}",
    }
    _keep_descriptors()
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    # posix_spawn, not Popen: a daemon outlives this process, and nobody here waits for it.
    pid = os.posix_spawn(
        program,
        command,
        environment,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), flags, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigmask=[],
    )
    _children.add(pid)
    return pid


def log_tail(layout: Layout, role: str, size: int = 1500) -> str:
    """The end of a program's log, for an error message."""
    path = layout.logs / f"{role.replace('/', '-')}.log"
    if not path.exists():
        return f"{path} does not exist"
    return f"The end of {path}:\n{path.read_text(errors='replace')[-size:]}"


def find(layout: Layout, role: str = "") -> list[Process]:
    """The running programs of this cluster whose role starts with ``role``."""
    prefix = f"{MARKER}={layout.state}:".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            environment = (entry / "environ").read_bytes()
            if prefix not in environment:
                continue
            program = (entry / "comm").read_text().strip()
        except OSError:  # it ended meanwhile
            continue
        for variable in environment.split(b"\0"):
            if variable.startswith(prefix):
                its_role = variable[len(prefix) :].decode()
                if its_role.startswith(role):
                    found.append(Process(int(entry.name), its_role, program))
    return found


def is_running(layout: Layout, role: str) -> bool:
    """Whether the program of exactly this role runs (its shims do not count)."""
    program = role.rsplit("/", 1)[-1]
    return any(
        p.role == role and p.program in (program[:15], "nsenter") for p in find(layout, role)
    )


def signal_all(pids: Iterable[int], number: signal.Signals) -> None:
    """Signal processes by pid; those that ended already are passed over."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def reap() -> None:
    """Collect those children of ``start`` that have ended (they would stay as zombies)."""
    for pid in list(_children):
        try:
            ended = os.waitpid(pid, os.WNOHANG)[0] == pid
        except ChildProcessError:
            ended = True
        if ended:
            _children.discard(pid)


def stop(layout: Layout, role: str = "", *, at_once: bool = False) -> None:
    """Stop every program whose role starts with ``role``: SIGTERM, after 5 s SIGKILL.

    ``at_once`` sends SIGKILL at once, as a power cut would.
    """
    if not at_once:
        signal_all((p.pid for p in find(layout, role)), signal.SIGTERM)
        deadline = time.monotonic() + STOP_GRACE_S
        while find(layout, role) and time.monotonic() < deadline:
            time.sleep(POLL_S)
    deadline = time.monotonic() + KILL_GRACE_S
    while left := find(layout, role):
        if time.monotonic() > deadline:
            names = ", ".join(f"{p.program} ({p.pid})" for p in left)
            raise ClusterError(f"does not end, not even by SIGKILL: {names}")
        signal_all((p.pid for p in left), signal.SIGKILL)
        time.sleep(POLL_S)
    reap()
