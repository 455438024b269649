"""Whose a folder of archives is, and whether it is the same still."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from media_streamer.archive.claiming import claim, is_other, mount_of
from media_streamer.archive.places import OWNER_FILE


@pytest.fixture
def held(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    root = tmp_path / "disk" / "archive"
    owner = claim(root, "host1")
    yield root, owner
    os.close(owner)


def test_it_is_the_same_as_long_as_the_lock_lies_there(held: tuple[Path, int]) -> None:
    root, owner = held
    assert not is_other(root, owner, None)
    assert not is_other(root, owner, root.parent)


def test_another_archive_in_its_place_is_another_one(held: tuple[Path, int]) -> None:
    root, owner = held
    root.rename(root.with_name("old"))
    root.mkdir()
    (root / OWNER_FILE).touch()
    assert is_other(root, owner, None)
    assert is_other(root, owner, root.parent)


def test_nothing_is_taken_where_no_disk_is_mounted(held: tuple[Path, int]) -> None:
    """What is below the place of a disk that is gone would be filled."""
    root, owner = held
    root.rename(root.with_name("old"))
    assert not is_other(root, owner, root.parent)
    root.mkdir()
    assert not is_other(root, owner, root.parent)
    assert is_other(root, owner, None), "the disk of the system is there: it was emptied"
    assert is_other(Path("/proc/new/archive"), owner, Path("/proc")), "a disk is there: a new one"


def test_nothing_is_taken_on_the_disk_below_wherever_a_link_leads(
    held: tuple[Path, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk is mounted where it was, but what is recorded would not lie on it."""
    root, owner = held
    monkeypatch.setattr(os.path, "ismount", lambda path: path == root.parent)
    (root / OWNER_FILE).unlink()
    assert not is_other(root, owner, root.parent)
    root.rmdir()
    root.symlink_to("gone")
    assert not is_other(root, owner, root.parent)


def test_where_a_disk_is_mounted(tmp_path: Path) -> None:
    assert mount_of(Path("/proc/self")) == Path("/proc")
    assert mount_of(Path("/no such folder/a")) is None
    (tmp_path / "link").symlink_to("/proc/self")
    assert mount_of(tmp_path / "link") == Path("/proc")
    assert mount_of(tmp_path / "link" / "a") == Path("/proc")
