"""`python -m tests.soak [--minutes N] [--pause SECONDS]`: does a streamer stay as it is while
streams, publishers and viewers come and go?

Fails if its memory, descriptors, threads, segments or log rise, or if somebody is not served. The
log is one of warnings and errors: there must be none. The first quarter of the run is left out:
caches fill.
"""

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from pathlib import Path

from tests.bench._footage import flash_video
from tests.soak.load import CONFIG, Load
from tests.soak.measure import floor, measure
from tests.soak.slope import fit
from tests.support.ports import free_port
from tests.support.streamer import Streamer

SAMPLE_SECONDS = 1.0
WARM_UP = 0.25


async def soak(minutes: float, seed: int, pause: float, directory: Path) -> bool:
    """True if nothing rose and nothing failed."""
    streamer, rtmp_port = Streamer(directory), free_port()
    streamer.is_forked = False
    (directory / "segments").mkdir()
    streamer.write(f"rtmp 127.0.0.1:{rtmp_port};\n{CONFIG}")
    times: list[float] = []
    samples: list[dict[str, float]] = []
    try:
        await streamer.serve(
            STREAMER_EGRESS_WORKERS="2",
            STREAMER_SEGMENTS_DIR=str(directory / "segments"),
            STREAMER_LOG_LEVEL="warning",
        )
        for name in ("one", "two"):
            await streamer.running(name)
        load = Load(streamer, rtmp_port, flash_video(), seed, pause)
        running = asyncio.create_task(load.run())
        began = time.monotonic()
        try:
            while (now := time.monotonic() - began) < 60 * minutes and not running.done():
                if now > 60 * minutes * WARM_UP:
                    times.append(now)
                    samples.append(measure(streamer))
                await asyncio.sleep(SAMPLE_SECONDS)
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
        log = "\n".join(
            line for line in streamer.log.splitlines() if "level of the log" not in line
        )
    finally:
        await streamer.close()
    print("done:  ", dict(sorted(load.done.items())))
    print("failed:", dict(sorted(load.failed.items())))
    if log:
        print(f"log, the last lines:\n{log[-3000:]}")
    return report(times, samples) and not load.failed


def report(times: list[float], samples: list[dict[str, float]]) -> bool:
    """Print the slopes; True if nothing rose."""
    good = True
    print(f"{'':26}{'mean':>10}{'by hour':>12}{'error':>10}{'rise':>9}")
    for name in samples[0]:
        slope = fit(times, [sample[name] for sample in samples])
        bad = slope.rises(floor(name))
        good &= not bad
        print(
            f"{name:26}{slope.mean:10.1f}{slope.per_hour:12.1f}{slope.error:10.1f}"
            f"{slope.rise:9.2f}{'   RISES' if bad else ''}"
        )
    return good


def main() -> int:
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--pause", type=float, default=0.3, help="between comings of the same: 10 beside other work"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as directory:
        good = asyncio.run(soak(options.minutes, options.seed, options.pause, Path(directory)))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
