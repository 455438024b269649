"""From connect to the first key frame, for new viewers of a running stream with a GOP of 2 s."""

import asyncio
import random
import statistics
import time

from tests.bench import _footage
from tests.bench._streamer import streamer
from tests.bench.figure import Figure
from tests.support.first_key import first_key

VIEWERS = 30
CONFIG = "stream live { input file://clips/clip.mp4; segment_duration 2; }\n"
PROTOCOLS = {"rtmp": "RTMP", "flv": "HTTP-FLV", "ts": "HTTP-TS", "llhls": "LL-HLS",
             "webrtc": "WebRTC"}  # fmt: skip
PEERS = "SRS FLV 2, lal FLV 630, go2rtc FLV 703, MediaMTX RTSP 1158"
BETWEEN_SECONDS = 0.15
"""On average; random, so that viewers come at any place of the GOP."""


def run() -> list[Figure]:
    """Milliseconds: the first viewer of a protocol (its muxer may have to start), then 30 more."""
    print(f"  other servers, median ms on a like machine: {PEERS}")
    return asyncio.run(_measure())


async def _measure() -> list[Figure]:
    figures = []
    async with streamer(CONFIG) as one:
        await one.all_running(1)
        # So that a whole GOP has passed and low-latency HLS is not told to wait for one.
        await asyncio.sleep(2 * _footage.GOP_SECONDS)
        for protocol, name in PROTOCOLS.items():
            port = one.rtmp_port if protocol == "rtmp" else one.http_port
            figures += await asyncio.to_thread(_viewers, protocol, name, port)
    return figures


def _viewers(protocol: str, name: str, port: int) -> list[Figure]:
    cold = 1000 * first_key(protocol, port, "live")
    chance = random.Random(1)
    times = []
    for _ in range(VIEWERS):
        time.sleep(chance.uniform(0, 2 * BETWEEN_SECONDS))
        times.append(1000 * first_key(protocol, port, "live"))
    return [
        Figure(f"{name}: median of {VIEWERS}", statistics.median(times), "ms", "< 50 ms"),
        Figure(f"{name}: minimum", min(times), "ms"),
        Figure(f"{name}: maximum", max(times), "ms"),
        Figure(f"{name}: first of this protocol", cold, "ms"),
    ]
