"""100 streams of 2 Mb/s, each from a file that repeats, with an HLS viewer each."""

import asyncio

from tests.bench import _density
from tests.bench.figure import Figure

STREAMS = 100


def run() -> list[Figure]:
    """Late segments, CPU and memory a stream over 30 s; one-process streamers need 40 MB each."""
    source = "file://clips/clip.mp4"
    return asyncio.run(_density.measure(STREAMS, lambda _: source, "<= 3 MiB"))
