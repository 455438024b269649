from collections.abc import Callable
from pathlib import Path

import pytest
from media_streamer.archive.library import Library, TooMuch
from media_streamer.archive.places import HOUR_MS, OWNER_FILE, Place, files_between, index_path
from media_streamer.archive.ranges import Range

from .conftest import SECONDS, START_MS, Recording

SECOND = 1000


def test_segments_that_begin_within_a_time(recording: Recording) -> None:
    recording.write(10)
    found = Library().entries(recording.folder, START_MS + SECOND, START_MS + 17 * SECOND)
    assert [one.group.start_ms - START_MS for one in found] == [4000, 8000, 12_000, 16_000]
    assert Library().entries(recording.folder, 5, 6) == []
    assert Library().entries(recording.folder.parent / "nobody", 0, 2**50) == []


def test_gaps_are_breaks(recording: Recording) -> None:
    recording.write(2)
    recording.restart(START_MS + 60_000)
    recording.write(2)
    found = Library().entries(recording.folder, 0, 2**50)
    assert [one.broken for one in found] == [False, False, True, False]


def test_what_grows_is_read_again(recording: Recording) -> None:
    library = Library()
    for count in range(1, 4):
        recording.write(1)
        assert len(library.entries(recording.folder, 0, 2**50)) == count


def test_a_segment_by_its_start(recording: Recording) -> None:
    recording.write(3)
    library = Library()
    found = library.find(recording.folder, START_MS + SECONDS * SECOND)
    assert found is not None
    assert found[1].start_ms == START_MS + SECONDS * SECOND
    assert library.find(recording.folder, START_MS + 1) is None
    assert library.find(recording.folder, 2**60) is None


def test_a_segment_by_the_time_of_a_track(recording: Recording) -> None:
    recording.write(3)
    library = Library()
    seconds = START_MS // SECOND + SECONDS
    for track, timescale in (("v1", 90_000), ("a1", 48_000)):
        found = library.find_time(recording.folder, track, timescale, seconds * timescale)
        assert found is not None
        assert found[1].start_ms == START_MS + SECONDS * SECOND
        assert (
            library.find_time(recording.folder, track, timescale, seconds * timescale + 1) is None
        )
        assert library.find_time(recording.folder, track, timescale, 10**19) is None
    assert library.find_time(recording.folder, "v1", 48_000, seconds * 48_000) is None
    assert library.find_time(recording.folder, "v2", 90_000, seconds * 90_000) is None


def test_too_much_is_refused(recording: Recording) -> None:
    recording.write(5)
    assert len(Library().entries(recording.folder, 0, 2**50, 5)) == 5
    with pytest.raises(TooMuch):
        Library().entries(recording.folder, 0, 2**50, 4)


def test_memory_is_bounded(record: Callable[..., Recording]) -> None:
    """A virtual week: the clock of the recording goes on by hours."""
    one = record()
    for hour in range(7 * 24):
        one.period_ms = START_MS + hour * HOUR_MS
        one.clock, one.count = 900_000 + hour, 0
        one.write(2)
    library = Library(max_groups=20)
    assert len(library.entries(one.folder, 0, 2**50)) == 7 * 24 * 2
    assert len(library._kept) <= 10
    found = library.entries(one.folder, START_MS + 24 * HOUR_MS, START_MS + 25 * HOUR_MS - 1)
    assert len(found) == 2
    assert len(files_between(one.folder)) == 7 * 24


def test_a_file_that_is_none_is_passed_over(recording: Recording) -> None:
    recording.write(1)
    (file,) = files_between(recording.folder)
    other = file.path.with_name("59-00-000.mp4")
    other.write_bytes(b"\0\0\0\x08moov" + b"noise" * 100)
    assert len(Library().entries(recording.folder, 0, 2**50)) == 1


def test_when_something_is_recorded_whatever_became_of_the_index(recording: Recording) -> None:
    library = Library()
    recording.write(3)
    whole = [Range(START_MS, START_MS + 3 * SECONDS * SECOND)]
    index = index_path(files_between(recording.folder)[0].path)
    kept = index.read_bytes()
    for data in (kept, kept[:-1], kept[:-90], kept + b"\0" * 90, kept + kept[-92:], b"", None):
        index.unlink() if data is None else index.write_bytes(data)
        assert Library().ranges(recording.folder) == whole
    assert library.ranges(recording.folder) == whole
    recording.write(1)
    assert library.ranges(recording.folder) == [Range(START_MS, START_MS + 4 * SECONDS * SECOND)]
    recording.restart(START_MS + HOUR_MS)
    recording.write(1)
    assert len(library.ranges(recording.folder)) == 2
    files_between(recording.folder)[0].path.unlink()
    assert len(library.ranges(recording.folder)) == 1


def test_what_was_not_found_may_be_on_a_disk_that_is_not_there(tmp_path: Path) -> None:
    def place(name: str, *, is_ours: bool = True, bucket: str = "") -> Place:
        disk = tmp_path / name
        if is_ours:
            disk.mkdir(parents=True, exist_ok=True)
            (disk / OWNER_FILE).touch()
        return Place(disk, disk / "a", bucket)

    library, one, other = Library(), place("one"), place("two")
    missing, root = place("missing", is_ours=False), place("root", is_ours=False)
    copies, fill = place(".remote/x", is_ours=False, bucket="s3://x"), place(".replicas")
    fill.disk.joinpath(OWNER_FILE).unlink()
    assert not library.is_partial([one])
    assert library.is_partial([missing])
    assert not library.is_partial([root, one, other, copies, fill])
    assert library.is_partial([root, one, missing])
    missing.disk.mkdir()
    assert library.is_partial([missing]), "a mount point without its disk"
    (missing.disk / "a").mkdir()
    assert not library.is_partial([missing]), "an old archive that is only read"
