"""Full and missing disks: the recording says so and comes back, and live goes on."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.streamer import ffprobe, until

from .conftest import Recorder, recorded_stream

pytestmark = pytest.mark.timeout(150)  # a streamer starts, and records in real time


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)]
    mounted = subprocess.run(command, capture_output=True, check=False, text=True)
    if mounted.returncode:
        pytest.skip(f"nothing can be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs")
async def test_a_full_disk_is_said_and_live_goes_on(recorder: Recorder, small_disk: Path) -> None:
    recorder.write(recorded_stream(small_disk))
    await recorder.serve()
    await recorder.recorded(1)
    filler = small_disk / "filler"
    with filler.open("wb") as file:
        while True:
            try:
                os.write(file.fileno(), bytes(64 * 1024))
            except OSError:
                break

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
    recorder.write(recorded_stream(small_disk).replace(" 1d;", " 1200;"))
    await recorder.serve()
    await recorder.recorded(1)
    (small_disk / ".streamer.lock").unlink()
    status, _ = await recorder.api("PUT", "/streams/live", json={"disabled": True})
    status, _ = await recorder.api("PUT", "/streams/live", json={"disabled": False})
    assert status == 200

    async def failing() -> str:
        return str((await recorder.stats()).get("dvr_write", {}).get("error", ""))

    assert "is it mounted?" in await until(failing, "the disk is missed", 60)
    assert (await recorder.stats())["alive"]
