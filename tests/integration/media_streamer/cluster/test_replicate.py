"""What another server recorded while this one was down is recorded here, too."""

import contextlib
import hashlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from media_streamer.archive.copied import opened
from media_streamer.archive.library import Library
from media_streamer.archive.places import OWNER_FILE, Place, files_between, index_path
from media_streamer.archive.shelf import Shelf

from tests.support.recordings import START_MS, Recording
from tests.support.s3_server import S3Server, s3_server
from tests.support.streamer import Streamer, until

from ..archive.conftest import decode
from .conftest import Cluster

pytestmark = pytest.mark.timeout(900)  # the S3 server is built the first time

OUTAGE_SEGMENTS = 4
HOUR_MS = 3_600_000
FILES = 3
SAME_MS = 40
SEGMENTS = 30
SEGMENT_BYTES = 1_000_000


async def segments(streamer: Streamer) -> int:
    """Recorded since its media worker began."""
    stats = (await streamer.stream("live")).get("stats", {})
    return int(stats.get("dvr_write", {}).get("segments", 0))


async def recorded(streamer: Streamer, count: int) -> None:
    async def enough() -> bool:
        return await segments(streamer) >= count

    await until(enough, f"{count} segments are recorded", 60)


async def ranges(streamer: Streamer) -> list[dict[str, Any]]:
    status, found = await streamer.api("GET", "/streams/live/dvr/ranges")
    return list(found["ranges"]) if status == 200 else []


async def test_an_outage_leaves_no_gap(cluster: Cluster, tmp_path: Path) -> None:
    origin = cluster.streamer()
    await cluster.serve(
        origin, f"stream live {{ input fake://fake; segment_duration 1; dvr {tmp_path}/o 1d; }}\n"
    )
    await recorded(origin, 1)
    host = f"127.0.0.1:{origin.http_port}"
    edges = {
        url: cluster.streamer() for url in (f"m4f://{host}/live", f"hls://{host}/live/index.m3u8")
    }
    for url, edge in edges.items():
        pulled, root = f"input {url} cluster_key=between-us", tmp_path / url[:3]
        text = f"stream live {{ {pulled}; segment_duration 1; dvr {root} 1d replicate; }}\n"
        await cluster.serve(edge, text)
    for edge in edges.values():
        await recorded(edge, 2)
        assert await edge.stop() == 0
    began = time.time()
    await recorded(origin, await segments(origin) + OUTAGE_SEGMENTS)
    first = (await ranges(origin))[0]["from"]
    for edge in edges.values():
        await edge.serve(STREAMER_HOSTNAME=edge.directory.name)
    for url, edge in edges.items():
        await is_filled(edge, first, began)
        same_times(tmp_path / url[:3], tmp_path / "o")
        await plays(edge)
    await only_for_servers(origin)
    for one in (*edges.values(), origin):
        assert "Traceback" not in one.log, one.log


async def is_filled(edge: Streamer, first: float, began: float) -> None:
    async def is_whole() -> dict[str, Any] | None:
        found = await ranges(edge)
        stats: dict[str, Any] = (await edge.stream("live"))["stats"]
        is_one = len(found) == 1 and found[0]["from"] <= first + 1
        fresh = is_one and found[0]["from"] + found[0]["duration"] > began + OUTAGE_SEGMENTS
        return stats if fresh and stats["dvr_enabled"] else None

    stats = await until(is_whole, "the gap is filled", 60)
    told = stats["dvr_replicate"]
    assert told["filled_segments"] >= OUTAGE_SEGMENTS - 2, told
    assert told["filled_bytes"] > 0
    assert "error" not in told
    assert "between-us" not in edge.log


def same_times(here: Path, there: Path) -> None:
    """Both cut at the same pictures, which have the same time, though one had them later."""
    ours, theirs = (
        [one.group.start_ms for one in Library().entries(root / "live", 0, 2**50)]
        for root in (here, there)
    )
    off = [min(abs(one - other) for other in theirs) for one in ours if one < theirs[-1]]
    assert max(off) <= SAME_MS, (ours, theirs)


async def plays(edge: Streamer) -> None:
    """All of it; what two servers recorded may be there twice where a gap began or ended."""
    (whole,) = await ranges(edge)
    span = f"{whole['from']}-{whole['duration']}"
    for form in ("mp4", "ts"):
        await decode(f"{edge.base}/live/archive-{span}.{form}")
    async with edge.session.get(f"{edge.base}/live/tracks-v1/archive-{span}.fmp4.m3u8") as answer:
        text = await answer.text()
    listed = sum(float(line[8:].rstrip(",")) for line in text.splitlines() if "#EXTINF" in line)
    assert listed >= whole["duration"] - 2
    for uri in (line for line in text.splitlines() if line.endswith(".m4s")):
        async with edge.session.get(f"{edge.base}/live/tracks-v1/{uri}") as answer:
            assert answer.status == 200


