"""Files on demand: segments of a two-hour film a second for each core, and how soon a seek begins.

wrk asks for segments all over the film, so that each has to be made; the same one again and again
comes out of the cache. The figures of `hls_http` for segments that lie in memory are the measure.
"""

import asyncio
import os
import random
import re
import shutil
import tempfile
import time
from pathlib import Path

import aiohttp

from tests.bench import _footage
from tests.bench._streamer import BenchStreamer, streamer
from tests.bench.figure import Figure, Skipped
from tests.bench.hls_http import CONNECTIONS, SECONDS, TOTAL, UNITS
from tests.support.proc import cpu_seconds, own_memory_mib

FILM_SECONDS = 7200
SEEKS = 300
CROWD, CROWD_SEEKS, CROWD_FILMS, CROWD_FILM_SECONDS = 300, 10, 20, 120
RANGE_BYTES = 1_300_000
"""As a segment has."""
ROOM_BYTES = 6 * 1024**3
SCRIPT = """
local paths = { %s }
local bytes = %d
local at = 0
request = function()
  at = at %% #paths + 1
  local headers = {}
  if bytes > 0 then
    headers["Range"] = "bytes=" .. at * bytes .. "-" .. (at + 1) * bytes - 1
  end
  return wrk.format("GET", paths[at], headers)
end
"""


def run() -> list[Figure]:
    """GB of segments for each second of CPU time of the egress worker, and seconds of seeks."""
    if shutil.which("wrk") is None:
        raise Skipped("there is no wrk: apt install wrk")
    if (os.cpu_count() or 1) < 2:
        raise Skipped("client and server need a core each")
    if shutil.disk_usage(tempfile.gettempdir()).free < ROOM_BYTES:
        raise Skipped("films need 5 GB of the disk")
    return asyncio.run(_run())


async def _run() -> list[Figure]:
    film = await asyncio.to_thread(_footage.film, FILM_SECONDS)
    config = f"vod films {{ storage {film.parent}; download; }}\n"
    async with streamer(config, workers=1) as one:
        base = f"{one.base}/films/{film.name}"
        async with aiohttp.ClientSession() as http:
            began = time.perf_counter()
            fragments = await segments_of(http, f"{base}/tracks-v1/index.fmp4.m3u8")
            opened = time.perf_counter() - began
            packets = await segments_of(http, f"{base}/tracks-v1a1/mono.m3u8")
            seek = await _seek(http, random.Random(1).choices(fragments, k=SEEKS))
        figures = [
            Figure("two-hour film: first playlist", opened * 1000, "ms"),
            Figure("two-hour film: first byte of a seek, p99", seek * 1000, "ms", "< 100 ms"),
        ]
        for name, urls in (("fragmented MP4", fragments), ("MPEG-TS", packets)):
            made = await _load(one, urls)
            kept = await _load(one, urls[:1])
            figures += [
                Figure(f"segments of a film, {name}, all over it", made / 1e9, "GB"),
                Figure(f"segments of a film, {name}, one again", kept / 1e9, "GB", ">= 1.7 GB"),
            ]
        sent = await _load(one, [base] * 1000, RANGE_BYTES)
        figures.append(
            Figure("the film itself by ranges (sendfile), all over it", sent / 1e9, "GB")
        )
    return figures + await _crowd()


async def _crowd() -> list[Figure]:
    """Viewers who seek at random in many films: what a seek costs, and what the worker holds."""
    clip = await asyncio.to_thread(_footage.film, CROWD_FILM_SECONDS)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(CROWD_FILMS):
            await asyncio.to_thread(shutil.copy, clip, Path(folder, f"{number}.mp4"))
        async with streamer(f"vod films {{ storage {folder}; }}\n", workers=1) as one:
            (worker,) = one.pids("egress")
            connector = aiohttp.TCPConnector(limit=CROWD)
            async with aiohttp.ClientSession(connector=connector) as http:
                urls = []
                for number in range(CROWD_FILMS):
                    base = f"{one.base}/films/{number}.mp4"
                    urls += await segments_of(http, f"{base}/tracks-v1/index.fmp4.m3u8")
                chance = random.Random(1)
                before, held = cpu_seconds(worker), own_memory_mib(worker)
                seeks = (_seek(http, chance.choices(urls, k=CROWD_SEEKS)) for _ in range(CROWD))
                slowest = max(await asyncio.gather(*seeks))
                used = cpu_seconds(worker) - before
                grown = own_memory_mib(worker) - held
    who = f"{CROWD} viewers seek in {CROWD_FILMS} films"
    return [
        Figure(f"{who}: CPU time of a seek", used * 1000 / CROWD / CROWD_SEEKS, "ms"),
        Figure(f"{who}: first byte, slowest viewer's p99", slowest * 1000, "ms"),
        Figure(f"{who}: memory that the worker takes", grown, "MiB", "< 128 MiB"),
    ]


async def segments_of(http: aiohttp.ClientSession, url: str) -> list[str]:
    async with http.get(url) as answer:
        text = await answer.text()
    folder = url.rpartition("/")[0]
    found = re.findall(r"^[^#\s]\S*$", text, re.MULTILINE)
    assert len(found) >= 20, text[:200]
    return [f"{folder}/{name}" for name in found]


async def _seek(http: aiohttp.ClientSession, urls: list[str]) -> float:
    """99th percentile of the seconds until the first byte of a segment is there."""
    times = []
    for url in urls:
        began = time.perf_counter()
        async with http.get(url) as answer:
            await answer.content.read(1)
            times.append(time.perf_counter() - began)
            await answer.read()
    return sorted(times)[int(len(times) * 0.99)]


async def _load(one: BenchStreamer, urls: list[str], range_bytes: int = 0) -> float:
    """Bytes for each second of CPU time of the egress worker; 0: not by ranges."""
    (worker,) = one.pids("egress")
    first, second, *_ = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(worker, {second})
    paths = ",".join(f'"{url.removeprefix(one.base)}"' for url in urls)
    with tempfile.TemporaryDirectory() as directory:
        script = Path(directory, "paths.lua")
        await asyncio.to_thread(script.write_text, SCRIPT % (paths, range_bytes))
        before = cpu_seconds(worker)
        process = await asyncio.create_subprocess_exec(
            *("taskset", "-c", str(first), "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s"),
            *("-s", str(script), one.base),
            stdout=asyncio.subprocess.PIPE,
        )
        output = (await asyncio.wait_for(process.communicate(), 10 * SECONDS))[0].decode()
    used = cpu_seconds(worker) - before
    total = TOTAL.search(output)
    assert total, output
    assert "Non-2xx" not in output, output
    return float(total[2]) * UNITS[total[3]] / used
