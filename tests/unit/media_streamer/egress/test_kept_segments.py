"""Segments of files in a cache: when they are stored, who has them, what a disk may do."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from media_streamer.egress.access import Access, AtNeighbour
from media_streamer.egress.cache_disks import CacheDisks
from media_streamer.egress.http.neighbours import Neighbours
from media_streamer.egress.kept_segments import KeptSegments
from media_streamer.files.samples import Span
from media_streamer.presentation.index import Stored
from media_streamer.wire.control import AccessRequest, CacheTerms, DeliveryConfig
from media_streamer.wire.homes import make_home

REQUEST = AccessRequest(name="films/a.mp4", proto="hls", kind="play", ip="127.0.0.1")
BODY = b"segment" * 1000


def access(terms: CacheTerms | None) -> Access:
    return Access("1", "films/a.mp4", Path(), 0, REQUEST, config=DeliveryConfig(cache=terms))


def read(stored: Stored) -> bytes:
    return Path(stored.path).read_bytes()[stored.offset :][: stored.size]


def stored_files(directory: Path) -> int:
    return len(list(directory.glob("??/*")))


class Maker:
    """Counts how often the file is read."""

    def __init__(self) -> None:
        self.count = 0

    async def make(self) -> bytes:
        self.count += 1
        return BODY


class Cache:
    """The segments of one worker, and its disks until the test ends."""

    def __init__(self) -> None:
        self.disks = CacheDisks()
        self.kept = KeptSegments(self.disks, None)
        self.run = asyncio.create_task(self.disks.run())

    async def ask(self, terms: CacheTerms, make: Callable[[], Awaitable[bytes]]) -> str:
        """`hit` or `made`; what is to be stored is."""
        found = await self.kept.segment(access(terms), "one", make)
        await asyncio.gather(*self.kept._storing)
        if isinstance(found, Stored):
            assert read(found) == BODY
            return "hit"
        assert found == BODY
        return "made"

    async def close(self) -> None:
        self.run.cancel()
        await asyncio.gather(self.run, return_exceptions=True)


@pytest.fixture
async def cache() -> AsyncIterator[Cache]:
    one = Cache()
    yield one
    await one.close()


async def test_the_request_after_the_misses_comes_from_the_disk_also_after_a_restart(
    cache: Cache, tmp_path: Path
) -> None:
    terms, maker = CacheTerms(str(tmp_path / "c"), misses=4), Maker()
    found = [await cache.ask(terms, maker.make) for _ in range(6)]
    assert found == ["made"] * 4 + ["hit"] * 2
    assert maker.count == 4
    await cache.close()
    other = Cache()
    assert await other.ask(terms, maker.make) == "hit"
    await other.close()


async def test_a_hit_leaves_the_file_open_for_the_next_ones(cache: Cache, tmp_path: Path) -> None:
    terms, maker = CacheTerms(str(tmp_path / "c"), misses=1), Maker()
    one = access(terms)
    assert cache.kept.near(one, "one") is None
    assert [await cache.ask(terms, maker.make) for _ in range(2)] == ["made", "hit"]
    found = cache.kept.near(one, "one")
    assert found is not None
    (part,) = found.parts
    assert isinstance(part, Span)
    assert os.pread(found.file.descriptor, part.size, part.offset) == BODY
    assert (found.head, found.size, found.is_kept) == (b"", len(BODY), True)
    disk = cache.disks.open_now(terms)
    assert disk is not None
    await disk.store._drop([*disk.store._index._entries.values()], "size")
    assert os.fstat(found.file.descriptor).st_nlink == 0, "who sends it holds it"
    found.on_end()
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(found.file.descriptor)
    assert cache.kept.near(one, "one") is None
    assert cache.kept.near(access(CacheTerms(str(tmp_path / "d"))), "one") is None
    assert cache.kept.near(access(None), "one") is None


async def test_what_is_asked_for_at_once_is_stored_once(cache: Cache, tmp_path: Path) -> None:
    terms, maker = CacheTerms(str(tmp_path)), Maker()
    await asyncio.gather(*(cache.ask(terms, maker.make) for _ in range(9)))
    assert await cache.ask(terms, maker.make) == "hit"
    assert stored_files(tmp_path) == 1


async def test_a_disk_that_is_full_or_none_is_no_failure(
    cache: Cache, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    maker = Maker()
    small = CacheTerms(str(tmp_path / "small"), storage_limit=10)
    assert [await cache.ask(small, maker.make) for _ in range(2)] == ["made"] * 2
    (tmp_path / "file").touch()
    none = CacheTerms(str(tmp_path / "file"))
    assert [await cache.ask(none, maker.make) for _ in range(2)] == ["made"] * 2
    assert caplog.text.count("nothing is kept there") == 1
    broken = CacheTerms(str(tmp_path / "broken"))
    disk = await cache.disks.find(broken)
    assert disk is not None
    (tmp_path / "broken" / "new").rmdir()
    assert [await cache.ask(broken, maker.make) for _ in range(2)] == ["made"] * 2
    assert "films/a.mp4: not stored, disk: No such file" in caplog.text


async def test_another_worker_sends_to_the_one_that_has_the_directories(tmp_path: Path) -> None:
    disks = CacheDisks(worker=1)
    neighbours = Neighbours(tmp_path)
    kept, maker = KeptSegments(disks, neighbours), Maker()
    asked = access(CacheTerms(str(tmp_path / "c")))
    assert await kept.segment(asked, "one", maker.make) == BODY, "there is no other worker yet"
    make_home(tmp_path, "egress", "0")
    server = await asyncio.start_unix_server(lambda *_: None, neighbours.socket_of(0))
    with pytest.raises(AtNeighbour) as there:
        await kept.segment(asked, "one", maker.make)
    assert there.value.worker == 0
    assert await kept.segment(access(None), "one", maker.make) == BODY, "it has no cache"
    server.close()
    await server.wait_closed()
    assert stored_files(tmp_path) == 0
