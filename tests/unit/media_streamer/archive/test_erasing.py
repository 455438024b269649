import contextlib
import os

import pytest
from media_streamer.archive import erasing
from media_streamer.archive.erasing import Locked, check_locks, erase
from media_streamer.archive.library import Library, read_all
from media_streamer.archive.places import HOUR_MS, MAX_SPAN_MS, files_between, index_path
from media_streamer.archive.ranges import Range
from media_streamer.archive.stored import stored_bytes
from media_streamer.syntax.boxes import boxes

from .conftest import SECONDS, START_MS, Recording

STEP_MS = SECONDS * 1000
BIG = os.urandom(100_000)


def numbers(recording: Recording, library: Library | None = None) -> list[int]:
    """Segments that are there, counted from 0."""
    entries = (library or Library()).entries(recording.folder, 0, 2**50)
    return [(one.group.start_ms - START_MS) // STEP_MS for one in entries]


def write(recording: Recording, count: int) -> None:
    for _ in range(count):
        recording.shelf.write(recording.job(payload=BIG))


def span(first: int, last: int) -> Range:
    """From the middle of a segment to the middle of another one."""
    return Range(START_MS + first * STEP_MS + 10, START_MS + last * STEP_MS + 10)


@pytest.mark.parametrize("punches", [True, False])
def test_a_part_of_the_file_that_is_written_goes_and_the_file_goes_on(
    recording: Recording, monkeypatch: pytest.MonkeyPatch, punches: bool
) -> None:
    if not punches:
        monkeypatch.setattr(erasing, "_PUNCH", 0xFF)  # no file system knows that
    write(recording, 6)
    library = Library()
    assert numbers(recording, library) == list(range(6))
    (file,) = files_between(recording.folder)
    before = stored_bytes(file.path)
    assert erase(recording.folder, span(2, 3), MAX_SPAN_MS, START_MS + 60_000) == 2
    write(recording, 1)
    assert numbers(recording, library) == [0, 1, 4, 5, 6]
    found = library.entries(recording.folder, 0, 2**50)
    assert [one.broken for one in found] == [False, False, True, False, False]
    data = file.path.read_bytes()
    assert data.count(BIG) == 2 * 5
    assert sum(end - begin + 8 for _, begin, end in boxes(data)) == len(data)  # players read on
    if punches:
        assert stored_bytes(file.path) < before + 2 * len(BIG) - 3 * len(BIG)
    assert erase(recording.folder, span(2, 3), MAX_SPAN_MS, START_MS + 60_000) == 0


@pytest.mark.parametrize("index", ["whole", "gone", "short"])
def test_what_is_deleted_stays_so_whatever_becomes_of_the_index(
    recording: Recording, index: str
) -> None:
    write(recording, 4)
    (file,) = files_between(recording.folder)
    path = index_path(file.path)
    if index == "short":
        os.truncate(path, path.stat().st_size - 150)
    elif index == "gone":
        path.unlink()
    assert erase(recording.folder, span(1, 2), MAX_SPAN_MS, START_MS) == 2
    assert numbers(recording) == [0, 3]
    path.unlink(missing_ok=True)
    assert numbers(recording) == [0, 3]


def test_a_crash_in_between_leaves_a_segment_whole_or_away(
    recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(recording, 4)
    (file,) = files_between(recording.folder)
    whole = file.path.read_bytes()
    real, left = os.pwrite, 0

    def limited(descriptor: int, data: bytes, at: int) -> int:
        nonlocal left
        if left == 0:
            raise InterruptedError("killed")
        left -= 1
        return real(descriptor, data, at)

    monkeypatch.setattr(erasing.os, "pwrite", limited)
    for moment in range(9):
        left = moment
        with contextlib.suppress(InterruptedError):
            erase(recording.folder, span(1, 2), MAX_SPAN_MS, START_MS)
        now = file.path.read_bytes()
        for entry in Library().entries(recording.folder, 0, 2**50):
            group = entry.group
            part = slice(group.offset, group.offset + group.size)
            assert now[part] == whole[part], moment
    assert numbers(recording) == [0, 3]


def test_whole_files_go_once_nobody_writes_them(recording: Recording) -> None:
    write(recording, 3)
    recording.restart(START_MS + 3 * HOUR_MS)
    write(recording, 1)
    assert erase(recording.folder, Range(0, 2**50), MAX_SPAN_MS, START_MS + 3 * HOUR_MS) == 4
    (left,) = files_between(recording.folder)
    assert left.start_ms >= START_MS + 3 * HOUR_MS
    _, groups = read_all(left, left.path.stat().st_size)
    assert [group.erased for group in groups] == [True]
    assert Library().entries(recording.folder, 0, 2**50) == []


def test_what_is_locked_is_in_the_way() -> None:
    locks = [Range(10_000, 20_000)]
    check_locks(Range(20_000, 30_000), locks)
    with pytest.raises(Locked, match="from 10 for 10 s"):
        check_locks(Range(0, 10_001), locks)
