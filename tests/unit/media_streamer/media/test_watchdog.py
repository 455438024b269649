"""When a media worker ends itself, and whom it blames."""

import mmap
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from media_streamer import budgets, last_words
from media_streamer.last_words import LastWords
from media_streamer.media.watchdog import (
    EXIT_CODE,
    OwnMemory,
    Watchdog,
    growing_since,
    memory_bound,
    who_holds,
    who_runs,
)
from media_streamer.wire.homes import make_home

MIB = budgets.MIB


class Worker:
    """A watchdog whose time and memory the test gives."""

    def __init__(self, tmp_path: Path) -> None:
        make_home(tmp_path, "media", "0")
        self.path = last_words.path_of(tmp_path, "media", "0")
        self.held: dict[str, int] = {}
        self.memory = 100 * MIB
        self.ends: list[int] = []
        self.cpu_wait = 0.0
        self.dog = Watchdog(
            self.path,
            lambda: self.held,
            200 * MIB,
            lambda: self.memory,
            self.ends.append,
            lambda: self.cpu_wait,
        )
        self.now = time.monotonic()

    def passes(self, seconds: float) -> None:
        """Time in which the watchdog looks twice a second."""
        for _ in range(int(seconds * 2)):
            self.now += 0.5
            self.dog.look(self.now)


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    return Worker(tmp_path)


def test_more_streams_may_hold_more(worker: Worker) -> None:
    worker.held = dict.fromkeys("abc", MIB)
    worker.memory = memory_bound(200 * MIB, 3)
    worker.passes(1)
    assert not worker.ends


def test_the_stream_that_holds_the_excess_is_to_blame(worker: Worker) -> None:
    worker.held = {"good": 20 * MIB, "bad": 150 * MIB}
    worker.memory = memory_bound(200 * MIB, 2) + MIB
    worker.passes(0.5)
    assert worker.ends == [EXIT_CODE]
    words = last_words.take(worker.path)
    assert words is not None
    assert words.streams == ["bad"]
    assert words.reason == "329 MiB of memory, at most 328 are allowed"
    assert last_words.take(worker.path) is None, "they are said once"


@pytest.mark.parametrize(
    ("held", "excess", "blamed"),
    [
        ({}, 500 * MIB, []),
        ({"small": 20 * MIB}, 20 * MIB, []),
        ({"one": 100 * MIB, "two": 101 * MIB}, 300 * MIB, ["two"]),
        ({"one": 100 * MIB}, 900 * MIB, []),
    ],
)
def test_nobody_is_blamed_for_what_its_queues_do_not_explain(
    held: dict[str, int], excess: int, blamed: list[str]
) -> None:
    assert who_holds(held, excess) == blamed


@pytest.mark.parametrize(
    ("sizes", "since"),
    [([5, 5, 5, 50, 100], 2), ([100], 0), ([0, 25, 50, 75, 100], 0), ([5, 90, 5, 6, 100], 3)],
)
def test_since_when_it_grew(sizes: list[int], since: int) -> None:
    assert growing_since(list(enumerate(sizes))) == since


def test_a_loop_that_hangs_ends_the_worker(worker: Worker) -> None:
    worker.passes(budgets.MEDIA_LOOP_SECONDS - 1)
    assert not worker.ends
    worker.passes(2)
    assert worker.ends[0] == EXIT_CODE
    words = last_words.take(worker.path)
    assert words is not None
    assert "the event loop hangs for" in words.reason


def test_a_process_that_was_stopped_is_not_at_fault(worker: Worker) -> None:
    worker.now += 3600
    worker.passes(1)
    assert not worker.ends


def test_a_worker_that_just_got_streams_is_looked_at_as_often_as_before(worker: Worker) -> None:
    worker.dog.beat(idle=True)
    worker.passes(1)
    worker.dog.beat()
    worker.memory = memory_bound(200 * MIB, 0) + MIB
    worker.passes(0.5)
    assert worker.ends == [EXIT_CODE]


def test_a_sleeping_worker_is_not_at_fault_either(worker: Worker) -> None:
    worker.dog.beat(idle=True)
    worker.now += 2.0
    worker.dog.look(worker.now)
    worker.passes(budgets.MEDIA_LOOP_SECONDS - 3)
    assert not worker.ends
    worker.passes(2)
    assert worker.ends, "the time it slept counts"


def test_a_loop_that_waits_for_a_cpu_does_not_hang(worker: Worker) -> None:
    worker.passes(1)
    for _ in range(3 * budgets.MEDIA_LOOP_SECONDS):
        worker.cpu_wait += 0.9
        worker.passes(1)
    assert not worker.ends
    worker.passes(budgets.MEDIA_LOOP_SECONDS)
    assert worker.ends, "it had a CPU and hangs all the same"


COMPETES = """
import os, signal, time
from media_streamer.media.watchdog import CpuWait
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
other = os.fork()
while not other:
    pass
waited, until = CpuWait(), time.monotonic() + 0.5
try:
    while time.monotonic() < until:
        pass
    print(waited())
finally:
    os.kill(other, signal.SIGKILL)
"""


@pytest.mark.skipif(
    not Path("/proc/self/schedstat").exists(), reason="this kernel counts no waiting for a CPU"
)
def test_what_a_thread_waits_for_a_cpu_is_measured() -> None:
    """Two that want one CPU wait for each other."""
    done = subprocess.run(
        [sys.executable, "-c", COMPETES], capture_output=True, text=True, timeout=60, check=True
    )
    assert float(done.stdout) > 0.1


class Stuck:
    def __init__(self, name: str) -> None:
        self.name = name
        self.go = threading.Event()

    def call(self, inner: Callable[[], object]) -> None:
        inner()

    def hang(self) -> None:
        self.go.wait(60)


def test_the_stream_in_whose_code_the_loop_hangs_is_to_blame() -> None:
    outer, inner = Stuck("outer"), Stuck("no stream")
    thread = threading.Thread(target=lambda: outer.call(inner.hang))
    thread.start()
    try:
        while True:
            frame = sys._current_frames()[thread.ident or 0]
            if frame.f_code.co_name in ("wait", "hang"):
                break
        assert who_runs(frame, {"outer", "other"}) == ["outer"]
        assert who_runs(frame, {"other"}) == []
    finally:
        inner.go.set()
        thread.join()


def test_what_a_process_keeps_for_itself_is_measured() -> None:
    own_memory = OwnMemory()
    before = own_memory()
    # Mapped, for memory that an earlier test gave back may serve an allocation.
    with mmap.mmap(-1, 64 * MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as held:
        held.write(b"x" * len(held))
        assert own_memory() - before > 48 * MIB


@pytest.mark.parametrize("data", [b"", b"{", b'{"reason": 1}', b"\xff", b'{"streams": []}'])
def test_last_words_that_cannot_be_read(tmp_path: Path, data: bytes) -> None:
    make_home(tmp_path, "media", "0")
    path = last_words.path_of(tmp_path, "media", "0")
    path.write_bytes(data)
    assert last_words.take(path) is None
    assert not path.exists()


def test_last_words(tmp_path: Path) -> None:
    make_home(tmp_path, "media", "0")
    path = last_words.path_of(tmp_path, "media", "0")
    words = LastWords("it grew", ["a/b", "ä"])
    last_words.leave(path, words)
    assert last_words.take(path) == words
