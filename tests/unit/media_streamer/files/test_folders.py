"""Files of a storage come and go, on a real disk."""

import os
from pathlib import Path

import pytest
from media_streamer.files import folders
from media_streamer.files.folders import (
    Item,
    Refused,
    Upload,
    delete_item,
    find_item,
    list_folder,
)
from media_streamer.files.names import BadName


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "films"
    (made / "new").mkdir(parents=True)
    (made / "a.mp4").write_bytes(b"abc")
    (made / "new" / "b.mp4").write_bytes(b"b")
    (made / ".hidden").write_bytes(b"h")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "o.mp4").write_bytes(b"o")
    (made / "out").symlink_to(tmp_path / "outside")
    return made


def put(root: Path, path: str, content: bytes) -> None:
    upload = Upload(root, path, len(content))
    upload.write(content)
    upload.commit()


def test_folders_are_listed_without_what_is_hidden(root: Path) -> None:
    os.mkfifo(root / "pipe")
    found = list_folder(root, "")
    assert found == [Item("a.mp4", False, 3), Item("new", True, 0), Item("out", True, 0)]
    assert list_folder(root, "new") == [Item("new/b.mp4", False, 1)]
    assert find_item(root, "a.mp4") == Item("a.mp4", False, 3)
    assert find_item(root, "new") == Item("new", True, 0)


@pytest.mark.parametrize("path", ["none", "a.mp4/x", "out", "out/o.mp4"])
def test_what_is_not_there_or_lies_elsewhere_is_not_found(root: Path, path: str) -> None:
    for work in (list_folder, find_item, delete_item):
        with pytest.raises(Refused) as refused:
            work(root, path)
        assert refused.value.status == 404
    assert (root / "out" / "o.mp4").exists()


def test_an_upload_appears_whole_or_not_at_all(root: Path) -> None:
    upload = Upload(root, "made/of/it.mp4", None)
    upload.write(b"half")
    assert list_folder(root, "made/of") == []
    upload.write(b" and half")
    upload.commit()
    assert (root / "made" / "of" / "it.mp4").read_bytes() == b"half and half"

    other = Upload(root, "a.mp4", None)
    other.write(b"new")
    other.abort()
    assert (root / "a.mp4").read_bytes() == b"abc"
    put(root, "a.mp4", b"replaced")
    assert (root / "a.mp4").read_bytes() == b"replaced"
    assert [one.name for one in root.iterdir() if one.name.startswith(".upload")] == []


def test_uploads_that_were_cut_off_are_swept_after_a_day(root: Path) -> None:
    old, fresh = root / ".upload-old", root / ".upload-fresh"
    for one in (old, fresh):
        one.write_bytes(b"x")
    os.utime(old, (1_600_000_000, 1_600_000_000))
    put(root, "c.mp4", b"c")
    assert not old.exists()
    assert fresh.exists()


@pytest.mark.parametrize("path", ["../x.mp4", ".x.mp4", "", "/x.mp4", "a\0", "new/../x"])
def test_names_that_no_file_can_have_are_refused(root: Path, path: str) -> None:
    with pytest.raises(BadName):
        Upload(root, path, 1)
    with pytest.raises(BadName):
        delete_item(root, path)


def test_nothing_is_written_outside_of_the_storage(root: Path, tmp_path: Path) -> None:
    for path in ("out/x.mp4", "out/deep/x.mp4"):
        with pytest.raises(Refused, match="link"):
            Upload(root, path, 1)
    with pytest.raises(Refused, match="folder of that name"):
        Upload(root, "new", 1)
    (root / "link.mp4").symlink_to(tmp_path / "outside" / "o.mp4")
    put(root, "link.mp4", b"mine")
    assert (tmp_path / "outside" / "o.mp4").read_bytes() == b"o"
    (root / "inner.mp4").symlink_to(root / "a.mp4")
    with pytest.raises(Refused, match="link"):
        delete_item(root, "inner.mp4")


def test_a_full_disk_is_said_before_a_byte_is_written(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Refused) as refused:
        Upload(root, "huge.mp4", 1 << 60)
    assert refused.value.status == 507
    upload = Upload(root, "c.mp4", None)
    monkeypatch.setattr(folders, "FREE_BYTES", 1 << 60)
    with pytest.raises(Refused):
        upload.write(b"c")
    upload.abort()
    assert not (root / "c.mp4").exists()


def test_files_and_empty_folders_are_deleted(root: Path) -> None:
    with pytest.raises(Refused) as refused:
        delete_item(root, "new")
    assert refused.value.status == 409
    delete_item(root, "new/b.mp4")
    delete_item(root, "new")
    delete_item(root, "a.mp4")
    assert list_folder(root, "") == [Item("out", True, 0)]


def test_a_storage_that_is_not_there_is_said(tmp_path: Path) -> None:
    gone = tmp_path / "none"
    for work in (lambda: list_folder(gone, ""), lambda: Upload(gone, "a", 1)):
        with pytest.raises(Refused) as refused:
            work()
        assert refused.value.status == 503
