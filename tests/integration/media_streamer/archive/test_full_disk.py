"""Full and missing disks: the recording says so and comes back, and live goes on."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.small_disk import mount, mounted, umount
from tests.support.streamer import ffprobe, until

from .conftest import Recorder, decode, recorded_stream

SIZE = "8m"


def films(place: Path) -> list[Path]:
    """What is recorded below it."""
    return sorted(place.rglob("*.mp4"))


def fill(disk: Path) -> Path:
    """A file that takes what is left."""
    filler = disk / "filler"
    with filler.open("wb") as file:
        while True:
            try:
                os.write(file.fileno(), bytes(64 * 1024))
            except OSError:
                return filler


def used_disks(storage: Path) -> set[str]:
    """Disks with something of the stream."""
    return {path.relative_to(storage).parts[0] for path in storage.glob("d?/live/**/*.mp4")}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "disk", SIZE) as place:
        yield place


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Path]:
    """A folder with two disks in it."""
    root = tmp_path / "storage"
    with mounted(root / "d1", SIZE), mounted(root / "d2", SIZE):
        yield root


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs")
async def test_a_full_disk_is_said_and_live_goes_on(recorder: Recorder, small_disk: Path) -> None:
    recorder.write(recorded_stream(small_disk))
    await recorder.serve()
    await recorder.recorded(1)
    filler = fill(small_disk)

    async def failing() -> dict[str, Any] | None:
        stats = await recorder.stats()
        return stats if stats["dvr_write"].get("error") else None

    stats = await until(failing, "the full disk is noticed", 60)
    assert "No space" in stats["dvr_write"]["error"]
    assert stats["dvr_write"]["dropped_segments"] >= 1
    assert not stats["dvr_enabled"]
    assert stats["alive"]
    assert await ffprobe(f"{recorder.base}/live/index.m3u8") == ["aac", "h264"]
    _, server = await recorder.api("GET", "/config/stats")
    assert "No space" in server["text_alerts"]["dvr"]
    assert "not recorded" in recorder.log
    kept = await recorder.segments()
    assert kept
    filler.unlink()

    async def works_again() -> bool:
        enabled = (await recorder.stats())["dvr_enabled"]
        return bool(enabled and "recorded again" in recorder.log)

    await until(works_again, "it is recorded again", 60)
    assert set(kept) <= set(await recorder.segments())


async def test_an_unmounted_disk_is_not_replaced_by_the_one_below(
    recorder: Recorder, small_disk: Path
) -> None:
    """And a new one in its place is recorded on, which no worker was let use when it began."""
    recorder.write(recorded_stream(small_disk / "archive").replace(" 1d;", " 1200;"))
    await recorder.serve()
    await recorder.recorded(1)
    umount(small_disk)

    async def failing() -> str:
        return str((await recorder.stats()).get("dvr_write", {}).get("error", ""))

    assert "is it mounted?" in await until(failing, "the disk is missed", 60)
    assert (await recorder.stats())["alive"]
    assert not films(small_disk)
    mount(small_disk, SIZE)

    async def recorded() -> list[str]:
        return await recorder.segments() if films(small_disk) else []

    assert await until(recorded, "the new disk is recorded on", 60)

    async def told() -> bool:
        return bool((await recorder.stats())["dvr_enabled"])

    await until(told, "it is said that it is recorded")
    assert "another disk is there now" in recorder.log


async def test_another_disk_takes_what_a_full_one_refuses(
    recorder: Recorder, storage: Path
) -> None:
    """Of a storage known by its `name` (a `reference`) whose disks are folders (`path`)."""
    line = recorded_stream(storage).replace(f"dvr {storage} 1d;", "dvr @two;")
    recorder.write(f"dvr two {{ root {storage}; disk d1; disk d2; check_mount true; }}\n{line}")
    await recorder.serve()
    await recorder.recorded(2)
    (used,) = used_disks(storage)
    fill(storage / used)

    async def stands_in() -> dict[str, Any] | None:
        stats = await recorder.stats()
        return stats if stats["dvr_write"].get("failing_disks") else None

    stats = await until(stands_in, "the full disk is noticed", 60)
    disk = str(storage / used)
    assert "No space" in stats["dvr_write"]["failing_disks"][disk]
    assert "error" not in stats["dvr_write"]
    stats = await recorder.recorded(stats["dvr_write"]["segments"] + 2)
    assert stats["dvr_write"]["dropped_segments"] == 0
    _, server = await recorder.api("GET", "/config/stats")
    assert "No space" in server["text_alerts"][f"dvr_{disk}"]
    listed = f"live/tracks-v1/archive-{await recorder.all_time()}.fmp4.m3u8"
    status, text = await recorder.get(listed)
    assert (status, b"#EXT-X-DISCONTINUITY\n" in text) == (200, False), text
    _, found = await recorder.api("GET", "/streams/live/dvr/ranges")
    moment = found["ranges"][0]["closed_at"] // 1000 - 1
    assert (await recorder.api("PUT", "/streams/live", json={"disabled": True}))[0] == 200
    await decode(f"{recorder.base}/live/archive-{await recorder.all_time()}.mp4")
    await decode(f"{recorder.base}/live/archive-{await recorder.all_time()}.ts")
    assert (await recorder.get(f"live/{moment}.jpg"))[0] == 200
