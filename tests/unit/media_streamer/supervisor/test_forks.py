"""Workers by fork: real servers and processes, with a small program in place of the workers."""

import asyncio
import errno
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from media_streamer.supervisor import forks
from media_streamer.supervisor.forks import Forks, ForkServer
from media_streamer.supervisor.processes import Process, Worker, pause_after, worker_environment

from tests.support import proc

PROGRAM = """
import atexit, gc, json, os, random, signal, ssl, sys, threading, time, uuid
from pathlib import Path
IMPORTED_BY = os.getpid()
def prepare():
    global PREPARED_BY
    PREPARED_BY = os.getpid()
def main():
    atexit.register(lambda: Path(sys.argv[1] + ".atexit").touch())
    found = {
        "pid": os.getpid(), "session": os.getsid(0), "argv": sys.argv[1:], "program": sys.argv[0],
        "imported_by": IMPORTED_BY, "prepared_by": PREPARED_BY,
        "fds": sorted(os.listdir("/proc/self/fd"), key=int),
        "stdin": os.readlink("/proc/self/fd/0"),
        "random": [random.random(), ssl.RAND_bytes(8).hex(), uuid.uuid4().hex],
        "threads": threading.active_count(), "collects": gc.isenabled(),
        "interrupt": signal.getsignal(signal.SIGINT) is signal.default_int_handler,
        "terminate": signal.getsignal(signal.SIGTERM) is signal.SIG_DFL,
        "masked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        "word": os.environ.get("WORD"), "address": id(ssl),
    }
    Path(sys.argv[1]).write_text(json.dumps(found))
    if "exit" in sys.argv:
        return 7
    if "raise" in sys.argv:
        raise ValueError("a fault of the program")
    while True:
        time.sleep(60)
"""
MODULE = "small.worker"


