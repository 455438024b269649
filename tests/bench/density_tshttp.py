"""100 streams of 2 Mb/s, each from another HTTP-TS server, with an HLS viewer each."""

import asyncio

from tests.bench import _density, _footage
from tests.bench._streamer import helper, line
from tests.bench.figure import Figure

STREAMS = 100
SOURCE_SECONDS = 60


def run() -> list[Figure]:
    """Late segments, CPU and memory a stream over 30 s."""
    return asyncio.run(_measure())


async def _measure() -> list[Figure]:
    clip = await asyncio.to_thread(_footage.transport_stream, SOURCE_SECONDS)
    async with helper("tests.support.loop_server", clip) as server:
        base = f"tshttp://127.0.0.1:{await line(server, 30)}"
        return await _density.measure(STREAMS, lambda i: f"{base}/{i}", "<= 3 MiB")
