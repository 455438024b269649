"""Files that are held open for a moment."""

import os
from pathlib import Path

import pytest
from media_streamer.egress import near_files as module
from media_streamer.egress.near_files import NearFiles, looked_at
from media_streamer.files.disk import Read
from media_streamer.files.samples import Span
from media_streamer.files.storages import Content, open_content

from tests.support.streamer import until


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"0123456789" * 100_000)
    return tmp_path


def opened(root: Path, name: str = "a") -> Content:
    return open_content([str(root)], name)


def begin(read: Read) -> bytes:
    return read(0, 4)


async def test_what_is_open_is_read_until_it_is_closed_or_changed(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "OPEN_SECONDS", 0.05)
    files, known = NearFiles(), opened(root)
    known.close()
    assert files.read(known, begin) is None
    files.keep(known, opened(root))
    assert files.read(known, begin) == b"0123"
    file = files.find(known)
    assert file is not None
    assert file.is_near(looked_at([Span(0, 10), Span(500_000, 400_000)]))
    assert not file.is_near(looked_at([Span(999_990, 100_000)]))
    assert files.read(known, lambda read: read(999_999, 5)) is None  # there is less

    async def closed() -> bool:
        return files.find(known) is None

    await until(closed, "the file is forgotten")
    assert os.fstat(file.descriptor).st_size == 1_000_000
    descriptor = file.descriptor
    del file
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(descriptor)


async def test_a_file_that_was_changed_is_not_read(root: Path) -> None:
    files, known = NearFiles(), opened(root)
    known.close()
    files.keep(known, opened(root))
    os.utime(root / "a", (1, 1))
    assert files.read(known, begin) is None


async def test_how_many_are_open_has_a_bound(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_OPEN", 1)
    files, first, second = NearFiles(), opened(root), opened(root, "b")
    assert files.has_room(second)
    for known in (first, second):
        known.close()
        files.keep(known, opened(root, known.path[-1]))
    assert files.read(first, begin) == b"0123"
    assert files.read(second, begin) is None
    assert (files.has_room(first), files.has_room(second)) == (True, False)


def near(files: NearFiles, root: Path, name: str = "a") -> module.NearFile:
    known = opened(root, name)
    known.close()
    files.keep(known, opened(root, name))
    found = files.find(known)
    assert found is not None
    return found


async def test_parts_of_the_mapping_are_kept_within_a_bound_of_all_files(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_SLICES", 5)
    files = NearFiles()
    file, other = near(files, root), near(files, root, "b")
    first, second = [tuple(Span(at + one, 3) for at in (0, 20, 40)) for one in (0, 5)]
    made = file.mapped(first)
    assert [bytes(one) for one in made] == [b"012"] * 3
    assert file.mapped(first) is made, "kept"
    assert [bytes(one) for one in file.mapped(second)] == [b"567"] * 3
    assert file.mapped(first) is not made, "the older one made room"
    alien = (Span(1, 2), Span(11, 2), Span(21, 2))
    assert [bytes(one) for one in other.mapped(alien)] == [b"12"] * 3
    kept = other.mapped(alien)
    assert other.mapped(alien) is kept, "those of the other file made room"
    few, many = (Span(1, 2),), tuple(Span(at, 1) for at in range(6))
    assert file.mapped(few) is file.mapped(few), "there is room for this one"
    assert file.mapped(many) is not file.mapped(many), "more than there is room for at all"
    assert other.mapped(alien) is kept, "no reason to forget others"
    third = (Span(0, 1), Span(2, 1))
    file.mapped(third)
    assert other.mapped(alien) is kept, "it was used later than those that made room"
    descriptor = file.descriptor
    for known in list(files._open):
        if files.find(known) is file:
            del files._open[known]
    del file, made
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(descriptor)  # what was kept holds no file open
    assert other.mapped(few) is other.mapped(few), "a file that is closed gives its room back"
    assert other.mapped(alien) is kept
    assert len(other._room.order) == 2


async def test_no_parts_are_given_for_other_places(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Places that nobody else holds: an identity would be used again at once."""
    monkeypatch.setattr(module, "MAX_SLICES", 7)
    file = near(NearFiles(), root)
    for at in range(1000):
        made = file.mapped((Span(at, 3), Span(at + 50, 3)))
        assert [bytes(one) for one in made] == [(b"0123456789" * 2)[at % 10 :][:3]] * 2
    assert len(file._slices) == len(file._room.order) == 3
