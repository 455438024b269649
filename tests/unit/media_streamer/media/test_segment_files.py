"""Names of directories, growing files, failures."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.media import segment_files
from media_streamer.media.segment_files import SegmentFiles, stream_directory


@given(st.text(min_size=1), st.text(min_size=1))
def test_directory_is_below_the_root_and_distinct(first: str, second: str) -> None:
    root = Path("/segments")
    one = stream_directory(root, first.encode("utf-8", "replace").decode())
    two = stream_directory(root, second.encode("utf-8", "replace").decode())
    assert one.parent == root
    assert len(one.name) < 60
    assert "/" not in one.name
    assert one.name not in (".", "..")
    same = first.encode("utf-8", "replace") == second.encode("utf-8", "replace")
    assert (one == two) == same


def test_file_grows_and_is_removed(tmp_path: Path) -> None:
    files = SegmentFiles(tmp_path, "a/b", "ts")
    file = files.create("1.ts")
    assert file.write(b"one")
    assert file.write(b"two")
    assert (file.size, file.path.read_bytes()) == (6, b"onetwo")
    file.close()
    assert not file.write(b"more")
    assert files.write_whole("init.mp4", b"x").read_bytes() == b"x"
    files.expire(file.path)
    files.sweep()
    assert file.path.exists()
    files.remove_all()
    assert list(tmp_path.iterdir()) == []


def test_expired_files_and_directories_are_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segment_files, "GRACE_SECONDS", 0.0)
    old = stream_directory(tmp_path, "s") / "ts-0"
    old.mkdir(parents=True)
    other = stream_directory(tmp_path, "s") / "fmp4-0"
    other.mkdir()
    files = SegmentFiles(tmp_path, "s", "ts")
    path = files.write_whole("1.ts", b"x")
    files.expire(path)
    files.expire(files.directory / "never-made.ts")
    files.sweep()
    assert not path.exists()
    assert not old.exists()
    assert other.exists(), "of another format"


def test_failure_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "root").write_bytes(b"")
    files = SegmentFiles(tmp_path / "root", "s", "ts")
    for name in ("1", "2"):
        file = files.create(name)
        assert not file.write(b"x")
        file.close()
    assert len(caplog.records) == 1
    files.remove_all()


def test_count_is_handed_to_a_successor(tmp_path: Path) -> None:
    first = SegmentFiles(tmp_path, "s", "ts")
    assert first.count_of_predecessor() is None
    first.save_count(7)
    SegmentFiles(tmp_path, "s", "ts").save_count(8)
    assert SegmentFiles(tmp_path, "s", "ts").count_of_predecessor() == 8
    assert SegmentFiles(tmp_path, "s", "fmp4").count_of_predecessor() is None
    for old in stream_directory(tmp_path, "s").iterdir():
        (old / "discontinuities").write_bytes(b"")
    assert SegmentFiles(tmp_path, "s", "ts").count_of_predecessor() is None
