import errno
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from media_streamer.archive import shelf as module
from media_streamer.archive.claiming import claim
from media_streamer.archive.container import ArchivedTrack
from media_streamer.archive.job import Section
from media_streamer.archive.library import Library, read_file
from media_streamer.archive.places import (
    HOUR_MS,
    OWNER_FILE,
    RecordedFile,
    files_between,
    index_path,
)
from media_streamer.archive.shelf import Shelf

from .conftest import SECONDS, START_MS, VIDEO, Recording, track_init


def starts(recording: Recording) -> list[int]:
    library = Library()
    return [one.group.start_ms for one in library.entries(recording.folder, 0, 2**50)]


def only_file(recording: Recording) -> RecordedFile:
    (file,) = files_between(recording.folder)
    return file


def test_segments_are_appended_and_times_count_from_1970(recording: Recording) -> None:
    recording.write(3)
    entries = Library().entries(recording.folder, 0, 2**50)
    assert [one.group.start_ms for one in entries] == [
        START_MS + n * SECONDS * 1000 for n in range(3)
    ]
    assert not any(one.broken for one in entries)
    group, content, _ = entries[1]
    for track, described in enumerate(content.head.tracks):
        offset, size = group.place(track)
        data = content.file.path.read_bytes()[offset : offset + size]
        assert data.endswith(described.name.encode() + b"x")
        assert group.pieces[track].time == group.start_ms * described.timescale // 1000


def test_a_file_lasts_an_hour_or_its_span(record: Callable[..., Recording]) -> None:
    one = record(span_ms=60_000)
    one.write(31)
    assert [file.start_ms - START_MS for file in files_between(one.folder)] == [0, 60_000, 120_000]
    other = record("c")
    other.period_ms = START_MS // HOUR_MS * HOUR_MS - 6000
    other.write(3)
    assert len(files_between(other.folder)) == 2
    assert len(starts(other)) == 3


def test_other_tracks_are_another_file(recording: Recording) -> None:
    recording.write(2)
    recording.write(1, Section((VIDEO,), (track_init(90_000),)))
    assert len(files_between(recording.folder)) == 2
    assert [one.broken for one in Library().entries(recording.folder, 0, 2**50)] == [
        False, False, True,
    ]  # fmt: skip


def test_a_new_process_goes_on_where_the_last_one_ended(recording: Recording) -> None:
    recording.write(2)
    end = START_MS + 2 * SECONDS * 1000
    recording.restart(end - 1500)  # its clock is behind: it would overlap
    recording.write(2)
    assert starts(recording)[2:] == [end, end + SECONDS * 1000]
    recording.restart(end - 8 * HOUR_MS)  # somebody set the clock back: that is believed
    recording.write(1)
    assert end - 8 * HOUR_MS in starts(recording)


def test_what_is_there_already_is_not_recorded_again(recording: Recording) -> None:
    """Recording stops and begins anew while the stream goes on and lists its last segments."""
    recording.write(4)
    recording.shelf.close()
    recording.shelf = Shelf("a/b", recording.root, recording.folder, HOUR_MS)
    recording.count = 2
    assert [recording.shelf.write(recording.job()) for _ in range(4)] == [
        False, False, True, True,
    ]  # fmt: skip
    assert starts(recording) == [START_MS + n * SECONDS * 1000 for n in range(6)]
    assert not any(one.broken for one in Library().entries(recording.folder, 0, 2**50))


@pytest.mark.parametrize("lost", [1, 20, 60, 5000])
def test_what_a_crash_left_half_written_is_cut_off(recording: Recording, lost: int) -> None:
    recording.write(3)
    file = only_file(recording)
    size = file.path.stat().st_size
    groups = read_file(file, size).groups
    os.truncate(file.path, max(size - lost, groups[0].offset + groups[0].size))
    left = starts(recording)
    assert 1 <= len(left) < 3
    recording.restart(START_MS + 60_000)
    recording.write(1)
    assert starts(recording) == [*left, START_MS + 60_000]
    cut = read_file(file, file.path.stat().st_size)
    last = cut.groups[-1]
    assert last.offset + last.size == cut.size


