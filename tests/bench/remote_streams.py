"""1,000 streams of another server (`source`): how soon they are listed, their cost at rest."""

import asyncio
import time

from tests.bench._streamer import BenchStreamer, streamer
from tests.bench.figure import Figure
from tests.support.proc import CpuMeter
from tests.support.streamer import until

STREAMS = 1000
KEY = "cluster_key between-us;\n"
POLL_SECONDS = 0.02
SETTLE_SECONDS = 5.0
REST_SECONDS = 30.0
START_SECONDS = 60.0


def run() -> list[Figure]:
    """Seconds from the request that adds the source; percent of a core of the whole server."""
    return asyncio.run(_measure())


async def _measure() -> list[Figure]:
    ondemand = "{ input fake://fake; static false; }"
    lines = [f"stream far{number:04d} {ondemand}\n" for number in range(STREAMS)]
    async with streamer(KEY + "".join(lines), hostname="far") as origin, streamer(KEY) as here:
        began = time.monotonic()
        here.write(f"{KEY}source 127.0.0.1:{origin.http_port};\n")
        await here.reload()

        async def listed() -> bool:
            return await _listed(here) == STREAMS

        await until(listed, "the streams of the other server are listed", START_SECONDS)
        seconds = time.monotonic() - began
        await asyncio.sleep(SETTLE_SECONDS)
        meter = CpuMeter(here.pids())
        await asyncio.sleep(REST_SECONDS)
        rest = meter.percent()
    return [
        Figure(f"{STREAMS} streams of a source, listed", seconds, "s", goal="< 1"),
        Figure(
            f"{STREAMS} streams of a source, at rest", rest, "% core", goal="< 1 more than idle"
        ),
    ]


async def _listed(one: BenchStreamer) -> int:
    _, answer = await one.api("GET", "/streams?limit=1&name_like=far")
    count: int = answer["estimated_count"]
    return count
