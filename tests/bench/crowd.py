"""5,000 half-open connections and 2,000 viewers that come and go: what the others feel of it.

The crowd stays on one stream; the API is asked, and another stream is watched, by others. All share
the cores of this machine, so the crowd's own cost (a Python process) counts against the server.
"""

import asyncio
import json
import os
import time

import aiohttp

from tests.bench._streamer import BenchStreamer, helper, line, streamer
from tests.bench.figure import Figure
from tests.support.proc import CpuMeter
from tests.support.streamer import ADMIN

HALF_OPEN = int(os.environ.get("CROWD_HALF_OPEN", "5000"))
VIEWERS = int(os.environ.get("CROWD_VIEWERS", "2000"))
SECONDS = 60.0
READY_SECONDS = 120.0
LATE = 1.5
API_PAUSE_SECONDS = 0.05
CONFIG = """
stream crowded { input file://clips/clip.mp4; segment_duration 2; }
stream calm { input file://clips/clip.mp4; segment_duration 2; }
"""


def run() -> list[Figure]:
    """How long the API takes, and whether segments of another stream are late."""
    return asyncio.run(_run())


async def _run() -> list[Figure]:
    async with streamer(CONFIG) as one:
        await one.all_running(2)
        quiet = await _ask(one, 5.0)
        ports = (one.http_port, one.rtmp_port)
        async with helper("tests.support.crowd", *ports, "crowded", HALF_OPEN, VIEWERS) as crowd:
            if (said := await line(crowd, READY_SECONDS)) != "ready":
                raise RuntimeError(f"the crowd is not there: {said}")
            meters = {kind: CpuMeter(one.pids(kind)) for kind in ("media", "egress", "supervisor")}
            own = CpuMeter([crowd.pid])
            async with helper("tests.support.segment_viewers", one.base, SECONDS, "calm") as calm:
                times = await _ask(one, SECONDS)
                seen = json.loads(await line(calm, 30))
            cpu = {kind: meter.percent() for kind, meter in meters.items()}
            cpu["crowd"] = own.percent()
            assert crowd.stdin is not None
            crowd.stdin.close()
            found = json.loads(await line(crowd, 60))
        if one.complaints:
            print(one.complaints)
    late = [gap for gap, duration in seen["segments"] if gap > LATE * duration]
    shares = ", ".join(f"{kind} {figure:.0f} %" for kind, figure in cpu.items())
    return [
        Figure("API, p99", _at(times, 0.99) * 1000, "ms", "< 100 ms", f"of {len(times)}; {shares}"),
        Figure("API, p50", _at(times, 0.5) * 1000, "ms"),
        Figure("API, longest", max(times) * 1000, "ms"),
        Figure("API before the crowd came, p99", _at(quiet, 0.99) * 1000, "ms"),
        Figure(
            "late segments of another stream", len(late), "", "0", f"of {len(seen['segments'])}"
        ),
        Figure("its failed requests", seen["failed"], "", "0"),
        Figure("viewers that were not served", found["failed"], "", "0", found["why"]),
        Figure("viewers that came", found["came"], "", note=f"{found['renewed']} half-open anew"),
        Figure("longest until a viewer had data", found["slowest"], "s"),
    ]


async def _ask(one: BenchStreamer, seconds: float) -> list[float]:
    """Times of calls to the API, each on a connection of its own."""
    times, end = [], time.monotonic() + seconds
    url = f"{one.base}/streamer/api/v3/streams/calm"
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(headers=ADMIN, connector=connector) as http:
        while (began := time.monotonic()) < end:
            async with http.get(url) as answer:
                await answer.read()
                if answer.status != 200:
                    raise RuntimeError(f"the API answers {answer.status}")
            times.append(time.monotonic() - began)
            await asyncio.sleep(API_PAUSE_SECONDS)
    return times


def _at(times: list[float], share: float) -> float:
    return sorted(times)[min(len(times) - 1, int(share * len(times)))]
