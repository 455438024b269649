"""`--processes N`: tests are collected once, and N processes forked from that run them.

With pytest-xdist each process imports and collects all tests anew, and compiles them on a clean
clone: 7 to 21 s of CPU time a process, a tenth of a whole run. Here a process is there in
milliseconds. It asks for a file of tests after another (or what is marked `one_process(NAME)`, of
whatever file), so the order of the files is the order in which they begin; fixtures of the session
are one of each process. Folders of `tmp_path` lie side by side.
"""

import atexit
import gc
import os
import random
import signal
import sys
import threading
import time
import traceback
import weakref
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any, NoReturn

import pytest

END_SECONDS = 15
"""How long processes may take to put down what they have set up."""
Group = list[int]
"""Places in the session's items."""


def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """None where pytest's own loop does it."""
    config, count = session.config, session.config.getoption("--processes")
    if count < 2 or session.testsfailed or config.getoption("--collect-only"):
        return None
    Pool(session, groups(session.items)).run(count)
    if session.shouldfail:
        raise session.Failed(session.shouldfail)
    if session.shouldstop:
        raise session.Interrupted(session.shouldstop)
    return True


def groups(items: Sequence[pytest.Item]) -> list[Group]:
    """What one process runs, in the order in which the first of each stands."""
    found: dict[str, Group] = {}
    for place, item in enumerate(items):
        mark = item.get_closest_marker("one_process")
        found.setdefault(mark.args[0] if mark else str(item.path), []).append(place)
    return list(found.values())


@dataclass(eq=False)
class Process:
    """As the parent sees it."""

    pid: int
    connection: Connection
    descriptor: int
    """Of the process (pidfd_open(2)): what it has forked may hold its end of the connection."""
    given: deque[int] = field(default_factory=deque)
    """What it has not begun of it."""
    running: int | None = None
    """The last one that it began."""
    is_over: bool = False
    """It has left in good order."""


class Pool:
    """The parent: it gives groups out, and passes on what is reported."""

    def __init__(self, session: pytest.Session, todo: list[Group]) -> None:
        self._session = session
        self._config = session.config
        self._todo = deque(todo)
        self._processes: list[Process] = []

    def run(self, count: int) -> None:
        if threading.active_count() > 1:
            raise pytest.UsageError(f"a thread runs, so no fork is safe: {threading.enumerate()}")
        self._config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]  # one for all
        gc.collect()
        gc.freeze()  # what was collected need not be looked through, or copied, in each of them
        try:
            for _ in range(min(count, len(self._todo))):
                self._start()
            while self._processes:
                self._step()
        finally:
            self._stop()

    def _start(self) -> None:
        mine, its = Pipe()
        if (pid := os.fork()) == 0:
            for other in self._processes:
                other.connection.close()
                os.close(other.descriptor)
            mine.close()
            work(self._session, its)
        its.close()
        self._processes.append(Process(pid, mine, os.pidfd_open(pid)))

    def _step(self) -> None:
        waited: list[Any] = []
        for one in self._processes:
            waited += [one.connection, one.descriptor]
        ready = wait(waited)
        for one in list(self._processes):
            if one.connection in ready or one.descriptor in ready:
                try:
                    while one.connection.poll():
                        self._heard(one, *one.connection.recv())
                except (EOFError, OSError):  # it says nothing more
                    self._ended(one)
                else:
                    if one.descriptor in ready:
                        self._ended(one)

    def _heard(self, process: Process, what: str, value: Any) -> None:
        hook, config = self._config.hook, self._config
        if what == "next":
            group = self._todo.popleft() if self._todo and not self._is_over else []
            process.given.extend(group)
            process.connection.send(group)
        elif what == "begins":
            process.running = process.given.popleft()
        elif what == "over":
            process.is_over = True
        else:
            report = hook.pytest_report_from_serializable(config=config, data=value)
            hook.pytest_runtest_logreport(report=report)

    @property
    def _is_over(self) -> bool:
        return bool(self._session.shouldfail or self._session.shouldstop)

    def _ended(self, process: Process) -> None:
        """What a process that died has left is done by another one."""
        self._processes.remove(process)
        process.connection.close()
        os.close(process.descriptor)
        status = os.waitstatus_to_exitcode(os.waitpid(process.pid, 0)[1])
        if process.is_over:
            return
        how = f"signal {-status}" if status < 0 else f"status {status}"
        if process.running is None:
            raise RuntimeError(f"a process ended with {how} before its first test")
        item = self._session.items[process.running]
        self._config.hook.pytest_runtest_logreport(
            report=pytest.TestReport(
                item.nodeid, item.location, {}, "failed", f"its process ended with {how}", "call"
            )
        )
        if process.given:
            self._todo.appendleft(list(process.given))
        if self._todo and not self._is_over:
            self._start()

    def _stop(self) -> None:
        """Ctrl-C came to them as well; the end of the connection tells them in any case."""
        deadline = time.monotonic() + END_SECONDS
        for one in self._processes:
            one.connection.close()
        for one in self._processes:
            if not wait([one.descriptor], max(0.0, deadline - time.monotonic())):
                os.kill(one.pid, signal.SIGKILL)
            os.waitpid(one.pid, 0)
            os.close(one.descriptor)


def work(session: pytest.Session, parent: Connection) -> NoReturn:
    """A forked process: it runs group after group, and leaves in good order."""
    status = 1
    try:
        _by_itself(session.config)
        session.config.pluginmanager.register(_Reporter(session.config, parent))
        try:
            _run_groups(session, parent)
        finally:
            session._setupstate.teardown_exact(None)
        parent.send(("over", None))
        status = 0
    except (BrokenPipeError, EOFError, KeyboardInterrupt):
        pass  # nobody is there for whom to go on
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            atexit._run_exitfuncs()
            sys.stderr.flush()
        finally:
            os._exit(status)


def _by_itself(config: pytest.Config) -> None:
    """What it captures is its own; the terminal, and what is put down at the end of what was made
    before, are its parent's."""
    atexit._clear()
    weakref.finalize._registry.clear()  # type: ignore[attr-defined]
    weakref.finalize._registered_with_atexit = False  # type: ignore[attr-defined]
    capture = config.pluginmanager.getplugin("capturemanager")
    capture.stop_global_capturing()
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.close(nothing)
    capture.start_global_capturing()
    capture.suspend_global_capture()
    random.seed()


def _run_groups(session: pytest.Session, parent: Connection) -> None:
    while True:
        parent.send(("next", None))
        group = [session.items[place] for place in parent.recv()]
        if not group:
            return
        # What follows the last one is not known, but that fixtures of the session stay.
        for item, successor in zip(group, [*group[1:], session], strict=True):
            parent.send(("begins", None))
            session.config.hook.pytest_runtest_protocol(item=item, nextitem=successor)
            if session.shouldfail or session.shouldstop:
                return


class _Reporter:
    """Passes on what pytest would print."""

    def __init__(self, config: pytest.Config, parent: Connection) -> None:
        self._config = config
        self._parent = parent

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        self._parent.send(("report", data))
