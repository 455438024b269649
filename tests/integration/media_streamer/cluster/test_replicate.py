"""What another server recorded while this one was down is recorded here, too."""

import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.streamer import Streamer, until

from ..archive.conftest import decode
from .conftest import Cluster

pytestmark = pytest.mark.timeout(240)

OUTAGE_SEGMENTS = 4


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
    origin, edge = cluster.streamer(), cluster.streamer()
    await cluster.serve(
        origin, f"stream live {{ input fake://fake; segment_duration 1; dvr {tmp_path}/o 1d; }}\n"
    )
    await recorded(origin, 1)
    pulled = f"input m4f://127.0.0.1:{origin.http_port}/live cluster_key=between-us"
    text = f"stream live {{ {pulled}; segment_duration 1; dvr {tmp_path}/e 1d replicate; }}\n"
    await cluster.serve(edge, text)
    await recorded(edge, 2)
    assert await edge.stop() == 0
    began = time.time()
    await recorded(origin, await segments(origin) + OUTAGE_SEGMENTS)
    first = (await ranges(origin))[0]["from"]
    await edge.serve(STREAMER_HOSTNAME="s1")

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
    await plays(edge)
    await only_for_servers(origin)
    for one in (edge, origin):
        assert "Traceback" not in one.log, one.log


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
