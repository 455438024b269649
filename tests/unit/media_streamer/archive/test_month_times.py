"""What is put down of a month saves the reading of its indexes, and is never believed too much."""

import os
import time
from pathlib import Path

import pytest
from media_streamer.archive import library as library_module
from media_streamer.archive.erasing import erase
from media_streamer.archive.library import Library
from media_streamer.archive.measuring import Measured, times_of_index
from media_streamer.archive.month_times import FILE_NAME, FileTimes, read_month, write_month
from media_streamer.archive.places import HOUR_MS, RecordedFile, files_between, index_path
from media_streamer.archive.ranges import Range, merge
from media_streamer.archive.stored import remove

from .conftest import SECONDS, START_MS, Recording

HOURS = 4
LATER = time.monotonic() + 1e6


@pytest.fixture
def recorded(recording: Recording) -> Recording:
    """Hours with two segments each, written long ago."""
    for hour in range(HOURS):
        recording.restart(START_MS + hour * HOUR_MS)
        recording.write(2)
    for file in files(recording):
        os.utime(file.path, ns=(10**18, 10**18))
        os.utime(index_path(file.path), ns=(10**18, 10**18))
    return recording


@pytest.fixture
def indexes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The starts of the files whose indexes a library read."""
    read: list[int] = []
    by_index = library_module.times_by_index

    def counted(file: RecordedFile, size: int) -> list[Range] | None:
        read.append(file.start_ms)
        return by_index(file, size)

    monkeypatch.setattr(library_module, "times_by_index", counted)
    return read


def files(recording: Recording) -> list[RecordedFile]:
    return files_between(recording.folder)


def look(recording: Recording, measured: Measured | None = None) -> None:
    by_start = {one.start_ms: one.path for one in files(recording)}
    sizes = {start: path.stat().st_size for start, path in by_start.items()}
    (measured or Measured()).look(sizes, by_start.__getitem__, LATER)


def months(recording: Recording) -> list[Path]:
    return sorted({file.path.parents[2] for file in files(recording)})


def truth(recording: Recording) -> list[Range]:
    library = Library()
    contents = [library.content(file) for file in files(recording)]
    return merge(Range(g.start_ms, g.end_ms) for one in contents if one for g in one.groups)


def test_what_is_put_down_is_not_read_again(recorded: Recording, indexes: list[int]) -> None:
    look(recorded)
    found = Library().ranges(recorded.folder)
    assert found == truth(recorded)
    assert len(found) == HOURS
    newest = files(recorded)[-1].start_ms
    assert indexes == [newest], "it may be written to"
    reads: list[int] = []

    def told(file: RecordedFile) -> list[Range]:
        reads.append(file.start_ms)
        return [Range(file.start_ms, file.start_ms + 1)]

    look(recorded, Measured(told))
    assert reads == [newest], "another process that begins"


def test_what_is_still_written_to_is_not_put_down(recording: Recording) -> None:
    for hour in range(2):
        recording.restart(START_MS + hour * HOUR_MS)
        recording.write(2)
    look(recording)
    assert not read_month(months(recording)[0])


def test_what_has_changed_is_read(recorded: Recording, indexes: list[int]) -> None:
    look(recorded)
    first, second = files(recorded)[:2]
    erase(recorded.folder, Range(START_MS, START_MS + 1000), HOUR_MS, START_MS + HOUR_MS)
    os.truncate(second.path, second.path.stat().st_size - 1)
    found = Library().ranges(recorded.folder)
    assert found == truth(recorded)
    assert found[0] == Range(START_MS + SECONDS * 1000, START_MS + 2 * SECONDS * 1000)
    assert {first.start_ms, second.start_ms} <= set(indexes)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:-3],
        lambda data: data[:40] + bytes([data[40] ^ 1]) + data[41:],
        lambda data: b"dvrtime2" + data[8:],
        lambda data: data + bytes(100),
        lambda data: os.urandom(len(data)),
    ],
)
def test_a_damaged_one_is_made_anew(recorded: Recording, damage) -> None:  # type: ignore[no-untyped-def]
    look(recorded)
    month = months(recorded)[0]
    path, before = month / FILE_NAME, read_month(month)
    path.write_bytes(damage(path.read_bytes()))
    assert read_month(month) == {}
    assert Library().ranges(recorded.folder) == truth(recorded)
    look(recorded)
    assert read_month(month) == before


def test_what_is_gone_is_forgotten(recorded: Recording) -> None:
    look(recorded)
    month, (first, second, *_) = months(recorded)[0], files(recorded)
    remove(first.path, recorded.folder)
    assert Library().ranges(recorded.folder) == truth(recorded)
    os.utime(second.path, ns=(10**18 + 1, 10**18 + 1))
    look(recorded)
    assert first.start_ms not in read_month(month)
    for file in files(recorded):
        remove(file.path, recorded.folder)
    assert not list(recorded.folder.iterdir()), "the last file of a month takes it along"


def test_of_a_bucket_the_index_tells(recorded: Recording, indexes: list[int]) -> None:
    """There is nothing else here."""
    by_start = {one.start_ms: index_path(one.path) for one in files(recorded)}
    for one in files(recorded):
        one.path.unlink()
    measured = Measured(times_of_index, index_path)
    found = measured.look(dict.fromkeys(by_start, 1), by_start.__getitem__, LATER)
    kept = read_month(next(iter(by_start.values())).parents[2])
    assert len(kept) == HOURS - 1
    assert found is not None
    assert [one.ranges[0] for one in kept.values()] == list(found[:-1])


def test_a_folder_that_takes_nothing(tmp_path: Path) -> None:
    write_month(tmp_path / "missing", {1: FileTimes([Range(1, 2)], 3, 4)})
    (tmp_path / FILE_NAME).mkdir()
    write_month(tmp_path, {1: FileTimes([Range(1, 2)], 3, 4)})
    assert read_month(tmp_path) == {}
    assert [one.name for one in tmp_path.iterdir()] == [FILE_NAME]


def test_no_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("of somebody else")
    (tmp_path / "month").mkdir()
    (tmp_path / "month" / f"{FILE_NAME}.new").symlink_to(tmp_path / "secret")
    times = {1: FileTimes([Range(1, 2)], 10, 20)}
    write_month(tmp_path / "month", times)
    assert read_month(tmp_path / "month") == times
    assert (tmp_path / "secret").read_text() == "of somebody else"
