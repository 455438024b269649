"""LL-HLS with 500 viewers who wait for each part of picture and sound: how late a part is.

The end of a part by the stream's clock, to its last byte at a viewer. What that takes with one
viewer (the pace of the source, frames that are gathered) is no lateness: it is measured first, and
taken off. The cores are kept awake (`_awake`); the viewers have the same cores as the server.
"""

import asyncio
import json
from typing import Any

from tests.bench._awake import awake
from tests.bench._streamer import BenchStreamer, helper, line, streamer
from tests.bench.figure import Figure
from tests.support.proc import CpuMeter
from tests.support.streamer import until

VIEWERS = 500
WINDOW_SECONDS = 15.0
SETTLE_SECONDS = 2.0
START_SECONDS = 90.0
CONFIG = "stream live { input file://clips/clip.mp4; }\n"
MEDIAN, MOST = 1, 2


def run() -> list[Figure]:
    """Milliseconds, over 15 s."""
    with awake():
        return asyncio.run(_run())


async def _run() -> list[Figure]:
    async with streamer(CONFIG) as one:
        await one.all_running(1)
        await until(lambda: _has_parts(one), "there are parts")
        alone, _ = await _watch(one, 1)
        many, cpu = await _watch(one, VIEWERS)
    usual = alone["part"][MEDIAN]
    rate = many["parts"] / many["seconds"] / VIEWERS / 2
    note = f"{rate:.2f} parts a second of a track reached each, {many['failed']} failed"
    note += f"; viewers used {100 * many['busy']:.0f} % of a core, egress {cpu:.0f} %"
    title = f"LL-HLS, {VIEWERS} viewers: a part is late"
    return [
        Figure("LL-HLS, one viewer: a part after its end, median", usual, "ms"),
        Figure("the same, 99 %", alone["part"][MOST], "ms"),
        Figure(f"{title}, median", many["part"][MEDIAN] - usual, "ms"),
        Figure(f"{title}, 99 %", many["part"][MOST] - usual, "ms", "< 50 ms", note),
        Figure("its playlist, 99 %", many["playlist"][MOST] - alone["playlist"][MEDIAN], "ms"),
    ]


async def _has_parts(one: BenchStreamer) -> bool:
    async with one.session.get(f"{one.base}/live/tracks-v1/index.ll.m3u8") as answer:
        return answer.status == 200 and "EXT-X-PART:" in await answer.text()


async def _watch(one: BenchStreamer, count: int) -> tuple[dict[str, Any], float]:
    """What the viewers tell, and the CPU of the egress workers in percent of a core."""
    async with helper("tests.support.part_viewers", one.http_port, "live", count) as viewers:
        await line(viewers, START_SECONDS)
        await asyncio.sleep(SETTLE_SECONDS)
        assert viewers.stdin is not None
        meter = CpuMeter(one.pids("egress"))
        viewers.stdin.write(b"\n")
        await asyncio.sleep(WINDOW_SECONDS)
        cpu = meter.percent()
        viewers.stdin.close()
        told: dict[str, Any] = json.loads(await line(viewers, START_SECONDS))
    return told, cpu
