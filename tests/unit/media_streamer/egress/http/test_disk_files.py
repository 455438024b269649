import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.egress.http.disk_files import Extent, Opened, cut


@given(
    st.binary(max_size=20),
    st.lists(st.tuples(st.integers(0, 5), st.binary(max_size=20)), max_size=5),
    st.integers(0, 130),
    st.integers(1, 130),
)
def test_any_range_of_head_and_extents(
    head: bytes, found: list[tuple[int, bytes]], start: int, length: int
) -> None:
    extents = [Extent(Path(str(n)), offset, len(d)) for n, (offset, d) in enumerate(found)]
    whole = head + b"".join(data for _, data in found)
    got = b"".join(
        (head if piece.number < 0 else found[piece.number][1])[piece.skip :][: piece.size]
        for piece in cut(len(head), extents, start, length)
    )
    assert got == whole[start : start + length]


async def test_a_file_stays_open_while_a_thread_reads_it(tmp_path: Path) -> None:
    """Its number would be that of another file, or of somebody's connection, meanwhile."""
    path = tmp_path / "film"
    path.write_bytes(b"recorded")
    opened = Opened(lambda work: asyncio.to_thread(work))
    read = await opened.reader(path)
    descriptor = await opened.open(path)
    file = opened._file
    assert file is not None
    reads, closed = threading.Event(), threading.Event()

    def slow() -> os.stat_result:
        with file.in_use():
            reads.set()
            assert closed.wait(30)
            return os.fstat(descriptor)

    job = asyncio.create_task(asyncio.to_thread(slow))
    await asyncio.to_thread(reads.wait, 30)
    await opened.close()
    closed.set()
    assert (await job).st_size == 8
    with pytest.raises(FileNotFoundError):
        read(0, 4)
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(descriptor)


async def test_a_file_that_is_opened_when_nobody_waits_any_more_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "film"
    path.write_bytes(b"recorded")
    jobs: list[Callable[[], None]] = []

    async def hanging_disk(work: Callable[[], None]) -> None:
        jobs.append(work)
        raise TimeoutError

    opened = Opened(hanging_disk)
    with pytest.raises(TimeoutError):
        await opened.open(path)
    before = set(os.listdir("/proc/self/fd"))
    jobs[0]()
    assert set(os.listdir("/proc/self/fd")) == before
