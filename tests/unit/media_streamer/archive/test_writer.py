import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from media_streamer.archive.job import SegmentJob
from media_streamer.archive.library import Library
from media_streamer.archive.places import OWNER_FILE
from media_streamer.archive.shelf import Shelf
from media_streamer.archive.writer import DiskWriter

from .conftest import Recording


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_waits_is_written_before_the_end(recording: Recording) -> None:
    writer = DiskWriter(recording.root)
    for _ in range(20):
        assert writer.put(recording.shelf, recording.job())
    writer.finish(recording.shelf)
    writer.close()
    assert len(Library().entries(recording.folder, 0, 2**50)) == 20
    figures = recording.shelf.figures
    assert (figures.segments, figures.dropped, figures.error) == (20, 0, "")
    assert writer.waiting_bytes == 0


def test_a_disk_that_hangs_holds_nobody_up(
    recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on = threading.Event()
    write = Shelf.write

    def slow(shelf: Shelf, job: SegmentJob) -> bool:
        goes_on.wait(30)
        return write(shelf, job)

    monkeypatch.setattr(Shelf, "write", slow)
    writer = DiskWriter(recording.root, max_segments=3)
    taken = 0
    writer.put(recording.shelf, recording.job())
    until(lambda: writer.stuck_seconds > 0)
    while writer.put(recording.shelf, recording.job()):
        taken += 1
        assert taken < 10
    assert writer.stuck_seconds > 0
    goes_on.set()
    until(lambda: writer.waiting_bytes == 0)
    assert writer.put(recording.shelf, recording.job())
    writer.close()


def test_bytes_are_bounded(recording: Recording) -> None:
    job = recording.job()
    writer = DiskWriter(recording.root, max_bytes=job.size - 1)
    assert not writer.put(recording.shelf, job)
    writer.close()


def test_failures_are_counted_and_end(recording: Recording) -> None:
    (recording.root / OWNER_FILE).unlink()
    writer = DiskWriter(recording.root)
    figures = recording.shelf.figures
    writer.put(recording.shelf, recording.job())
    until(lambda: figures.dropped == 1)
    assert "mounted" in figures.error
    (recording.root / OWNER_FILE).touch()
    writer.put(recording.shelf, recording.job())
    until(lambda: figures.segments == 1)
    assert figures.error == ""
    writer.close()
    assert not writer.put(recording.shelf, recording.job())


def test_a_fault_of_ours_is_no_end_of_the_thread(
    recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(shelf: Shelf, job: SegmentJob) -> bool:
        raise KeyError("x")

    writer = DiskWriter(Path(recording.root))
    monkeypatch.setattr(Shelf, "write", fault)
    writer.put(recording.shelf, recording.job())
    until(lambda: recording.shelf.figures.dropped == 1)
    monkeypatch.undo()
    writer.put(recording.shelf, recording.job())
    until(lambda: recording.shelf.figures.segments == 1)
    writer.close()
