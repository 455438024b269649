"""Which file a name means, on a real disk."""

import os
from pathlib import Path

import pytest
from media_streamer.files.names import BadName, NoFile, check_path, local_root
from media_streamer.files.storages import identity_of, open_content


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    root = tmp_path / "films"
    (root / "new").mkdir(parents=True)
    (root / "a.mp4").write_bytes(b"a")
    (root / "new" / "ü b.mp4").write_bytes(b"b")
    (root / ".secret").write_bytes(b"s")
    (tmp_path / "outside.mp4").write_bytes(b"o")
    return root


def content(roots: list[Path], path: str) -> bytes:
    found = open_content([str(root) for root in roots], path)
    try:
        return found.read(0, 100)
    finally:
        found.close()


def test_files_are_found_in_folders_and_in_the_order_of_the_storages(
    storage: Path, tmp_path: Path
) -> None:
    second = tmp_path / "second"
    second.mkdir()
    (second / "a.mp4").write_bytes(b"other")
    (second / "c.mp4").write_bytes(b"c")
    roots = [tmp_path / "none", storage, second]
    assert content(roots, "a.mp4") == b"a"
    assert content(roots, "c.mp4") == b"c"
    assert content(roots, "new/ü b.mp4") == b"b"


@pytest.mark.parametrize(
    "path",
    [
        "", "/a.mp4", "../outside.mp4", "new/../../outside.mp4", "./a.mp4", "new//b.mp4", "a.mp4/",
        ".secret", "new/.hidden/x.mp4", "a\0.mp4", "a\n.mp4", "new\\a.mp4", "x" * 256,
        "\udc80.mp4", "ü" * 200,
    ],
)  # fmt: skip
def test_names_that_no_file_can_have_are_refused_with_words(storage: Path, path: str) -> None:
    with pytest.raises(BadName, match=r"\w+ \w+"):
        check_path(path)
    with pytest.raises(BadName):
        open_content([str(storage)], path)


def test_links_within_the_storage_lead_on_and_others_nowhere(storage: Path, tmp_path: Path) -> None:
    (storage / "inside.mp4").symlink_to(storage / "a.mp4")
    (storage / "outside.mp4").symlink_to(tmp_path / "outside.mp4")
    (storage / "up").symlink_to(tmp_path)
    assert content([storage], "inside.mp4") == b"a"
    for path in ("outside.mp4", "up/outside.mp4"):
        with pytest.raises(NoFile):
            open_content([str(storage)], path)


def test_a_storage_that_is_a_link_is_that_directory(storage: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(storage)
    assert content([tmp_path / "link"], "a.mp4") == b"a"


def test_what_is_no_regular_file_is_not_there(storage: Path) -> None:
    os.mkfifo(storage / "pipe")
    for path in ("new", "pipe", "a.mp4/b", "none.mp4"):
        with pytest.raises(NoFile):
            open_content([str(storage)], path)


def test_a_change_makes_another_identity(storage: Path) -> None:
    def identity() -> object:
        return identity_of([str(storage)], "a.mp4")

    before = identity()
    assert identity() == before
    (storage / "a.mp4").write_bytes(b"longer")
    assert identity() != before


def test_directories_are_local_and_addresses_are_not() -> None:
    assert local_root("/films") == Path("/films")
    assert local_root("file:///films") == Path("/films")
    assert local_root("http://host/films") is None
    assert local_root("s3://key@host/films") is None
