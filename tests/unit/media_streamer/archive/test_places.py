from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.archive.places import (
    HOUR_MS,
    MAX_MS,
    MIN_SPAN_MS,
    file_path,
    files_between,
    span_ms,
    stream_folder,
)

NOON = int(datetime(2026, 2, 28, 12, tzinfo=UTC).timestamp()) * 1000


def touch(folder: Path, *starts: int) -> None:
    for start in starts:
        path = file_path(folder, start)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_folders_and_files_have_names_that_people_read(tmp_path: Path) -> None:
    assert stream_folder(tmp_path, "a/b") == tmp_path / "a" / "b"
    expected = tmp_path / "2026" / "02" / "28" / "12" / "00-01-005.mp4"
    assert file_path(tmp_path, NOON + 1005) == expected


@pytest.mark.parametrize("name", ["", "..", "a/../b", "a//b", "/a", "a/.", "a\0b", "x" * 250])
def test_names_that_lead_elsewhere_have_no_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="folder"):
        stream_folder(tmp_path, name)


def test_files_of_a_time_and_the_one_that_may_last_into_it(tmp_path: Path) -> None:
    hours = [NOON + n * HOUR_MS for n in range(-30, 30)]
    touch(tmp_path, *hours)
    found = files_between(tmp_path, NOON + 60_000, NOON + 2 * HOUR_MS)
    assert [file.start_ms for file in found] == [NOON + n * HOUR_MS for n in (-1, 0, 1, 2)]
    assert [file.start_ms for file in files_between(tmp_path)] == hours


@given(st.integers(-(2**70), 2**70), st.integers(-(2**70), 2**70))
def test_any_range_is_bounded(from_ms: int, to_ms: int) -> None:
    assert files_between(Path("/nowhere"), from_ms, to_ms) == []


def test_what_is_no_file_of_ours_is_passed_over(tmp_path: Path) -> None:
    touch(tmp_path, NOON)
    (tmp_path / "2026" / "02" / "30" / "00").mkdir(parents=True)  # no such day
    for odd in ("notes", "2026/xx", "2026/02/28/12/a.mp4", "2026/02/28/12/00-01-005.idx"):
        path = tmp_path / odd
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "2026" / "03" / "01" / "02").mkdir(parents=True)
    assert [file.start_ms for file in files_between(tmp_path, 0, MAX_MS)] == [NOON]


def test_files_are_short_where_little_is_kept() -> None:
    assert span_ms(None) == span_ms(7 * 86_400) == HOUR_MS
    assert span_ms(3600) == 180_000
    assert span_ms(1) == MIN_SPAN_MS
