"""20 cameras of 2 Mb/s by RTSP, from another server, with an HLS viewer each."""

import asyncio
import os

from tests.bench import _density
from tests.bench._streamer import streamer
from tests.bench.figure import Figure
from tests.support.ports import free_port

STREAMS = 20
SCHEME = os.environ.get("BENCH_RTSP_SCHEME", "rtsp")
"""`rtsp-udp` measures packets by UDP."""


def run() -> list[Figure]:
    """Late segments, CPU and memory a stream over 30 s."""
    return asyncio.run(_measure())


async def _measure() -> list[Figure]:
    port = free_port()
    camera = (
        f"rtsp 127.0.0.1:{port};\n"
        "stream cam { input file://clips/clip.mp4; segment_duration 2; }\n"
    )
    async with streamer(camera, workers=1, hostname="camera") as one:
        await one.all_running(1)
        source = f"{SCHEME}://127.0.0.1:{port}/cam"
        return await _density.measure(STREAMS, lambda _: source, "<= 3 MiB")
