"""Measuring what many viewers of one stream cost, for the benchmarks `fan_out_*`."""

import asyncio
import json
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.bench import _footage
from tests.bench._streamer import BenchStreamer, helper, line, streamer
from tests.bench.figure import Figure
from tests.support.ports import free_port
from tests.support.proc import CpuMeter, resident_mib

AUDIENCES = (100, 400)
WINDOW_SECONDS = 10.0
SETTLE_SECONDS = 1.0
START_SECONDS = 60.0
CONFIG = (
    "srt 127.0.0.1:{srt};\nrtsp 127.0.0.1:{rtsp};\nstream live {{ input file://clips/clip.mp4; }}\n"
)
PEERS = "SRS 1.7-2.4, nginx-rtmp 4, lal 6-8, go2rtc 8, MediaMTX 16-20"


def measure(protocols: Sequence[str], audiences: Sequence[int] = AUDIENCES) -> list[Figure]:
    """CPU per 100 viewers of one 2.1 Mb/s stream, for each protocol and audience."""
    return asyncio.run(_measure(protocols, audiences))


async def _measure(protocols: Sequence[str], audiences: Sequence[int]) -> list[Figure]:
    figures, srt, rtsp = list[Figure](), free_port(socket.SOCK_DGRAM), free_port()
    async with streamer(CONFIG.format(srt=srt, rtsp=rtsp)) as one:
        ports = {"rtmp": one.rtmp_port, "srt": srt, "rtsp": rtsp, "rtsp-udp": rtsp}
        await one.all_running(1)
        for protocol in protocols:
            port = ports.get(protocol, one.http_port)
            for count in audiences:
                figures += await _audience(one, protocol, port, count)
    return figures


@dataclass(frozen=True, slots=True)
class Watched:
    """What an audience cost, and what it got."""

    percent: list[float]
    """Of a core, each group of processes."""
    memory_mib: list[float]
    """Resident, each group of processes."""
    rate_mbit: float
    """Reached each viewer."""
    closed: int
    """Viewers that were cut off."""


async def watch(
    protocol: str, port: int, name: str, count: int, *groups: Callable[[], list[int]]
) -> Watched:
    """Let `count` viewers watch a stream; `groups` give the processes to be measured."""
    async with helper("tests.support.viewers", protocol, port, name, count) as viewers:
        await line(viewers, START_SECONDS)
        await asyncio.sleep(SETTLE_SECONDS)
        meters = [CpuMeter(pids()) for pids in groups]
        await asyncio.sleep(WINDOW_SECONDS)
        percent = [meter.percent() for meter in meters]
        memory = [sum(map(resident_mib, pids())) for pids in groups]
        assert viewers.stdin is not None
        viewers.stdin.close()
        result = json.loads(await line(viewers, START_SECONDS))
    rate = result["bytes"] * 8 / result["seconds"] / count / 1e6
    return Watched(percent, memory, rate, result["closed"])


async def _audience(one: BenchStreamer, protocol: str, port: int, count: int) -> list[Figure]:
    def egress() -> list[int]:
        return one.pids("egress")

    def rest() -> list[int]:
        return one.pids("media") + one.pids("supervisor")

    watched = await watch(protocol, port, "live", count, egress, rest)
    used, beside = watched.percent
    goal_rate = (_footage.VIDEO_KBIT + _footage.AUDIO_KBIT) / 1000
    name = f"{protocol.upper()}, {count} viewers"
    note = f"{watched.rate_mbit:.2f} of {goal_rate:.1f} Mb/s reached each, {watched.closed} cut off"
    return [
        Figure(f"{name}: egress, of a core per 100", used * 100 / count, "%", note=note),
        Figure(f"{name}: media workers and supervisor", beside, "%", note="in all, not per 100"),
        Figure(f"{name}: resident memory of the egress", watched.memory_mib[0], "MiB"),
    ]
