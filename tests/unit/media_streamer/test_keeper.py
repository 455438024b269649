"""Who keeps the supervisor: real processes; a small script stands in for the supervisor."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import proc

SCRIPT = """
import os, signal, subprocess, sys, time
from pathlib import Path
from media_streamer import keeper

log = Path(sys.argv[1])

def say(text):
    with log.open("a") as file:
        file.write(text + "\\n")

def serve():
    say(f"start {os.getpid()}")
    starts = log.read_text().count("start")
    %s

keeper.FIRST_PAUSE_SECONDS = 0.01
keeper.__file__ = str(log.with_name("program"))
Path(keeper.__file__).touch()
sys.exit(keeper.keep(serve))
"""
KILLED_ONCE = """
    if starts == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return 7
"""
REPLACED = """
    log.with_name("new").write_text("another")
    os.replace(log.with_name("new"), keeper.__file__)
    os.kill(os.getpid(), signal.SIGKILL)
"""
ALWAYS_KILLED = """
    os.kill(os.getpid(), signal.SIGKILL)
"""
PATIENT = """
    def stop(number, frame):
        say(f"signal {number}")
        if number == signal.SIGTERM:
            os._exit(0)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, stop)
    keeper.listens()
    say("ready")
    while True:
        time.sleep(60)
"""
SLOW = f"""
    while not log.with_name("go").exists():
        time.sleep(0.01)
    {PATIENT.strip()}
"""
WITH_A_WORKER = """
    if starts == 1:
        worker = subprocess.Popen(["sleep", "60"], start_new_session=True)
        say(f"worker {worker.pid}")
        os.kill(os.getpid(), signal.SIGKILL)
    return 0
"""


class Kept:
    """A keeper in a process of its own."""

    def __init__(self, directory: Path, body: str) -> None:
        self.log = directory / "log"
        script = directory / "kept.py"
        script.write_text(SCRIPT % body.strip())
        self.process = subprocess.Popen(
            [sys.executable, str(script), str(self.log)], stderr=subprocess.DEVNULL
        )

    def said(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def until(self, condition: Callable[[str], object]) -> str:
        deadline = time.monotonic() + 60
        while not condition(self.said()):
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.02)
        return self.said()

    def ends(self) -> int:
        return self.process.wait(60)


def test_one_that_was_killed_is_started_again(tmp_path: Path) -> None:
    kept = Kept(tmp_path, KILLED_ONCE)
    assert kept.ends() == 7  # what ends by itself ends the server
    assert kept.said().count("start") == 2


def test_one_that_never_lasts_is_given_up(tmp_path: Path) -> None:
    kept = Kept(tmp_path, ALWAYS_KILLED)
    assert kept.ends() == 1
    assert kept.said().count("start") == 7


def test_none_is_started_of_another_program(tmp_path: Path) -> None:
    """Half of its modules would be those of the version before: the server is started whole."""
    kept = Kept(tmp_path, REPLACED)
    assert kept.ends() == 1
    assert kept.said().count("start") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_are_passed_on(tmp_path: Path, number: int) -> None:
    kept = Kept(tmp_path, PATIENT)
    kept.until(lambda said: "ready" in said)
    for passed_on in (signal.SIGHUP, signal.SIGUSR1):
        os.kill(kept.process.pid, passed_on)
        kept.until(lambda said, one=passed_on: f"signal {one:d}" in said)
    os.kill(kept.process.pid, number)
    assert kept.ends() == 0
    assert f"signal {signal.SIGTERM:d}" in kept.said()


def test_what_is_passed_on_too_early_waits(tmp_path: Path) -> None:
    """A pod that is deleted while it starts is told to leave (preStop) before it can hear it."""
    kept = Kept(tmp_path, SLOW)
    kept.until(lambda said: "start" in said)
    os.kill(kept.process.pid, signal.SIGUSR1)
    os.kill(kept.process.pid, signal.SIGHUP)
    (tmp_path / "go").touch()
    said = kept.until(
        lambda said: all(f"signal {one:d}" in said for one in (signal.SIGUSR1, signal.SIGHUP))
    )
    assert said.count("start") == 1, "it was not started again"
    os.kill(kept.process.pid, signal.SIGTERM)
    assert kept.ends() == 0


def test_nothing_is_left_at_the_end(tmp_path: Path) -> None:
    kept = Kept(tmp_path, WITH_A_WORKER)
    assert kept.ends() == 0
    worker = int(kept.said().partition("worker ")[2].split()[0])
    assert not proc.is_alive(worker)


def test_the_supervisor_ends_with_its_keeper(tmp_path: Path) -> None:
    kept = Kept(tmp_path, PATIENT)
    said = kept.until(lambda said: "ready" in said)
    supervisor = int(said.split()[1])
    kept.process.kill()
    kept.ends()
    kept.until(lambda said: f"signal {signal.SIGTERM:d}" in said)
    deadline = time.monotonic() + 60
    while proc.is_alive(supervisor):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_it_is_small() -> None:
    """What it imports is in a process that does nothing, and comes before all else at a start."""
    code = (
        "import sys, media_streamer.cli;"
        " print({'pydantic', 'lark', 'aiohttp', 'av', 'numpy'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "set()\n", done.stdout + done.stderr
