"""A streamer dies with all its processes: until its streams play on the other one.

Central and two streamers as processes, Central with the settings that docs/production.md gives for
a quick failover; what it waits by default is the documented minute.
"""

import asyncio
import contextlib
import json
import os
import signal
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
from media_central.embedded import EmbeddedPostgres

from tests.bench._central import Call, central
from tests.bench._streamer import BenchStreamer
from tests.bench.figure import Figure
from tests.support.streamer import until

STREAMS = 6
ROUNDS = 3
KEY = "cluster-key"
LIMIT_SECONDS = 60.0
QUICK = {
    "STREAMER_DEAD_TIMEOUT": "3s",
    "STREAMS_STATS_FETCH_INTERVAL": "1s",
    "CONFIG_EXTERNAL_RECONCILIATION_INTERVAL": "1s",
}


def run() -> list[Figure]:
    """Seconds from SIGKILL to a playlist of each stream that the dead one ran."""
    return asyncio.run(_measure())


async def _measure() -> list[Figure]:
    taken: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        async with EmbeddedPostgres(directory / "postgres") as postgres:
            for number in range(ROUNDS):
                async with contextlib.AsyncExitStack() as stack:
                    place = directory / str(number)
                    found = central(place, postgres.url, **QUICK)
                    call, _ = await stack.enter_async_context(found)
                    both = [
                        await stack.enter_async_context(_streamer(place / name, name))
                        for name in ("a", "b")
                    ]
                    taken += await _one_dies(call, both)
                    for number in range(STREAMS):
                        await call("DELETE", f"/streams/s{number}")
                    for name in ("a", "b"):
                        await call("DELETE", f"/streamers/{name}")
    taken.sort()
    note = f"{len(taken)} streams, median {taken[len(taken) // 2]:.1f}"
    return [Figure("a dead streamer's streams play elsewhere", taken[-1], "s", "< 10 s", note)]


@contextlib.asynccontextmanager
async def _streamer(directory: Path, name: str) -> AsyncIterator[BenchStreamer]:
    one = await asyncio.to_thread(_made, directory)
    try:
        one.write(f"cluster_key {KEY};\n")
        await one.serve(STREAMER_HOSTNAME=name)
        yield one
    finally:
        await one.close()
        await one.session.close()


def _made(directory: Path) -> BenchStreamer:
    directory.mkdir(parents=True)
    return BenchStreamer(directory)


async def _one_dies(call: Call, both: list[BenchStreamer]) -> list[float]:
    for name, one in zip("ab", both, strict=True):
        body = {"api_url": one.base, "cluster_key": KEY}
        await call("PUT", f"/streamers/{name}", json=body)
    for number in range(STREAMS):
        body = {"inputs": [{"url": "fake://fake"}], "segment_duration": 1000}
        await call("PUT", f"/streams/s{number}", json=body)
    dying, other = both

    async def all_play() -> bool:
        return await dying.alive() + await other.alive() >= STREAMS and await dying.alive() > 0

    await until(all_play, "all streams run, some on each", LIMIT_SECONDS)
    listed = json.loads(await call("GET", "/streams"))["streams"]
    theirs = [one["name"] for one in listed if one["layout"]["ingest"] == "a"]
    assert theirs, listed
    began = time.monotonic()
    for pid in dying.pids():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return [
        moment - began for moment in await asyncio.gather(*(_plays(other, name) for name in theirs))
    ]


async def _plays(one: BenchStreamer, name: str) -> float:
    """The moment at which its playlist has a segment."""

    async def check() -> float:
        with contextlib.suppress(aiohttp.ClientError):
            url = f"{one.base}/{name}/tracks-v1a1/mono.m3u8"
            async with one.session.get(url) as answer:
                if answer.status == 200 and "#EXTINF" in await answer.text():
                    return time.monotonic()
        return 0.0

    moment: float = await until(check, f"{name} plays", LIMIT_SECONDS)
    return moment
