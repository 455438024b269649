"""Clocks that begin anew on the way, as they do after hours and weeks: FFmpeg sends with stamps
close to the end of their bits, and FFmpeg watches as they wrap."""

import asyncio
import time
from itertools import pairwise
from pathlib import Path

from tests.support.players import complaints, play

from .conftest import FilmStreamer, Launch, live

BEFORE = 12.0
"""Seconds from the beginning of a publisher to the wrap."""
SECONDS = 15.0
WRAPS = {
    "ts33": 2**33 / 90_000,  # ISO/IEC 13818-1, 2.4.3.7: 26.5 hours
    "rtmp24": 2**24 / 1000,  # the extended timestamp of a chunk begins: 4.7 hours
    "rtmp31": 2**31 / 1000,  # FFmpeg's FLV has 31 bits: 25 days
}
JUMPS = {"rtmp31"}
"""RTMP has 32 bits: a clock that begins anew after 31 jumps, which its viewers do not see."""
LONGEST_STEP = 0.06
"""Seconds between two pictures: where the film begins anew its sound has lasted 11 ms longer."""


async def test_stamps_wrap_under_a_viewer(
    streamer: FilmStreamer, film: Path, launch: Launch
) -> None:
    streamer.write("".join(f"stream {name} {{ input publish://; }}\n" for name in WRAPS))
    await streamer.serve()
    began = time.monotonic()
    for name, wrap in WRAPS.items():
        words = (*live(film), "-output_ts_offset", f"{wrap - BEFORE:.3f}")
        if name.startswith("ts"):
            url = f"{streamer.base}/{name}/mpegts"
            await launch(*words, "-f", "mpegts", "-method", "POST", url)
        else:
            await launch(*words, "-f", "flv", f"{streamer.rtmp}/static/{name}")

    async def watch(name: str) -> None:
        await streamer.running(name)
        assert time.monotonic() - began < BEFORE, "too late: nobody saw the wrap"
        seen = await play(f"{streamer.base}/{name}/mpegts", SECONDS)
        assert time.monotonic() - began > BEFORE + 1
        assert not complaints(seen, 25, ("video", "audio")), (name, streamer.log)
        steps = [after - before for before, after in pairwise(seen.dts["video"])]
        assert max(steps) < LONGEST_STEP, (name, max(steps))
        stats = (await streamer.stream(name))["stats"]["input"]
        assert bool(stats["resync_count_jump"]) == (name in JUMPS), (name, stats)

    await asyncio.gather(*(watch(name) for name in WRAPS))