async def only_for_servers(origin: Streamer) -> None:
    asked = f"{origin.base}/live/replica.mp4?from=0&to=1"
    async with origin.session.get(asked) as answer:
        assert answer.status == 403
    key = {"Authorization": "Bearer between-us"}
    async with origin.session.get(asked, headers=key) as answer:
        assert answer.status == 404  # nothing was recorded then
    async with origin.session.get(asked.replace("=1", "=x"), headers=key) as answer:
        assert answer.status == 400


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[S3Server]:
    with s3_server(tmp_path / "s3") as server:
        server.bucket("archive")
        yield server


async def test_kill_9_while_it_comes_from_disks_and_a_bucket(
    cluster: Cluster, s3: S3Server, tmp_path: Path
) -> None:
    origin, edge = cluster.streamer(), cluster.streamer()
    there = disks_of(tmp_path / "o")
    written = contents(tuple(there))
    storage = f"root {tmp_path}/o; disk d1; disk d2; copy {s3.url('archive/of-us')};"
    offline = "stream far { disabled; dvr @two dvr_offline; }"
    await cluster.serve(origin, f"dvr two {{ {storage} }}\n{offline}\n")

    async def is_copied() -> bool:
        stats = (await origin.stream("far")).get("stats", {})
        return int(stats.get("dvr_copy", {}).get("stored_files", 0)) == FILES

    await until(is_copied, "its files are in the bucket", 60)
    last = files_between(there[0].folder)[-1].path
    for one in (last, index_path(last)):
        one.unlink()  # it is in the bucket alone
    pulled = f"input tshttp://127.0.0.1:{origin.http_port}/far/mpegts cluster_key=between-us;"
    await cluster.serve(edge, f"stream near {{ {pulled} dvr {tmp_path}/e replicate; }}\n")
    replicas = tmp_path / "e/.replicas"
    here = Place(replicas, replicas / "near")

    def under_way() -> int:
        with contextlib.suppress(FileNotFoundError):
            return sum(one.stat().st_size for one in (replicas / ".part").iterdir())
        return 0

    async def is_half_done() -> bool:
        return bool(files_between(here.folder)) and under_way() > SEGMENT_BYTES

    sender = origin.worker("egress")
    assert sender is not None
    await until(is_half_done, "the second file is on its way", 60)
    os.kill(sender, signal.SIGSTOP)
    try:
        before = {one.path: one.path.stat().st_ino for one in files_between(here.folder)}
        os.kill(edge.supervisor, signal.SIGKILL)
        assert len(before) < FILES
    finally:
        os.kill(sender, signal.SIGCONT)

    async def is_whole() -> dict[str, Any] | None:
        with contextlib.suppress(StopIteration, OSError):  # its next supervisor begins
            found: dict[str, Any] = (await edge.stream("near")).get("stats", {})
            filled = found.get("dvr_replicate", {})
            is_done = filled.get("missing_seconds") == 0 and "error" not in filled
            return filled if is_done and filled["filled_segments"] else None
        return None

    stats = await until(is_whole, "all of it is here", 90)
    assert contents((here,)) == written
    for path, number in before.items():
        assert path.stat().st_ino == number, "what had come is not asked for again"
    assert stats["filled_segments"] == SEGMENTS * (FILES - len(before))
    assert under_way() == 0


def disks_of(root: Path) -> list[Place]:
    """Files of an hour each, on one disk after another."""
    root.mkdir()
    (root / OWNER_FILE).touch()
    found = []
    for name in ("d1", "d2"):
        disk = root / name
        disk.mkdir()
        (disk / OWNER_FILE).touch()
        found.append(Place(disk, disk / "far"))
    for hour in range(FILES):
        place = found[hour % 2]
        shelf = Shelf("far", place.disk, place.folder, HOUR_MS)
        recording = Recording(place.disk, shelf, START_MS + hour * HOUR_MS)
        payload = os.urandom(SEGMENT_BYTES)
        for _ in range(SEGMENTS):
            recording.shelf.write(recording.job(payload=payload))
        recording.shelf.close()
    return found


def contents(places: tuple[Place, ...]) -> list[tuple[int, str]]:
    """Start and digest of each segment."""
    found = []
    for group, content, _ in Library().entries(places, 0, 2**50):
        with opened(content.file.path, content.copied) as read:
            data = read(group.offset, group.size)
        found.append((group.start_ms, hashlib.sha256(data).hexdigest()))
    return found
