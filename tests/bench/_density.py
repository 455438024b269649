"""Measuring what many streams cost, for the benchmarks `density_*`."""

import asyncio
import json
from collections.abc import Callable

from tests.bench._streamer import KINDS, BenchStreamer, helper, line, streamer
from tests.bench.figure import Figure
from tests.support.proc import CpuMeter

WINDOW_SECONDS = 30.0
START_SECONDS = 60.0
LATE = 1.5
"""A segment is late that comes later than this many durations after the one before."""
Kinds = dict[str, float]
"""A figure by kind of process."""
IDLE_STREAM = "stream idle { input file://clips/clip.mp4; segment_duration 2; static false; }\n"


async def measure(
    count: int, source: Callable[[int], str], memory_goal: str, window: float = WINDOW_SECONDS
) -> list[Figure]:
    """`count` streams of `source(number)` with an HLS viewer each."""
    names = [f"s{i}" for i in range(count)]
    async with streamer(IDLE_STREAM) as one:
        before = one.memory_mib()
        one.write(
            "".join(
                f"stream {name} {{ input {source(i)}; segment_duration 2; }}\n"
                for i, name in enumerate(names)
            )
        )
        status, answer = await one.api("POST", "/reload", base="/flussonic/api")
        if status != 200:
            raise RuntimeError(f"the reload was refused: {answer}")
        await one.all_running(count, START_SECONDS)
        return await _watched(one, names, before, memory_goal, window)


async def _watched(
    one: BenchStreamer, names: list[str], before: Kinds, memory_goal: str, window: float
) -> list[Figure]:
    # The first seconds start the muxers: viewers come before the window begins.
    warm = window / 6
    seconds = window + warm
    async with helper("tests.support.segment_viewers", one.base, seconds, *names) as viewers:
        await asyncio.sleep(warm)
        meters = {kind: CpuMeter(one.pids(kind)) for kind in KINDS}
        await asyncio.sleep(window)
        cpu = {kind: meter.percent() / len(names) for kind, meter in meters.items()}
        after, alive = one.memory_mib(), await one.alive()
        seen = json.loads(await line(viewers, START_SECONDS))
    memory = {kind: (after[kind] - before[kind]) / len(names) for kind in KINDS}
    late = [gap for gap, duration in seen["segments"] if gap > LATE * duration]
    longest = max((gap for gap, _ in seen["segments"]), default=0.0)
    rate = seen["bytes"] * 8 / seconds / len(names) / 1e6
    found = f"of {len(seen['segments'])}, {rate:.2f} Mb/s of video a viewer"
    return [
        Figure("streams alive at the end", alive, "", str(len(names))),
        Figure(f"segments later than {LATE} durations", len(late), "", "0", found),
        Figure("longest gap between segments of 2 s", longest, "s"),
        Figure("requests that failed", seen["failed"], "", "0"),
        Figure("CPU a stream, of a core", sum(cpu.values()), "%", note=_shares(cpu)),
        Figure("memory a stream", sum(memory.values()), "MiB", memory_goal, _shares(memory)),
    ]


def _shares(figures: Kinds) -> str:
    return ", ".join(f"{kind} {figure:.2f}" for kind, figure in figures.items())
