"""Who reads archives: a thousand seeks at once, disks that do not answer."""

import asyncio
import gc
import random
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from media_streamer import disk_threads
from media_streamer.archive.library import Entry
from media_streamer.archive.places import MAX_SPAN_MS, OWNER_FILE
from media_streamer.archive.shelf import Shelf
from media_streamer.disk_threads import MAX_WAITING, THREADS
from media_streamer.egress.access import Access, AccessDenied
from media_streamer.egress.archives import ArchiveReader
from media_streamer.wire.control import AccessRequest, DeliveryConfig

from tests.support.recordings import SECONDS, START_MS, Recording
from tests.support.streamer import until

SEEKS = 1000
FOUND = 3
"""Segments that a seek finds."""
SEGMENTS = 300
ASKED = AccessRequest(name="a", proto="hls", kind="play", ip="127.0.0.1")


def access(root: Path) -> Access:
    places = [(str(root), str(root / "a"), "")]
    config = DeliveryConfig(archive=str(root / "a"), archive_root=str(root), archive_places=places)
    return Access("1", "a", Path(), 0, ASKED, config=config)


def recorded(root: Path, segments: int) -> Access:
    root.mkdir()
    (root / OWNER_FILE).touch()
    recording = Recording(root, Shelf("a", root, root / "a", MAX_SPAN_MS))
    recording.write(segments)
    recording.shelf.close()
    return access(root)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Access:
    return recorded(tmp_path_factory.mktemp("archives") / "long", SEGMENTS)


class Disk:
    """Whose reads wait for `answers`."""

    def __init__(self, reader: ArchiveReader, patch: pytest.MonkeyPatch, folder: str) -> None:
        self.answers = threading.Event()
        self.reads = 0
        real = reader.library.entries

        def entries(places: list[tuple[Path, ...]], *rest: int) -> list[Entry]:
            if folder in str(places):
                self.reads += 1
                assert self.answers.wait(30)
            return real(places, *rest)  # type: ignore[arg-type]

        patch.setattr(reader.library, "entries", entries)


@pytest.fixture
def reader() -> ArchiveReader:
    return ArchiveReader()


@pytest.fixture
def hanging(
    reader: ArchiveReader, monkeypatch: pytest.MonkeyPatch, archive: Access
) -> Iterator[Disk]:
    disk = Disk(reader, monkeypatch, "long")
    yield disk
    disk.answers.set()


async def is_idle(reader: ArchiveReader) -> bool:
    return not reader._threads._waiting


async def seek(reader: ArchiveReader, archive: Access, number: int) -> int | str:
    """How many segments are found from there on, or why none."""
    begin = START_MS + number * SECONDS * 1000
    try:
        return len(await reader.entries(archive, begin, begin + FOUND * SECONDS * 1000 - 1))
    except AccessDenied as denied:
        return f"{denied.status} {denied.code}"


async def test_a_thousand_seeks_are_answered_right_within_little_memory(
    reader: ArchiveReader, archive: Access
) -> None:
    """As many as may wait at a time, all over the archive."""
    chance = random.Random(1)
    wanted = [chance.randrange(SEGMENTS) for _ in range(SEEKS)]
    assert await seek(reader, archive, 0) == FOUND  # what is read once is known
    gc.collect()
    tracemalloc.start()
    try:
        found = list[int | str]()
        for first in range(0, SEEKS, MAX_WAITING - 6):
            some = wanted[first : first + MAX_WAITING - 6]
            found += await asyncio.gather(*(seek(reader, archive, one) for one in some))
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert found == [min(FOUND, SEGMENTS - one) for one in wanted]
    assert grown < 4 << 20


async def test_of_a_thousand_at_once_on_a_slow_disk_those_beyond_the_bound_are_told_at_once(
    reader: ArchiveReader, archive: Access, hanging: Disk, tmp_path: Path
) -> None:
    """Another archive, and whatever else the event loop does, is untouched."""
    other = recorded(tmp_path / "other", 12)
    tasks = [asyncio.create_task(seek(reader, archive, one % 100)) for one in range(SEEKS)]
    done, _ = await asyncio.wait(tasks, timeout=20, return_when=asyncio.FIRST_COMPLETED)
    assert done, "those beyond the bound do not wait"
    assert await seek(reader, other, 0) == FOUND
    assert sum(task.done() for task in tasks) == SEEKS - MAX_WAITING
    refused = {task.result() for task in tasks if task.done()}
    assert refused == {"503 archive_busy"}
    assert hanging.reads <= THREADS
    hanging.answers.set()
    answers = await asyncio.gather(*tasks)
    assert answers.count(FOUND) == MAX_WAITING
    assert await seek(reader, archive, 0) == FOUND, "and then there is room again"


async def test_a_disk_that_does_not_answer_is_said_and_its_late_answers_take_no_room(
    reader: ArchiveReader,
    archive: Access,
    hanging: Disk,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(disk_threads, "ANSWER_SECONDS", 0.05)
    for _ in range(3):
        assert await seek(reader, archive, 0) == "503 archive_unavailable"
    (waiting,) = reader._threads._waiting.values()
    assert waiting == 3, "what nobody waits for is under way still, and counts"
    hanging.answers.set()
    await until(lambda: is_idle(reader), "the disk has answered all")
    monkeypatch.setattr(disk_threads, "ANSWER_SECONDS", 20.0)
    assert await seek(reader, archive, 0) == FOUND


async def test_who_goes_away_leaves_room_once_the_disk_has_answered(
    reader: ArchiveReader, archive: Access, hanging: Disk
) -> None:
    """A thousand who ask and hang up are no way round the bound."""
    for _ in range(5):
        tasks = [asyncio.create_task(seek(reader, archive, 0)) for _ in range(SEEKS // 5)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert sum(reader._threads._waiting.values()) <= MAX_WAITING
    assert await seek(reader, archive, 0) == "503 archive_busy"
    hanging.answers.set()
    await until(lambda: is_idle(reader), "the disk has answered all")
    assert await seek(reader, archive, 0) == FOUND
