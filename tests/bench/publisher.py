"""What publishers cost before and while their streams are watched, and what an idle streamer does.

The whole server counts: supervisor, media and egress workers, user and system time; the cores are
kept awake (`_awake`).
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

from tests.bench import _footage
from tests.bench._awake import awake
from tests.bench._streamer import BenchStreamer, helper, line, streamer
from tests.bench.figure import Figure
from tests.support.proc import CpuMeter
from tests.support.streamer import until

WINDOW_SECONDS = 15.0
VIEWERS = 100
SETTLE_SECONDS = 4.0
START_SECONDS = 60.0
MANY = 100
CONFIG = "template live { prefix live; input publish://; segment_duration 2; }\n"
PEERS = "SRS 0.28, MediaMTX 1.26 with its HLS on"


def run() -> list[Figure]:
    """Percent of a core over 15 s; publishers of 2.1 Mb/s by RTMP."""
    print(f"  other servers, percent of a core a publisher: {PEERS}")
    with awake():
        return asyncio.run(_measure())


async def _measure() -> list[Figure]:
    names = [f"live/p{number}" for number in range(MANY)]
    figures = []
    async with streamer(CONFIG) as one:
        await asyncio.sleep(SETTLE_SECONDS)
        figures.append(await _figure(one, "idle streamer", "0.2 %"))
        async with _published(one, names[:1]):
            figures.append(await _figure(one, "one publisher, nobody watches", "0.8 %"))
            await _make(one, names[0])
            figures.append(await _figure(one, "the same with HLS and FLV made", "1.2 %"))
            async with helper(
                "tests.support.viewers", "rtmp", one.rtmp_port, names[0], VIEWERS
            ) as viewers:
                await line(viewers, START_SECONDS)
                await asyncio.sleep(SETTLE_SECONDS)
                title = f"one publisher, {VIEWERS} RTMP viewers"
                figures.append(await _figure(one, title, "2.5 %"))
        async with _published(one, names):
            figures.append(await _figure(one, f"{MANY} publishers, each", "0.6 %", MANY))
    return figures


@contextlib.asynccontextmanager
async def _published(one: BenchStreamer, names: list[str]) -> AsyncIterator[None]:
    arguments = (one.rtmp_port, _footage.flash_video(), *names)
    async with helper("tests.support.rtmp_publishers", *arguments) as publishers:
        await line(publishers, START_SECONDS)
        await one.all_running(len(names))
        await asyncio.sleep(SETTLE_SECONDS)
        yield
        assert publishers.stdin is not None
        publishers.stdin.close()
        result = json.loads(await line(publishers, START_SECONDS))
        rate = result["bytes"] * 8 / result["seconds"] / len(names) / 1e6
        each = result["messages"] / result["seconds"] / len(names)
        late = result["late"]
        print(f"  {rate:.2f} Mb/s in {each:.0f} messages/s each, at most {late:.2f} s late")

    async def gone() -> bool:
        return await one.alive() == 0

    await until(gone, "the publishers are gone")


async def _make(one: BenchStreamer, name: str) -> None:
    """Have formats built by viewers who come and go: they are built for a minute more."""
    async with one.session.get(f"{one.base}/{name}/index.m3u8") as answer:
        assert answer.status == 200
    async with one.session.get(f"{one.base}/{name}.flv") as answer:
        await answer.content.readexactly(1000)
    await asyncio.sleep(SETTLE_SECONDS)


async def _figure(one: BenchStreamer, name: str, goal: str, share: int = 1) -> Figure:
    kinds = ("media", "egress", "supervisor")
    meters = [CpuMeter(one.pids(kind)) for kind in kinds]
    await asyncio.sleep(WINDOW_SECONDS)
    used = [meter.percent() / share for meter in meters]
    woken = sum(meter.wake_ups() for meter in meters) / share
    note = ", ".join(f"{kind} {part:.2f}" for kind, part in zip(kinds, used, strict=True))
    note += f"; {woken:.1f} wake-ups/s"
    return Figure(name, sum(used), "%", f"<= {goal}", note)
