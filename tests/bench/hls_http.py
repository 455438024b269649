"""HLS over HTTP: playlists and bytes of segments a second for each core that the egress uses.

One egress worker on one core, wrk on another; the CPU time of the worker counts, not wrk's.
"""

import asyncio
import os
import re
import shutil
from collections.abc import Sequence

import aiohttp

from tests.bench._streamer import BenchStreamer, streamer
from tests.bench.figure import Figure, Skipped
from tests.support.proc import cpu_seconds
from tests.support.streamer import until

SECONDS = 8
CONNECTIONS = 64
GZIP = ("-H", "Accept-Encoding: gzip")
TOTAL = re.compile(r"(\d+) requests in [\d.]+m?s, ([\d.]+)([KMG]?)B read")
FAILED = re.compile(r"Non-2xx or 3xx responses: (\d+)|Socket errors: (.*)")
UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}


def run() -> list[Figure]:
    """Requests, and GB of segments, for each second of CPU time of the egress worker."""
    if shutil.which("wrk") is None:
        raise Skipped("there is no wrk: apt install wrk")
    if (os.cpu_count() or 1) < 2:
        raise Skipped("client and server need a core each")
    return asyncio.run(_run())


async def _run() -> list[Figure]:
    async with streamer("stream live { input file://clips/clip.mp4; }\n", workers=1) as one:
        await one.all_running(1)
        base = f"{one.base}/live"
        segment = await until(lambda: _segment(base), "there are segments")
        figures = []
        for name, path, more in (
            ("MPEG-TS playlist", "tracks-v1a1/mono.m3u8", ()),
            ("MPEG-TS playlist, gzip accepted", "tracks-v1a1/mono.m3u8", GZIP),
            ("LL-HLS playlist, gzip accepted", "tracks-v1/index.ll.m3u8", GZIP),
            ("multivariant playlist", "index.m3u8", ()),
        ):
            requests, _ = await _load(one, f"{base}/{path}", more)
            goal = ">= 29 k" if path.endswith("mono.m3u8") else ""
            figures.append(Figure(f"{name}, requests a core and second", requests / 1e3, "k", goal))
        _, size = await _load(one, f"{base}/{segment}", ())
        figures.append(Figure("MPEG-TS segments, a core and second", size / 1e9, "GB", ">= 2.1 GB"))
        return figures


async def _segment(base: str) -> str:
    """The newest of three segments: it stays for the time of a measurement."""
    async with aiohttp.ClientSession() as http, http.get(f"{base}/tracks-v1a1/mono.m3u8") as got:
        uris = [line for line in (await got.text()).splitlines() if line.endswith(".ts")]
    return f"tracks-v1a1/{uris[-1]}" if len(uris) > 2 else ""


async def _load(one: BenchStreamer, url: str, options: Sequence[str]) -> tuple[float, float]:
    """Requests and bytes for each second of CPU time of the egress worker."""
    (worker,) = one.pids("egress")
    client, server = _cores()
    os.sched_setaffinity(worker, {server})
    before = cpu_seconds(worker)
    process = await asyncio.create_subprocess_exec(
        *("taskset", "-c", str(client), "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s"),
        *(*options, url),
        stdout=asyncio.subprocess.PIPE,
    )
    output = (await asyncio.wait_for(process.communicate(), 10 * SECONDS))[0].decode()
    used = cpu_seconds(worker) - before
    if failed := FAILED.search(output):
        raise RuntimeError(f"{url}: {failed[0]}")
    total = TOTAL.search(output)
    assert total, output
    return int(total[1]) / used, float(total[2]) * UNITS[total[3]] / used


def _cores() -> tuple[int, int]:
    """One for the client, one for the server."""
    first, second, *_ = sorted(os.sched_getaffinity(0))
    return first, second