class Place:
    """A server of the small program."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "small").mkdir()
        (directory / "small/__init__.py").touch()
        (directory / "small/worker.py").write_text(PROGRAM)
        environment = {**os.environ, "PYTHONPATH": str(directory), "WORD": "said"}
        self.server = ForkServer([MODULE], environment)
        self.processes: list[Process] = []

    async def start(self, name: str, *arguments: str) -> tuple[Process, dict[str, Any]]:
        """A worker, and what it found."""
        path = self.directory / name
        process = await self.server.start(MODULE, [str(path), *arguments])
        self.processes.append(process)
        return process, await said(path)


async def said(path: Path) -> dict[str, Any]:
    def found() -> Any:
        try:
            return json.loads(path.read_text())
        except (OSError, ValueError):
            return None

    await until(found)
    return dict(found())


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(40):
        while not condition():  # noqa: ASYNC110 - another process does it
            await asyncio.sleep(0.02)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    one = Place(tmp_path)
    yield one
    for process in one.processes:
        if process.returncode is None:
            process.kill()
            await process.wait()
    await one.server.close()


async def test_a_worker_is_as_one_that_was_started_by_itself(place: Place) -> None:
    masked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    try:
        process, found = await place.start("one", "-x", "a b\udc80")
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, masked)
    assert found["pid"] == found["session"] == process.pid
    assert found["argv"] == [str(place.directory / "one"), "-x", "a b\udc80"]
    assert found["program"] == str(place.directory / "small/worker.py")
    assert found["imported_by"] == found["prepared_by"] == place.server.pid
    assert found["fds"][:3] == ["0", "1", "2"]
    assert len(found["fds"]) == 4, "the fourth is that of the question"
    assert found["stdin"] == os.devnull
    assert found["word"] == "said"
    assert (found["threads"], found["masked"]) == (1, [])
    assert found["collects"]
    assert found["interrupt"]
    assert found["terminate"]
    words = [sys.executable, "-m", MODULE, str(place.directory / "one"), "-x"]
    assert proc.command(process.pid)[: len(words)] == words
    assert process.pid in proc.children(os.getpid()), "it is ours, not its server's"


async def test_nothing_that_is_drawn_by_lot_is_drawn_twice(place: Place) -> None:
    first, second = await asyncio.gather(place.start("one"), place.start("two"))
    assert not set(first[1]["random"]) & set(second[1]["random"])


async def test_how_a_worker_ends_is_known(place: Place, capfd: pytest.CaptureFixture[str]) -> None:
    ends, _ = await place.start("ends", "exit")
    assert await ends.wait() == 7
    assert (place.directory / "ends.atexit").exists(), "in good order"
    fails, _ = await place.start("fails", "raise")
    assert await fails.wait() == 1
    assert "ValueError: a fault of the program" in capfd.readouterr().err
    killed, _ = await place.start("killed")
    killed.kill()
    assert await killed.wait() == -signal.SIGKILL
    asked, _ = await place.start("asked")
    asked.terminate()
    assert await asked.wait() == -signal.SIGTERM


async def test_a_server_that_is_killed_takes_no_worker_along_and_another_one_begins(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    process, _ = await place.start("one")
    killed = place.server.pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    other, found = await place.start("two")
    assert found["imported_by"] not in (killed, None)
    assert process.returncode is None
    assert "fork server of small.worker died" in caplog.text
    assert "SIGKILL" in caplog.text
    process.kill()
    assert await process.wait() == -signal.SIGKILL, "still known"
    assert other.returncode is None


async def test_one_that_is_killed_with_nobody_waiting_is_there_again(place: Place) -> None:
    await place.start("one")
    killed = place.server.pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    await until(lambda: place.server.pid not in (None, killed))


async def test_after_a_crash_addresses_are_others(place: Place) -> None:
    """Its successor begins at once; whoever comes after that has another layout."""
    crashes, first = await place.start("one")
    os.kill(crashes.pid, signal.SIGSEGV)
    assert await crashes.wait() == -signal.SIGSEGV
    _, second = await place.start("two")
    assert second["imported_by"] == first["imported_by"]
    assert second["address"] == first["address"]
    _, third = await place.start("three")
    assert third["imported_by"] != first["imported_by"]
    assert third["address"] != first["address"]


async def test_an_end_from_outside_is_no_crash(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    process, first = await place.start("one")
    process.kill()
    await process.wait()
    await place.start("two")
    _, third = await place.start("three")
    assert third["imported_by"] == first["imported_by"]
    assert not caplog.records


async def test_what_it_does_not_know_is_refused(place: Place) -> None:
    with pytest.raises(OSError, match=r"os is not one of small\.worker"):
        await place.server.start("os", [])
    with pytest.raises(OSError, match="its command line has more than"):
        await place.server.start(MODULE, ["x" * 70_000])
    _, found = await place.start("one", "x" * 60_000)
    assert found["argv"][1] == "x" * 60_000


async def test_a_start_that_nobody_waits_for_any_more_leaves_no_process(place: Place) -> None:
    await place.start("one")
    before = set(proc.children(os.getpid()))
    starting = asyncio.create_task(place.server.start(MODULE, [str(place.directory / "two")]))
    await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    await place.start("three")
    await until(lambda: len(set(proc.children(os.getpid())) - before) == 1)


async def test_one_that_cannot_begin_is_not_begun_in_a_hurry(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    (place.directory / "small/worker.py").write_text("raise ImportError('it is broken')")
    starting = asyncio.create_task(place.server.start(MODULE, []))

    def deaths() -> list[logging.LogRecord]:
        return [one for one in caplog.records if "died" in one.getMessage()]

    await until(lambda: len(deaths()) > 2)
    first, second, third, *_ = deaths()
    assert "exit code 1" in first.getMessage()
    assert third.created - second.created >= pause_after(2)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting


async def test_one_that_hangs_is_killed(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await place.start("one")
    hangs = place.server.pid
    assert hangs is not None
    os.kill(hangs, signal.SIGSTOP)
    monkeypatch.setattr(forks, "START_SECONDS", 0.3)
    with pytest.raises(TimeoutError):
        await place.server.start(MODULE, [str(place.directory / "two")])
    assert "does not answer: killed" in caplog.text
    monkeypatch.undo()
    _, found = await place.start("three")
    assert found["imported_by"] != hangs


async def test_what_it_imports_takes_its_time(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    program = "import time\ntime.sleep(1.5)\n" + PROGRAM
    (place.directory / "small/worker.py").write_text(program)
    monkeypatch.setattr(forks, "START_SECONDS", 1.0)
    place.server.begin()
    first = place.server.pid
    _, found = await place.start("one")
    assert found["imported_by"] == first
    assert not caplog.records


async def test_one_that_imports_for_ever_is_killed(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (place.directory / "small/worker.py").write_text("import time\ntime.sleep(1000)")
    monkeypatch.setattr(forks, "READY_SECONDS", 1.0)
    with pytest.raises(TimeoutError):
        await place.server.start(MODULE, [])
    await until(lambda: "does not get ready: killed" in caplog.text)
    monkeypatch.undo()
    (place.directory / "small/worker.py").write_text(PROGRAM)
    await place.start("one")


async def test_a_late_answer_is_nobodys(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks at once after one that hung asks the next server."""
    await place.start("one")
    hangs = place.server.pid
    assert hangs is not None
    os.kill(hangs, signal.SIGSTOP)
    monkeypatch.setattr(ForkServer, "_kill", lambda _: None)
    monkeypatch.setattr(forks, "START_SECONDS", 0.3)
    with pytest.raises(TimeoutError):
        await place.server.start(MODULE, [str(place.directory / "two")])
    monkeypatch.undo()
    os.kill(hangs, signal.SIGCONT)
    _, found = await place.start("three")
    assert found["imported_by"] != hangs
    assert found["argv"] == [str(place.directory / "three")]
    assert not (place.directory / "two").exists()


