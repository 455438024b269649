"""Files on a real disk: what was put is found, now and after a restart, or is not there at all."""

import asyncio
import math
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.cache.index import Meta
from media_streamer.cache.store import Store, StoreError


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


async def put(store: Store, key: str, body: bytes, life: float = math.inf) -> bool:
    meta = Meta(0, len(body), "video/mp4", "immutable", True)
    return await store.put(key, [body[:3], body[3:]], meta, life)


async def read(store: Store, key: str) -> bytes | None:
    if (found := await store.find(key)) is None:
        return None
    file, _, meta = found
    with file:
        return os.pread(file.fileno(), meta.length, meta.offset)


def stored_files(path: Path) -> list[Path]:
    return [file for file in path.glob("??/*") if file.is_file()]


@pytest.fixture
async def store(tmp_path):
    found = Store(tmp_path, storage_bytes=100_000)
    await found.open()
    yield found
    found.close()


@pytest.fixture
async def unlimited(tmp_path):
    found = Store(tmp_path)
    await found.open()
    yield found
    found.close()


async def reopen(store: Store, path: Path, **limits: int) -> Store:
    store.close()
    again = Store(path, **{"storage_bytes": 100_000, **limits})
    await again.open()
    return again


async def test_found_now_and_after_a_restart(store, tmp_path):
    assert await put(store, "a", b"hello world")
    assert await read(store, "a") == b"hello world"
    assert await read(store, "b") is None
    again = await reopen(store, tmp_path)
    assert (len(again), again.total) == (1, store.total)
    found = await again.find("a")
    assert found is not None
    found[0].close()
    assert found[2] == Meta(found[2].offset, 11, "video/mp4", "immutable", True)
    assert await read(again, "a") == b"hello world"
    again.close()


async def test_order_of_use_survives_a_restart(tmp_path):
    clock = Clock()
    store = Store(tmp_path, 100_000, clock=clock)
    await store.open()
    for key in "abc":
        clock.now += 100
        await put(store, key, bytes(1000))
    clock.now += 100
    assert await read(store, "a")
    # Files get their times from the test's clock, as a use does.
    for file in stored_files(tmp_path):
        if file.stat().st_mtime > clock.now + 1000:
            at = int(file.name.split(".")[1]) / 1000
            os.utime(file, (at, at))
    again = await reopen(store, tmp_path, storage_bytes=store.total - 1)
    assert await read(again, "b") is None
    assert await read(again, "a")
    assert await read(again, "c")
    again.close()


async def test_age_of_all_and_of_one(tmp_path):
    clock = Clock()
    store = Store(tmp_path, 100_000, expiration_seconds=50, clock=clock)
    await store.open()
    await put(store, "a", b"x")
    await put(store, "b", b"x", life=10)
    clock.now += 10
    assert await read(store, "b") is None
    assert await read(store, "a") == b"x"
    await store.sweep()
    assert len(stored_files(tmp_path)) == 1
    clock.now += 40
    assert await read(store, "a") is None
    store.close()


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "other", "zeros"])
async def test_damaged_files_are_removed(store, tmp_path, damage):
    await put(store, "a", b"hello world")
    (file,) = stored_files(tmp_path)
    data = file.read_bytes()
    file.write_bytes(
        {
            "cut": data[:-1],
            "flip": data[:-1] + b"D",
            "empty": b"",
            "other": data.replace(b'"key": "a"', b'"key": "b"'),
            "zeros": bytes(len(data)),
        }[damage]
    )
    again = await reopen(store, tmp_path)
    assert await read(again, "a") is None
    assert stored_files(tmp_path) == []
    assert (len(again), again.total) == (0, 0)
    again.close()


async def test_file_that_vanished(store, tmp_path):
    await put(store, "a", b"hello")
    stored_files(tmp_path)[0].unlink()
    assert await read(store, "a") is None
    assert store.total == 0


async def test_half_written_files_of_a_killed_process_go(store, tmp_path):
    (tmp_path / "new" / "7").write_bytes(b"half")
    (tmp_path / "ab").mkdir()
    (tmp_path / "ab" / "foreign").write_bytes(b"not ours")
    again = await reopen(store, tmp_path)
    assert list((tmp_path / "new").iterdir()) == []
    assert (tmp_path / "ab" / "foreign").exists(), "what is not ours is left alone"
    assert len(again) == 0
    again.close()


async def test_failed_write_leaves_nothing(store, tmp_path):
    (tmp_path / "new").rmdir()
    with pytest.raises(OSError, match="new"):
        await put(store, "a", b"hello")
    assert await read(store, "a") is None
    assert store.total == 0


async def test_replaced(store, tmp_path):
    await put(store, "a", b"one")
    await put(store, "a", b"second")
    assert await read(store, "a") == b"second"
    assert len(stored_files(tmp_path)) == 1
    assert store.total == stored_files(tmp_path)[0].stat().st_size


async def test_too_large_for_the_limit(store):
    assert await put(store, "a", bytes(200_000)) is False
    assert store.total == 0


async def test_used_by_another(store, tmp_path):
    with pytest.raises(StoreError, match="in use"):
        await Store(tmp_path).open()


async def test_no_directory(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="cannot be used"):
        await Store(tmp_path / "file" / "cache").open()


async def test_full_disk_without_a_limit(unlimited, monkeypatch):
    """5 % stay free: what is used least goes, and nothing is stored if others fill the disk."""
    store = unlimited
    for key in "abc":
        await put(store, key, bytes(1000))
    one = store.total // 3
    free = 10_000
    # The one thing that cannot be had for real in a test: a disk at its end.
    usage = type("Usage", (), {"total": 200_000, "used": 0})
    monkeypatch.setattr(
        "media_streamer.cache.store.shutil.disk_usage",
        lambda path: type("Now", (usage,), {"free": free})(),
    )
    await put(store, "d", bytes(1000))
    assert [await read(store, key) is not None for key in "abcd"] == [False, True, True, True]
    assert store.total == 3 * one
    free = 0
    with pytest.raises(OSError, match="others"):
        await put(store, "e", bytes(1000))
    assert store.total == 3 * one, "what is stored does not go for nothing"


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["put", "read", "age", "restart"]),
        st.sampled_from("abcde"),
        st.integers(1, 400),
    ),
    max_size=25,
)


@given(OPERATIONS)
def test_any_sequence(operations):
    """What is found is what was put last and not too old; the limit holds; disk and index agree."""

    async def check(path: Path) -> None:
        clock = Clock()
        store = Store(path, 1500, 100, clock=clock)
        await store.open()
        put_last: dict[str, tuple[bytes, float]] = {}
        for number, (what, key, size) in enumerate(operations):
            clock.now += 1
            if what == "put":
                body = bytes([number]) * size
                await put(store, key, body)
                put_last[key] = body, clock.now
                assert await read(store, key) == body
            elif what == "read":
                found = await read(store, key)
                body, at = put_last.get(key, (b"", 0.0))
                assert found is None or (found == body and clock.now < at + 100)
            elif what == "age":
                clock.now += size / 4
                await store.sweep()
            else:
                store.close()
                store = Store(path, 1500, 100, clock=clock)
                await store.open()
            assert store.total <= 1500
            assert store.total == sum(file.stat().st_size for file in stored_files(path))
        store.close()

    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(check(Path(directory)))
