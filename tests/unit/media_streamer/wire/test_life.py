"""Which workers live: locks that the kernel gives back."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from media_streamer.wire import life
from media_streamer.wire.life import is_alive, living, living_workers

HOLD = """
import sys, time
from pathlib import Path
from media_streamer.wire.life import living
with living(Path(sys.argv[1]), *sys.argv[2:4]):
    print("here", flush=True)
    time.sleep(60)
"""


@contextlib.contextmanager
def held(runtime: Path, kind: str, worker: str) -> Iterator[int]:
    """A process that is this worker; ends killed."""
    command = [sys.executable, "-c", HOLD, str(runtime), kind, worker]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"here\n"
        try:
            yield process.pid
        finally:
            process.kill()


def test_a_worker_is_there_for_as_long_as_it_lives(tmp_path: Path) -> None:
    assert living_workers(tmp_path) == {}
    with held(tmp_path, "media", "q") as media:
        with held(tmp_path, "egress", "1") as egress:
            found = living_workers(tmp_path)
            assert found == {("media", "q"): media, ("egress", "1"): egress}
        assert living_workers(tmp_path) == {("media", "q"): media}
    assert living_workers(tmp_path) == {}


def test_nobody_is_a_worker_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(life, "WAIT_SECONDS", 0.1)
    with (
        held(tmp_path, "media", "0"),
        pytest.raises(OSError, match="another process is media worker 0"),
        living(tmp_path, "media", "0"),
    ):
        pass


def test_who_it_is_the_kernel_says(tmp_path: Path) -> None:
    """A worker that was taken over may write the number of another process."""
    with held(tmp_path, "egress", "1") as process:
        (tmp_path / "egress-1/pid").write_text("1\n")
        assert living_workers(tmp_path) == {("egress", "1"): process}


def test_garbage_is_nobody(tmp_path: Path) -> None:
    for name in ("egress-0", "other-0", "media-2"):
        (tmp_path / name).mkdir()
    (tmp_path / "egress-0/pid").write_text("garbage")
    (tmp_path / "other-0/pid").write_text("1")
    (tmp_path / "media-1/pid").mkdir(parents=True)
    os.mkfifo(tmp_path / "media-2/pid")
    assert living_workers(tmp_path) == {}


def test_a_loop_that_stands_still_is_ended(tmp_path: Path) -> None:
    """Nobody else could: its supervisor may be gone."""
    short = "import media_streamer.wire.life as l\nl.SILENT_SECONDS = 1\nwith living"
    body = HOLD.replace("with living", short)
    command = [sys.executable, "-c", body, str(tmp_path), "egress", "1"]
    process = subprocess.run(command, stdout=subprocess.DEVNULL, timeout=60, check=False)
    assert process.returncode == -signal.SIGALRM


def test_whoever_is_no_worker_gets_no_alarm() -> None:
    before = signal.getitimer(signal.ITIMER_REAL)[0]  # that of the tests' own time-outs
    is_alive()
    assert signal.getitimer(signal.ITIMER_REAL)[0] <= before