async def test_a_server_is_kept_though_descriptors_are_short(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    opens = os.pidfd_open
    short = [OSError(errno.EMFILE, "Too many open files")] * 2

    def pidfd_open(pid: int) -> int:
        if pid == place.server.pid and short:
            raise short.pop()
        return opens(pid)

    monkeypatch.setattr(os, "pidfd_open", pidfd_open)
    await place.start("one")
    killed = place.server.pid
    assert killed is not None
    await until(lambda: not short)
    assert "cannot be watched" in caplog.text
    os.kill(killed, signal.SIGKILL)
    await until(lambda: place.server.pid not in (None, killed))
    await place.start("two")


async def test_a_worker_that_cannot_be_watched_does_not_stay(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await place.start("one")
    before = set(proc.children(os.getpid()))

    def pidfd_open(_: int) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "pidfd_open", pidfd_open)
    with pytest.raises(OSError, match="Too many open files"):
        await place.server.start(MODULE, [str(place.directory / "two")])
    monkeypatch.undo()
    assert set(proc.children(os.getpid())) == before


async def test_a_server_ends_by_its_socket_alone(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    """The signal that ends a service comes to all of its processes."""
    _, first = await place.start("one")
    server = place.server.pid
    assert server is not None
    os.kill(server, signal.SIGTERM)
    os.kill(server, signal.SIGINT)
    _, second = await place.start("two")
    assert second["imported_by"] == first["imported_by"] == server
    assert second["terminate"]
    assert second["masked"] == []
    assert not caplog.records


async def test_it_ends_with_its_supervisor(tmp_path: Path) -> None:
    place = Place(tmp_path)
    process, _ = await place.start("one")
    pid = place.server.pid
    assert pid is not None
    await place.server.close()
    assert not proc.command(pid)
    assert process.returncode is None, "workers are ended by who keeps them"
    process.kill()
    await process.wait()


IMPORT = """
import importlib, os, sys
for name in sys.argv[1:]:
    getattr(importlib.import_module(name), "prepare", lambda: None)()
print(len(os.listdir("/proc/self/task")))
"""


@pytest.mark.parametrize("modules", [[forks.EGRESS], [forks.MEDIA, forks.TRANSCODER]])
def test_what_workers_import_starts_no_thread(modules: list[str], tmp_path: Path) -> None:
    environment = worker_environment(
        tmp_path, tmp_path, {**os.environ, "OPENBLAS_NUM_THREADS": "4"}
    )
    run = subprocess.run(
        [sys.executable, "-c", IMPORT, *modules],
        env=environment, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert run.stdout == "1\n"


async def test_each_kind_comes_from_its_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[list[str], str, list[str]]] = []

    async def start(self: ForkServer, module: str, arguments: list[str]) -> Any:
        asked.append((self._modules, module, list(arguments)))

    monkeypatch.setattr(ForkServer, "start", start)
    every = Forks(tmp_path, {})
    await every.worker(Worker("egress", "3"))
    await every.worker(Worker("media", "q"))
    await every.start(forks.TRANSCODER, ["--stream=a"])
    media = [forks.MEDIA, forks.TRANSCODER]
    runtime = ["--runtime", str(tmp_path)]
    assert asked == [
        ([forks.EGRESS], forks.EGRESS, [*runtime, "--id", "3"]),
        (media, forks.MEDIA, [*runtime, "--id", "q"]),
        (media, forks.TRANSCODER, ["--stream=a"]),
    ]


@pytest.mark.parametrize("cores", [2, 3])
async def test_one_server_imports_after_the_other_where_cores_are_few(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cores: int
) -> None:
    """The media workers' server tells when it has imported; the other imports then."""
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / f"{name}/__init__.py").touch()
    go, order = tmp_path / "go", tmp_path / "order"
    order.touch()
    say = f"from pathlib import Path\nwith open({str(order)!r}, 'a') as file: file.write('%s ')\n"
    wait = f"import time\nwhile not Path({str(go)!r}).exists(): time.sleep(0.01)\n"
    (tmp_path / "first/worker.py").write_text(f"{say % 'first'}{wait}{say % 'imported'}")
    (tmp_path / "second/worker.py").write_text(say % "second")
    monkeypatch.setattr(forks, "MEDIA", "first.worker")
    monkeypatch.setattr(forks, "TRANSCODER", "first.worker")
    monkeypatch.setattr(forks, "EGRESS", "second.worker")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(cores)))
    servers = Forks(tmp_path, {**os.environ, "PYTHONPATH": str(tmp_path)})
    servers.begin()
    try:
        await until(lambda: "first" in order.read_text())
        if cores > 2:
            await until(lambda: "second" in order.read_text())
        else:
            egress = servers._egress.pid or 0
            # It has got so far that it would import, if it did not wait.
            await until(lambda: not any(forks.ROOM in word for word in proc.command(egress)))
        go.touch()
        await until(lambda: {"imported", "second"} <= set(order.read_text().split()))
        expected = ["first", "imported", "second"]
        assert (order.read_text().split() == expected) is (cores == 2)
    finally:
        await servers.close()
