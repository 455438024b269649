"""The writer's thread, on real files and broken ones."""

import threading
import time
from pathlib import Path

import pytest
from media_streamer.pulse.points import SHAPES, Points
from media_streamer.pulse.store import FILE, Key, Store, known
from media_streamer.pulse.writer import MAX_WAITING, Writer

MINUTE = int(time.time()) // 60 * 60
SAMPLES = {("stream", "a"): {MINUTE: SHAPES["stream"].row({"clients": 1})}}


def write_one(directory: Path) -> Writer:
    writer = Writer(directory)
    writer.put(MINUTE, SAMPLES)  # type: ignore[arg-type]
    writer.end()
    writer.join()
    return writer


def test_what_waits_at_the_end_is_stored(tmp_path: Path) -> None:
    writer = write_one(tmp_path / "a" / "b")
    assert not writer.problem
    assert known(writer.path, ("stream", "a"))
    assert not known(writer.path, ("stream", "b"))


@pytest.mark.parametrize(
    "garbage", [b"this is no database" * 100, b"SQLite format 3\0" + b"x" * 5000]
)
def test_a_file_that_is_no_database_is_put_aside(
    tmp_path: Path, garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE).write_bytes(garbage)
    write_one(tmp_path)
    assert (tmp_path / f"{FILE}.broken").read_bytes() == garbage
    assert "is damaged" in caplog.text
    writer = write_one(tmp_path)
    assert not writer.problem
    assert known(writer.path, ("stream", "a"))


def test_a_directory_that_cannot_be_written_is_a_line_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no directory")
    writer = Writer(tmp_path / "file")
    for _ in range(3):
        writer.put(MINUTE, SAMPLES)  # type: ignore[arg-type]
    writer.end()
    writer.join()
    assert "cannot be written" in writer.problem
    assert caplog.text.count("cannot be written") == 1


def test_what_waits_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    busy, go_on = threading.Event(), threading.Event()

    def hang(path: Path) -> None:
        busy.set()
        assert go_on.wait(60)
        raise OSError("the disk is gone")

    monkeypatch.setattr("media_streamer.pulse.writer.Store", hang)
    writer = Writer(tmp_path)
    writer.put(MINUTE, {})
    assert busy.wait(60)
    for _ in range(MAX_WAITING + 5):
        writer.put(MINUTE, {})
    assert len(writer._minutes) == MAX_WAITING
    assert writer._dropped == 6
    writer.end()
    go_on.set()
    writer.join()


def test_a_full_disk_is_said_once_and_waited_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pages = [12]

    class Full(Store):
        def __init__(self, path: Path) -> None:
            super().__init__(path)
            self._db.execute(f"PRAGMA max_page_count={pages[0]}")

    monkeypatch.setattr("media_streamer.pulse.writer.Store", Full)
    samples: dict[Key, Points] = {
        ("stream", f"s{n}"): {MINUTE: SHAPES["stream"].row({"clients": n})} for n in range(1000)
    }
    writer = Writer(tmp_path)
    caplog.set_level("INFO")
    for text in ("full", "full"):
        writer.put(MINUTE, samples)
        _wait_until_stored(writer)
        assert text in writer.problem
    pages[0] = 1_000_000
    writer.put(MINUTE, samples)
    _wait_until_stored(writer)
    assert not writer.problem
    assert caplog.text.count("cannot be written") == 1
    assert "2 minutes are lost" in caplog.text
    assert known(writer.path, ("stream", "s999"))
    writer.end()
    writer.join()


def _wait_until_stored(writer: Writer) -> None:
    deadline = time.monotonic() + 60
    while writer._minutes:
        assert time.monotonic() < deadline
        time.sleep(0.01)
