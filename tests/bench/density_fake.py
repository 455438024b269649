"""20 test streams (`fake://`) of equal settings, sharing one encoder, with an HLS viewer each."""

import asyncio

from tests.bench import _density
from tests.bench.figure import Figure

STREAMS = 20
WINDOW_SECONDS = 12.0


def run() -> list[Figure]:
    """Late segments, CPU and memory a stream over 12 s."""
    return asyncio.run(_density.measure(STREAMS, lambda _: "fake://fake", "", WINDOW_SECONDS))
