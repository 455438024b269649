import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from media_streamer.archive.erasing import erase
from media_streamer.archive.keeper import Growth, Summary
from media_streamer.archive.measuring import Measured, times_of_file, times_of_index
from media_streamer.archive.places import HOUR_MS, RecordedFile, files_between, index_path
from media_streamer.archive.ranges import Range

from .conftest import SECONDS, START_MS, Recording

LATER = time.monotonic() + 1e6


def look(measured: Measured, folder: Path, until: float = LATER) -> tuple[Range, ...] | None:
    files = {one.start_ms: one for one in files_between(folder)}
    sizes = {start: one.path.stat().st_size for start, one in files.items()}
    return measured.look(sizes, lambda start: files[start].path, until)


def test_what_is_recorded_without_its_gaps(recording: Recording) -> None:
    measured = Measured()
    assert look(measured, recording.folder) == ()
    recording.write(3)
    assert look(measured, recording.folder) == (Range(START_MS, START_MS + 3000 * SECONDS),)
    recording.restart(START_MS + HOUR_MS)
    recording.write(2)
    second = Range(START_MS + HOUR_MS, START_MS + HOUR_MS + 2000 * SECONDS)
    found = look(measured, recording.folder)
    assert found == (Range(START_MS, START_MS + 3000 * SECONDS), second)
    summary = Summary(START_MS, START_MS + 2 * HOUR_MS, 1, 1, found)
    assert summary.as_json() == {
        "from": START_MS // 1000, "depth": 3600 + 2 * SECONDS, "duration": 5 * SECONDS,
        "ranges": [one.as_json() for one in found], "bytes": 1, "disk_size": 1,
    }  # fmt: skip
    assert replace(summary, ranges=None).as_json()["ranges"] == []
    many = tuple(Range(n * HOUR_MS, n * HOUR_MS + 1000) for n in range(300))
    assert [one["from"] for one in replace(summary, ranges=many).as_json()["ranges"]] == [
        n * HOUR_MS // 1000 for n in range(200, 300)
    ]
    files_between(recording.folder)[0].path.unlink()
    assert look(measured, recording.folder) == (second,)


def test_what_is_not_read_yet_is_not_told(recording: Recording) -> None:
    recording.write(2)
    measured = Measured()
    assert look(measured, recording.folder, until=0.0) is None
    assert look(measured, recording.folder) is not None
    recording.write()
    before = look(measured, recording.folder, until=0.0)
    assert before == (Range(START_MS, START_MS + 2000 * SECONDS),), "what it was, until it is read"


def test_files_are_read_once(recording: Recording) -> None:
    recording.write(2)
    read: list[int] = []

    def counted(file: RecordedFile) -> tuple[Range, ...]:
        read.append(file.start_ms)
        return tuple(times_of_file(file) or ())

    measured = Measured(counted)
    for _ in range(3):
        look(measured, recording.folder)
    assert len(read) == 1


def test_deleted_parts_do_not_count(recording: Recording) -> None:
    recording.write(4)
    measured = Measured()
    look(measured, recording.folder)
    middle = Range(START_MS + 1000 * SECONDS, START_MS + 2000 * SECONDS)
    erase(recording.folder, middle, HOUR_MS, START_MS + HOUR_MS)
    measured.forget()
    assert look(measured, recording.folder) == (
        Range(START_MS, middle.from_ms), Range(middle.to_ms, START_MS + 4000 * SECONDS),
    )  # fmt: skip


def test_broken_files_hold_nothing_and_missing_indexes_are_waited_for(
    record: Callable[..., Recording],
) -> None:
    recording = record()
    recording.write(1)
    (file,) = files_between(recording.folder)
    ranges = [Range(START_MS, START_MS + 1000 * SECONDS)]
    assert times_of_index(file) == ranges
    index_path(file.path).write_bytes(b"no index")
    assert times_of_index(file) is None
    assert times_of_file(file) == ranges, "the file is the truth"
    file.path.write_bytes(b"no file of an archive")
    assert times_of_file(file) == ()


def test_two_places_are_one_archive() -> None:
    first = Summary(0, 9000, 1, 1, (Range(0, 4000), Range(6000, 9000)))
    second = Summary(3000, 7000, 2, 2, (Range(3000, 7000),))
    assert first.joined(second).ranges == (Range(0, 9000),)
    assert first.joined(Summary(0, 0, 0, 0)).as_json().get("duration") is None


def test_a_young_archive_is_looked_at_again_when_it_has_doubled() -> None:
    growth = Growth()
    assert not growth.is_outgrown("a", None, 0)
    assert growth.is_outgrown("a", None, 5)
    young = Summary(0, 60_000, 10, 10)
    assert [growth.is_outgrown("a", young, n) for n in (5, 10, 11)] == [False, False, True]
    old = Summary(0, HOUR_MS, 10, 10)
    assert not growth.is_outgrown("b", old, 1000), "once it is old a minute is nothing"


def test_an_archive_that_is_kept_for_a_minute_is_not_looked_at_all_the_time() -> None:
    """It holds 60 segments of a byte and gets one a second, for as long as one likes."""
    growth, looked = Growth(), 0
    summary = Summary(0, 60_000, 60, 60)
    for second in range(1, 1000):
        if growth.is_outgrown("a", summary, 10_000 + second):
            looked += 1
            summary = Summary(1000 * second, 60_000 + 1000 * second, 60, 60)
    assert 10 < looked < 20
    assert not growth.is_outgrown("a", summary, 3), "another worker counts from 0"
