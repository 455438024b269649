"""Files kept open: how many, which, and until when."""

import os
import time
from pathlib import Path

import pytest
from media_streamer.cache.held import LOOK_SECONDS, Held, HeldFiles
from media_streamer.cache.index import Entry, Meta
from media_streamer.page_cache import is_cached


def stored(folder: Path, key: str, size: int = 100) -> tuple[Path, Entry, Meta]:
    path = folder / key
    path.write_bytes(bytes(size))
    entry = Entry(f"digest of {key}", size, 0.0, name=key)
    return path, entry, Meta(10, size - 10, "video/mp4", "immutable", True)


def hold(files: HeldFiles, folder: Path, key: str) -> Held:
    path, entry, meta = stored(folder, key)
    with path.open("rb") as file:
        return files.hold(key, file, entry, meta)


def is_open(held: Held) -> bool:
    return held.descriptor >= 0 and os.fstat(held.descriptor).st_size > 0


def test_those_used_last_stay_open(tmp_path):
    files = HeldFiles(2)
    one, two = hold(files, tmp_path, "one"), hold(files, tmp_path, "two")
    assert files.get("one") is one
    three = hold(files, tmp_path, "three")
    assert [is_open(held) for held in (one, two, three)] == [True, False, True]
    assert files.get("two") is None
    assert len(files) == 2
    files.close()
    assert not is_open(one)
    assert len(files) == 0


def test_what_is_sent_stays_open_until_it_is(tmp_path):
    files = HeldFiles(2)
    held = hold(files, tmp_path, "one")
    held.take()
    held.take()
    files.forget(held.entry)
    assert files.get("one") is None
    held.release()
    assert is_open(held)
    held.release()
    assert not is_open(held)
    files.forget(held.entry)


def test_the_same_key_with_another_file(tmp_path):
    files = HeldFiles(2)
    old = hold(files, tmp_path, "one")
    path, entry, meta = stored(tmp_path, "one", 200)
    with path.open("rb") as file:
        new = files.hold("one", file, entry, meta)
        assert files.hold("one", file, entry, meta) is new
    assert not is_open(old)
    files.forget(old.entry)
    assert files.get("one") is new
    files.close()


@pytest.mark.parametrize("change", ["removed", "cut"])
def test_what_is_not_there_any_more_is_not_ready(tmp_path, change):
    files = HeldFiles(2)
    held = hold(files, tmp_path, "one")
    now = time.time()
    held.looked_at = now
    if change == "removed":
        (tmp_path / "one").unlink()
    else:
        os.truncate(tmp_path / "one", 50)
    assert held.is_ready(now)
    assert not held.is_ready(now + LOOK_SECONDS)
    assert not held.is_ready(now - 1), "a clock that was set back"
    files.close()


def test_what_lies_in_memory_is_ready(tmp_path):
    files = HeldFiles(2)
    held = hold(files, tmp_path, "one")
    assert held.is_ready(time.time()) is is_cached(held.descriptor, 10, 90)
    files.close()


def test_heads_hold_for_a_second_and_are_few(tmp_path):
    files = HeldFiles(2)
    held = hold(files, tmp_path, "one")
    held.heads(5)[""] = b"head", 0, 90
    assert held.heads(5) == {"": (b"head", 0, 90)}
    for number in range(100):
        held.heads(5)[str(number)] = b"head", 0, 90
        assert len(held.heads(5)) < 20
    assert held.heads(6) == {}
    files.close()
