"""Pushes of one stream to 50 targets at once: CPU of a target by protocol, and who is late.

The cores are kept awake (`_awake`).
"""

import asyncio
import json
from collections.abc import Mapping

from tests.bench import _footage
from tests.bench._awake import awake
from tests.bench._streamer import helper, line, streamer
from tests.bench.figure import Figure
from tests.support.proc import CpuMeter

TARGETS = 50
MIX = {"rtmp": 13, "http": 13, "udp": 12, "srt": 12}
WINDOW_SECONDS = 12.0
SETTLE_SECONDS = 5.0
START_SECONDS = 60.0
STEP_SECONDS = 0.32
"""Targets of a kind are written to in pieces of up to this (`egress/pace.py`)."""


def run() -> list[Figure]:
    """Percent of a core a target of 2.1 Mb/s; how far the slowest one is behind the others."""
    figures = []
    with awake():
        for name, kinds in (
            ("a mix", MIX),
            *((kind.upper(), {kind: TARGETS}) for kind in MIX),
        ):
            figures += asyncio.run(_measure(name, kinds))
    return figures


async def _measure(name: str, kinds: Mapping[str, int]) -> list[Figure]:
    counts = [f"{kind}={count}" for kind, count in kinds.items()]
    async with helper("tests.support.push_targets", *counts) as taking:
        urls = json.loads(await line(taking, START_SECONDS))
        pushes = " ".join(f"push {url} retry_timeout=1;" for url in urls)
        config = f"stream live {{ input file://clips/clip.mp4; {pushes} }}\n"
        async with streamer(config, workers=1) as one:
            await one.all_running(1)
            await asyncio.sleep(SETTLE_SECONDS)
            assert taking.stdin is not None
            meters = [CpuMeter(one.pids(kind)) for kind in ("egress", "media", "supervisor")]
            taking.stdin.write(b"\n")
            await asyncio.sleep(WINDOW_SECONDS)
            egress, media, supervisor = (meter.percent() for meter in meters)
            taking.stdin.close()
            told = json.loads(await line(taking, START_SECONDS))
    rate = (_footage.VIDEO_KBIT + _footage.AUDIO_KBIT) * 1000
    slowest = min(one["rate"] for one in told)
    behind = max(one["behind"][-1] * 8 / one["rate"] if one["rate"] else 99.0 for one in told)
    usual = max(_percentile(one["behind"], 95) * 8 / max(one["rate"], 1) for one in told)
    note = f"{slowest / 1e6:.2f} of {rate / 1e6:.1f} Mb/s and more reached each"
    count = sum(kinds.values())
    return [
        Figure(f"{name}, {count} targets: egress, of a core", egress, "%", note=note),
        Figure(f"{name}: the same, each target", egress / count, "%"),
        Figure(f"{name}: media worker and supervisor", media + supervisor, "%"),
        Figure(f"{name}: the slowest is behind, 95 % of the time", 1000 * usual, "ms"),
        Figure(f"{name}: the slowest is behind, the worst", 1000 * behind, "ms"),
        Figure(f"{name}: longest silence", 1000 * max(one["silence"] for one in told), "ms"),
    ]


def _percentile(values: list[int], percent: int) -> int:
    return values[len(values) * percent // 100] if values else 0
