"""A stream on several disks: what one cannot take another one does; nothing is lost or twice."""

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from media_streamer.archive import writer as writers
from media_streamer.archive.disks import Disks
from media_streamer.archive.library import Library
from media_streamer.archive.places import HOUR_MS, MAX_SPAN_MS, OWNER_FILE, Place, files_between
from media_streamer.archive.shelf import Shelf
from media_streamer.archive.spread import order
from media_streamer.archive.writer import DiskWriter

from .conftest import SECONDS, START_MS, Recording

STREAM = "a/b"


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Storage:
    """Two disks, and a stream that is recorded on them."""

    def __init__(self, root: Path, recording: Recording) -> None:
        self.recording = recording
        self.now_ms = START_MS
        self.roots = [root / "d1", root / "d2"]
        for one in self.roots:
            one.mkdir()
            (one / OWNER_FILE).touch()
        self.writers = {one: DiskWriter(one) for one in self.roots}
        self.disks = Disks(STREAM, list(self.writers.values()), MAX_SPAN_MS, lambda: self.now_ms)

    @property
    def best(self) -> Path:
        return order(STREAM, self.now_ms, self.roots)[0]

    @property
    def other(self) -> Path:
        return order(STREAM, self.now_ms, self.roots)[1]

    def put(self, count: int = 1) -> None:
        for _ in range(count):
            assert self.disks.put(self.recording.job())

    def written(self, count: int) -> None:
        until(lambda: self.disks.figures.segments >= count)

    def numbers(self) -> list[int]:
        """Segments that a reader finds, counted from 0; none breaks."""
        places = [Place(one, one / STREAM) for one in self.roots]
        found = Library().entries(places, 0, 2**50)
        assert not any(one.broken for one in found)
        for one in found:
            assert Library().find(places, one.group.start_ms) is not None
        return [(one.group.start_ms - START_MS) // (SECONDS * 1000) for one in found]

    def close(self) -> None:
        self.disks.close()
        for one in self.writers.values():
            one.close()


@pytest.fixture
def storage(recording: Recording, tmp_path: Path) -> Iterator[Storage]:
    one = Storage(tmp_path, recording)
    yield one
    one.close()


def test_every_hour_has_its_disk_and_readers_see_one_archive(storage: Storage) -> None:
    for hour in range(12):
        storage.now_ms = START_MS + hour * HOUR_MS
        storage.put()
    storage.written(12)
    assert storage.numbers() == list(range(12))
    assert all(files_between(root / STREAM) for root in storage.roots)
    assert storage.disks.failing == {}


def test_what_a_full_disk_refuses_another_one_has(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.put(2)
    storage.written(2)
    full, append = storage.best, Shelf._append

    def refuse(shelf: Shelf, data: list[bytes]) -> None:
        if shelf.root == full:
            raise OSError(errno.ENOSPC, "No space left on device")
        append(shelf, data)

    monkeypatch.setattr(Shelf, "_append", refuse)
    storage.put(3)
    storage.written(5)
    assert storage.numbers() == list(range(5))
    figures = storage.disks.figures
    assert (figures.dropped, storage.disks.problem) == (0, "")
    assert "No space" in storage.disks.failing[str(full)]
    monkeypatch.undo()
    monkeypatch.setattr(storage.writers[full], "_retry_seconds", 0.0)
    storage.put()
    storage.written(6)
    assert storage.disks.failing == {}
    assert storage.numbers() == list(range(6))


def test_a_disk_that_vanishes_costs_nothing(storage: Storage) -> None:
    (storage.best / OWNER_FILE).unlink()
    storage.put(4)
    storage.written(4)
    assert storage.numbers() == list(range(4))
    assert "mounted" in storage.disks.failing[str(storage.best)]
    assert storage.disks.figures.dropped == 0


def test_what_waits_for_a_disk_that_hangs_goes_to_another_one(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.put(2)
    storage.written(2)
    hung, goes_on, writev = storage.best, threading.Event(), os.writev

    def hang(descriptor: int, data: list[memoryview]) -> int:
        if os.readlink(f"/proc/self/fd/{descriptor}").startswith(str(hung)):
            goes_on.wait(60)
        return writev(descriptor, data)

    monkeypatch.setattr("media_streamer.archive.shelf.os.writev", hang)
    monkeypatch.setattr("media_streamer.archive.disks.SLOW_SECONDS", 0.3)
    monkeypatch.setattr(writers, "SLOW_SECONDS", 0.3)
    try:
        storage.put(3)
        until(lambda: storage.writers[hung].stuck_seconds > 0.3)
        assert "has not answered" in storage.disks.failing[str(hung)]
        for _ in range(3):
            storage.disks.look()  # again and again: it is taken back once
        storage.put(2)
        storage.written(7)
        assert storage.numbers() == list(range(7))
        assert storage.disks.problem == ""
    finally:
        goes_on.set()
    until(lambda: storage.writers[hung].stuck_seconds == 0)
    assert storage.numbers() == list(range(7))  # one is there twice now
    assert storage.disks.figures.dropped == 0


def test_where_no_disk_can_it_is_said(storage: Storage) -> None:
    for root in storage.roots:
        (root / OWNER_FILE).unlink()
    storage.put(2)
    until(lambda: storage.disks.figures.dropped == 2)
    assert "mounted" in storage.disks.problem
    assert len(storage.disks.failing) == 2
