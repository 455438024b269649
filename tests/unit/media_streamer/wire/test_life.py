"""Which workers live: locks that the kernel gives back."""

import contextlib
import fcntl
import os
import signal
import socket
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


LEFT = ("folder", "closed folder", "deep folder", "link", "socket", "closed file")


@pytest.mark.parametrize("what", LEFT)
def test_what_was_left_in_a_home_keeps_nobody_out(tmp_path: Path, what: str) -> None:
    """Whoever was taken over may leave anything there for its successors."""
    home, outside = tmp_path / "r/media-0", tmp_path / "outside"
    home.mkdir(parents=True)
    outside.mkdir()
    (outside / "file").write_text("kept")
    for name in ("worker.sock", "end", "pid", "other"):
        leave(home / name, what, outside)
    if what == "closed folder":
        home.chmod(0)
    with held(tmp_path / "r", "media", "0") as process:
        assert [one.name for one in home.iterdir()] == ["pid"]
        assert living_workers(tmp_path / "r") == {("media", "0"): process}
    assert (outside / "file").read_text() == "kept"
    subprocess.run(["chmod", "-R", "u+rwX", tmp_path / "r"], check=True)
    subprocess.run(["rm", "-rf", tmp_path / "r"], check=True)  # deeper than pytest can


def leave(path: Path, what: str, outside: Path) -> None:
    if what == "link":
        path.symlink_to(outside if path.name == "other" else outside / "file")
    elif what == "socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(path))
    elif what == "closed file":
        path.touch(mode=0)
    else:
        (path / "below").mkdir(parents=True)
        (path / "below/file").touch()
        (path / "link").symlink_to(outside)
        if what == "closed folder":
            (path / "below").chmod(0)
            path.chmod(0)
        if what == "deep folder":
            make_deep(path)


def make_deep(path: Path) -> None:
    """Deeper than Python goes back."""
    place = os.open(path, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=place)
        below = os.open("d", os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = below
    os.close(place)


def test_workers_of_the_version_before_homes_are_found(tmp_path: Path) -> None:
    """They would hold the ports, and record, beside those of this one."""
    (tmp_path / "egress-1.pid").write_text("77\n")
    (tmp_path / "egress-2.pid").write_text("78\n")  # nobody's
    (tmp_path / "media-0.pid").write_text("garbage")
    with (tmp_path / "egress-1.pid").open() as file, (tmp_path / "media-0.pid").open() as other:
        fcntl.flock(file, fcntl.LOCK_EX)
        fcntl.flock(other, fcntl.LOCK_EX)
        assert living_workers(tmp_path) == {("egress", "1"): 77}
    assert living_workers(tmp_path) == {}
    assert not list(tmp_path.iterdir())


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