def test_the_index_is_made_again_from_the_file(recording: Recording) -> None:
    recording.write(4)
    expected = starts(recording)
    index = index_path(only_file(recording).path)
    whole = index.read_bytes()
    for broken in (b"", whole[:-7], whole[: len(whole) // 2], b"\0" * len(whole)):
        index.write_bytes(broken)
        assert starts(recording) == expected
    index.unlink()
    assert starts(recording) == expected


def test_a_full_disk_costs_that_segment_only(
    recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording.write(1)
    size = only_file(recording).path.stat().st_size
    writev = os.writev

    def half(descriptor: int, data: list[memoryview]) -> int:
        if sum(map(len, data)) < 100:
            raise OSError(errno.ENOSPC, "No space left on device")
        return writev(descriptor, [data[0][:50]])

    monkeypatch.setattr(module.os, "writev", half)
    with pytest.raises(OSError, match="No space"):
        recording.write(1)
    assert only_file(recording).path.stat().st_size == size
    monkeypatch.undo()
    recording.write(1)
    assert starts(recording) == [START_MS, START_MS + 2 * SECONDS * 1000]
    assert [one.broken for one in Library().entries(recording.folder, 0, 2**50)] == [False, True]


def test_a_disk_that_is_gone_does_not_fill_the_one_below(recording: Recording) -> None:
    (recording.root / OWNER_FILE).unlink()
    with pytest.raises(FileNotFoundError, match="mounted"):
        recording.write(1)
    assert files_between(recording.folder) == []
    (recording.root / OWNER_FILE).touch()
    recording.write(1)
    assert len(starts(recording)) == 1


@pytest.mark.parametrize("deleted", ["file", "folder"])
def test_a_file_that_is_deleted_while_it_is_recorded_costs_itself_only(
    recording: Recording, deleted: str, caplog: pytest.LogCaptureFixture
) -> None:
    recording.write(2)
    gone = only_file(recording).path
    gone.unlink() if deleted == "file" else shutil.rmtree(recording.folder)
    recording.write(2)
    assert starts(recording) == [START_MS + n * SECONDS * 1000 for n in (2, 3)]
    assert caplog.text.count("is gone while it was recorded") == 1


def test_a_disk_that_is_unmounted_while_it_is_recorded_does_not_fill_the_one_below(
    recording: Recording,
) -> None:
    recording.write(1)
    recording.folder.rename(recording.root / "elsewhere")
    (recording.root / OWNER_FILE).unlink()
    with pytest.raises(FileNotFoundError, match="mounted"):
        recording.write(1)
    assert files_between(recording.folder) == []


@contextmanager
def read_only(place: Path) -> Iterator[None]:
    """As the kernel makes a disk that it has had errors with."""
    with ExitStack() as stack:
        for words in (["--bind", place], ["-o", "remount,bind,ro"]):
            command = ["mount", *words, place]
            done = subprocess.run(command, capture_output=True, check=False, text=True)
            if done.returncode:
                pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
            if "--bind" in words:
                stack.callback(subprocess.run, ["umount", "--lazy", place], check=True)
        yield


def test_a_disk_that_is_read_only_is_said(recording: Recording) -> None:
    recording.write(1)
    recording.restart(START_MS + HOUR_MS)
    job = recording.job()
    with read_only(recording.root):
        with pytest.raises(OSError, match="Read-only"):
            claim(recording.root, "host1")
        with pytest.raises(OSError, match="Read-only"):
            recording.shelf.write(job)
        assert starts(recording) == [START_MS]
    recording.shelf.write(job)
    assert len(starts(recording)) == 2


def test_parts_that_are_gone_are_an_error_of_that_segment(recording: Recording) -> None:
    job = recording.job()
    Path(job.parts[1].path).unlink()
    with pytest.raises(FileNotFoundError):
        recording.shelf.write(job)
    recording.write(1)
    assert len(starts(recording)) == 1


def test_names_of_tracks_are_kept(recording: Recording) -> None:
    text = ArchivedTrack("t1", "subtitles", "wvtt", 1000, language="de")
    recording.write(1, Section((VIDEO, text), (track_init(90_000), track_init(1000))))
    file = only_file(recording)
    assert read_file(file, file.path.stat().st_size).head.tracks == (VIDEO, text)
