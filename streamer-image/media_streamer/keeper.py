"""The process that starts the supervisor, and starts it again when it is killed.

Why: the media goes through the workers, which serve on without a supervisor and are taken over by
the next one. Somebody must start it, and in a container the first process must not be the one that
dies: with it dies the pod. So the first process does nothing else, and is small: it forks before
anything large is imported.

Invariants: a supervisor that ends by itself ends the server with its status; one that a signal
killed is started again, with a growing pause, and given up if it never lasts, or if the program was
replaced meanwhile: what is loaded here and what it would load there do not fit. Signals to end, to
reload or to leave are passed on. Whatever is left at the end is ended: workers whose supervisor
died become children of this process (PR_SET_CHILD_SUBREAPER). What is passed on to a supervisor
that only begins waits until it `listens`, in place of ending it. If this process is killed itself,
the supervisor gets SIGTERM and ends all.
"""

import contextlib
import ctypes
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger(__name__)

STABLE_SECONDS = 30.0
"""A supervisor that lasted this long is started again at once."""
FIRST_PAUSE_SECONDS = 0.5
MAX_QUICK_DEATHS = 6
STOP_SECONDS = 5.0
"""What is left at the end has this long after SIGTERM."""
_POLL_SECONDS = 0.05
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
_PASSED_ON = (signal.SIGHUP, signal.SIGUSR1)
_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, *_PASSED_ON}

Serve = Callable[[], int]

_libc = ctypes.CDLL(None, use_errno=True)


def keep(serve: Serve) -> int:
    """Run `serve` in a process of its own until it ends by itself; returns its status."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        return _Keeper(serve).run()
    finally:
        _end_children()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Keeper:
    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self._is_stopping = False
        self._quick_deaths = 0
        self._program = _program()

    def run(self) -> int:
        while True:
            began = time.monotonic()
            pid = _fork(self._serve)
            status = self._wait(pid)
            if not os.WIFSIGNALED(status):
                return os.waitstatus_to_exitcode(status)
            name = signal.Signals(os.WTERMSIG(status)).name
            if self._is_stopping:
                if os.WTERMSIG(status) == signal.SIGTERM:  # before it could do anything else
                    return 0
                log.error("the supervisor (pid %d) was killed by %s while it stopped", pid, name)
                return 1
            if _program() != self._program:
                log.error("the supervisor was killed by %s", name)
                log.error("the program was replaced meanwhile: the server ends, start it anew")
                return 1
            quick = time.monotonic() - began < STABLE_SECONDS
            self._quick_deaths = self._quick_deaths + 1 if quick else 0
            if self._quick_deaths > MAX_QUICK_DEATHS:
                log.critical("the supervisor was killed by %s again and again: giving up", name)
                return 1
            log.error("the supervisor (pid %d) was killed by %s: it is started again", pid, name)
            if self._quick_deaths > 1 and self._pause(
                FIRST_PAUSE_SECONDS * 2.0 ** (self._quick_deaths - 2)
            ):
                return 1

    def _wait(self, pid: int) -> int:
        """Pass signals on until the process ends; its status."""
        while True:
            number = signal.sigwait(_SIGNALS)
            if number == signal.SIGCHLD:
                if (status := _reap(pid)) is not None:
                    return status
                continue
            if number not in _PASSED_ON:
                self._is_stopping, number = True, signal.SIGTERM
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _pause(self, seconds: float) -> bool:
        """True if it is to stop."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            found = signal.sigtimedwait(_SIGNALS, left)
            if found is not None and found.si_signo in (signal.SIGTERM, signal.SIGINT):
                return True
            _reap(0)
        return False


def listens() -> None:
    """This process is a supervisor that has handlers for what is passed on: what came until now
    reaches it."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)


def _program() -> tuple[int, int] | None:
    """Which one is installed; None: none is. Numbers of inodes may change on overlayfs."""
    try:
        found = os.stat(__file__)
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def _fork(serve: Serve) -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    keeper = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS.difference(_PASSED_ON))
        if os.getppid() == keeper:  # else it died in between
            status = serve()
    except BaseException:
        log.exception("the supervisor failed")
    finally:
        logging.shutdown()
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _reap(wanted: int) -> int | None:
    """Take the status of all that ended; that of `wanted` if it is among them."""
    found = None
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if pid == wanted:
                found = status
    return found


def _children() -> list[int]:
    path = Path(f"/proc/self/task/{os.getpid()}/children")
    try:
        return [int(word) for word in path.read_text().split()]
    except OSError:
        return []


def _end_children() -> None:
    """Workers that nobody ended: SIGTERM, then SIGKILL."""
    for number, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, STOP_SECONDS)):
        deadline = time.monotonic() + seconds
        _reap(0)
        left = _children()
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        while left and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
            _reap(0)
            left = _children()
        if not left:
            return
