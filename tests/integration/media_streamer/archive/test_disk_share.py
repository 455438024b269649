"""A share of a real disk: the oldest go until it holds no more, and neither locks nor others' files
are touched."""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from media_streamer.archive.declared import Declared
from media_streamer.archive.keeper import keep_limits
from media_streamer.archive.locks import write_locks
from media_streamer.archive.places import (
    HOUR_MS,
    MIN_SPAN_MS,
    OWNER_FILE,
    Place,
    files_between,
    index_path,
)
from media_streamer.archive.ranges import Range
from media_streamer.archive.retention import Limits
from media_streamer.archive.shelf import Shelf

from tests.support.recordings import SECONDS, START_MS, Recording
from tests.support.small_disk import mounted
from tests.support.streamer import until

from .conftest import Recorder, decode, recorded_stream

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs")

SHARE = 97
OLD_HOURS = 20
OLD_BYTES = 500_000
LOCKED_HOUR = 1
SEGMENT_BYTES = 100_000


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "disk", "24m") as place:
        (place / OWNER_FILE).touch()
        yield place


def share(disk: Path) -> float:
    """Percent of the disk that is used."""
    found = os.statvfs(disk)
    return 100 * (1 - found.f_bfree / found.f_blocks)


def write_hour(disk: Path, start_ms: int, size: int) -> None:
    shelf = Shelf("live", disk, disk / "live", HOUR_MS)
    recording = Recording(disk, shelf, start_ms)
    job = recording.job(payload=os.urandom(size // 2))
    shelf.write(job)
    shelf.close()
    for part in job.parts:
        Path(part.path).unlink()


def fill_up_to(disk: Path, percent: float) -> Path:
    """A file of somebody else."""
    filler = disk / "of-somebody"
    with filler.open("wb", buffering=0) as file:
        while share(disk) < percent:
            file.write(bytes(4096))
    return filler


async def test_a_full_disk_is_brought_below_its_share(recorder: Recorder, disk: Path) -> None:
    now_ms = int(time.time() * 1000)
    starts = [now_ms - hour * HOUR_MS for hour in range(OLD_HOURS, 0, -1)]
    for start_ms in starts:
        write_hour(disk, start_ms, OLD_BYTES)
    locked_ms = starts[LOCKED_HOUR]
    write_locks(disk / "live", [Range(locked_ms, locked_ms + 1000)])
    filler = fill_up_to(disk, 99.5)
    size = filler.stat().st_size
    recorder.write(recorded_stream(disk).replace(" 1d;", f" {SHARE}%;").replace("2000", "300"))
    await recorder.serve()

    async def is_below() -> bool:
        return share(disk) <= SHARE

    await until(is_below, f"the disk holds {SHARE} %", 60)
    left = [file.start_ms for file in files_between(disk / "live")]
    assert locked_ms in left, "a lock"
    gone = [start for start in starts if start not in left]
    unlocked = [start for start in starts if start != locked_ms]
    assert gone == unlocked[: len(gone)], "the oldest"
    lost = len(gone) * OLD_BYTES / os.statvfs(disk).f_blocks / os.statvfs(disk).f_frsize
    assert 100 * lost < 99.5 - SHARE + 3, "no more than it takes"
    assert filler.stat().st_size == size
    stats = await recorder.recorded(2)
    assert "error" not in stats["dvr_write"]
    _, found = await recorder.api("GET", "/streams/live/dvr/ranges")
    assert abs(found["ranges"][0]["from"] - locked_ms / 1000) <= 1
    assert (await recorder.api("PUT", "/streams/live", json={"disabled": True}))[0] == 200
    await decode(f"{recorder.base}/live/archive-{now_ms // 1000}-600.mp4")


def test_what_is_written_on_and_on_stays_below_it(disk: Path) -> None:
    """Ten times what the disk holds, as one look after another would see it."""
    folder = disk / "live"
    shelf = Shelf("live", disk, folder, MIN_SPAN_MS)
    recording = Recording(disk, shelf, START_MS)
    stream = Declared(
        disk, folder, (Place(disk, folder),), (disk,), frozenset(),
        Limits(disk_percent=SHARE), True, MIN_SPAN_MS,
    )  # fmt: skip
    locked: Path | None = None
    written = 0
    while written < 10 * 24 * 1024 * 1024:
        job = recording.job(payload=os.urandom(SEGMENT_BYTES))
        shelf.write(job)  # raises OSError where the disk is full
        for part in job.parts:
            written += part.size
            Path(part.path).unlink()
        now_ms = START_MS + recording.count * SECONDS * 1000
        if locked is None and len(found := files_between(folder)) > 1:
            locked = found[0].path
            write_locks(folder, [Range(found[0].start_ms, found[0].start_ms + 1)])
        keep_limits(disk, {"live": stream}, now_ms)
        assert share(disk) <= SHARE
    shelf.close()
    assert locked is not None
    assert locked.exists()
    files = files_between(folder)
    assert 1 < len(files) < recording.count
    assert all(index_path(file.path).exists() for file in files)
    months = {file.path.parents[2] for file in files}
    assert set(folder.glob("*/*")) == months, "no empty folder stays"
