"""This server beside others on one machine: viewers of one stream by several protocols.

`BENCH_PEERS` names the programs of the others, with `:` between them; known are `mediamtx` and
`srs`. Every server gets the same stream from the same ffmpeg, the same viewers, and all of its
processes are counted. The cores are kept awake (`_awake`). What the stream costs while nobody
watches is told by itself: what viewers cost is what comes beyond it.
"""

import asyncio
import contextlib
import os
import socket
import statistics
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.bench import _footage
from tests.bench._awake import awake
from tests.bench._fan_out import AUDIENCES, WINDOW_SECONDS, watch
from tests.bench._streamer import streamer
from tests.bench.figure import Figure, Skipped
from tests.support.first_key import first_key
from tests.support.ports import free_port
from tests.support.proc import CpuMeter
from tests.support.streamer import until

OURS = "this server"
PROGRAMS = "BENCH_PEERS"
PROTOCOLS = "BENCH_PROTOCOLS"
"""Those that are measured, apart by blanks: `rtsp rtsp-udp`. Default: all."""
COUNTS = "BENCH_VIEWERS"
"""How many watch at once, apart by blanks: `100`. Default: 100 400."""
STREAM = "live"
PUBLISHED = f"static/{STREAM}"
NEW_VIEWERS = 15
STOP_SECONDS = 10.0
MEDIAMTX = """logLevel: warn
rtmpAddress: 127.0.0.1:{rtmp}
rtsp: yes
rtspAddress: 127.0.0.1:{rtsp}
rtspTransports: [udp, tcp]
rtpAddress: 127.0.0.1:{rtp}
rtcpAddress: 127.0.0.1:{rtcp}
hls: no
webrtc: yes
webrtcAddress: 127.0.0.1:{webrtc}
webrtcLocalUDPAddress: 127.0.0.1:{webrtc}
srt: yes
srtAddress: 127.0.0.1:{srt}
paths:
  all_others:
"""
SRS = """listen {rtmp};
max_connections 1000;
daemon off;
srs_log_tank file;
srs_log_file {directory}/srs.log;
pid {directory}/srs.pid;
http_server {{ enabled on; listen {http}; dir {directory}; }}
vhost __defaultVhost__ {{
  tcp_nodelay on;
  http_remux {{ enabled on; mount [vhost]/[app]/[stream].flv; }}
}}
"""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server that nobody publishes to yet."""

    name: str
    rtmp: int
    watched: Mapping[str, tuple[int, str]]
    """What is measured: by protocol the port, and what the stream is called there."""
    pids: Callable[[], list[int]]


def run() -> list[Figure]:
    """CPU and memory of the whole server, and milliseconds to the first key frame."""
    programs = [Path(one).absolute() for one in os.environ.get(PROGRAMS, "").split(":") if one]
    if not programs:
        raise Skipped(f"set {PROGRAMS} to the paths of mediamtx and srs, with ':' between them")
    with awake():
        return asyncio.run(_measure(programs))


async def _measure(programs: list[Path]) -> list[Figure]:
    async with _ours() as server:
        figures = await _server(server)
    for program in programs:
        async with _peer(program) as server:
            figures += await _server(server)
    return figures


@contextlib.asynccontextmanager
async def _ours() -> AsyncIterator[Server]:
    rtsp, srt = free_port(), free_port(socket.SOCK_DGRAM)
    async with streamer(
        f"rtsp 127.0.0.1:{rtsp};\nsrt 127.0.0.1:{srt};\nstream {STREAM} {{ input publish://; }}\n"
    ) as one:
        watched = {
            "rtmp": (one.rtmp_port, STREAM),
            "webrtc": (one.http_port, STREAM),
            "rtsp": (rtsp, STREAM),
            "rtsp-udp": (rtsp, STREAM),
            "srt": (srt, STREAM),
            "flv": (one.http_port, STREAM),
        }
        yield Server(OURS, one.rtmp_port, watched, one.pids)


@contextlib.asynccontextmanager
async def _peer(program: Path) -> AsyncIterator[Server]:
    ports = {name: free_port() for name in ("rtmp", "http", "webrtc", "rtsp")}
    ports["srt"] = free_port(socket.SOCK_DGRAM)
    ports["rtp"] = free_port(socket.SOCK_DGRAM) // 2 * 2
    ports["rtcp"] = ports["rtp"] + 1
    with tempfile.TemporaryDirectory(prefix="bench-peer-") as directory:
        arguments = _settings(program.name, directory, ports)
        process = await asyncio.create_subprocess_exec(
            *(program, *arguments),
            cwd=directory,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        watched = {"rtmp": (ports["rtmp"], STREAM)}
        if program.name == "srs":
            watched["flv"] = ports["http"], PUBLISHED
        else:
            watched["webrtc"] = ports["webrtc"], PUBLISHED
            watched["srt"] = ports["srt"], PUBLISHED
            watched["rtsp"] = watched["rtsp-udp"] = ports["rtsp"], PUBLISHED
        try:
            yield Server(program.name, ports["rtmp"], watched, lambda: [process.pid])
        finally:
            process.terminate()
            await asyncio.wait_for(process.wait(), STOP_SECONDS)


def _settings(program: str, directory: str, ports: Mapping[str, int]) -> tuple[str, ...]:
    """Write the settings; the arguments that name them."""
    path = Path(directory, "settings")
    text = {"mediamtx": MEDIAMTX, "srs": SRS}[program]
    path.write_text(text.format(directory=directory, **ports))
    return ("-c", str(path)) if program == "srs" else (str(path),)


@contextlib.asynccontextmanager
async def _published(server: Server) -> AsyncIterator[None]:
    url = f"rtmp://127.0.0.1:{server.rtmp}/{PUBLISHED}"
    command = ["ffmpeg", "-nostdin", "-v", "error", "-re", "-stream_loop", "-1"]
    command += ["-i", str(_footage.clip()), "-c", "copy", "-f", "flv", url]

    async def open_port() -> bool:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", server.rtmp)
            writer.close()
            return True
        return False

    async def plays() -> bool:
        assert process.returncode is None, f"{server.name} refused the publisher"
        with contextlib.suppress(OSError, ValueError):
            return await asyncio.to_thread(first_key, "rtmp", server.rtmp, STREAM) > 0
        return False

    await until(open_port, f"{server.name} listens")
    process = await asyncio.create_subprocess_exec(*command)
    try:
        await until(plays, f"{server.name} plays")
        await asyncio.sleep(2 * _footage.GOP_SECONDS)
        yield
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), STOP_SECONDS)


async def _server(server: Server) -> list[Figure]:
    figures = []
    chosen = os.environ.get(PROTOCOLS, "").split() or list(server.watched)
    async with _published(server):
        watched = {one: at for one, at in server.watched.items() if one in chosen}
        for protocol, (port, name) in watched.items():
            figures.append(await _first_picture(server, protocol, port, name))
        meter = CpuMeter(server.pids())
        await asyncio.sleep(WINDOW_SECONDS)
        alone = meter.percent()
        figures.append(Figure(f"{server.name}: one publisher, nobody watches", alone, "%"))
        for count in [int(one) for one in os.environ.get(COUNTS, "").split()] or AUDIENCES:
            for protocol, (port, name) in watched.items():
                figures += await _audience(server, protocol, port, name, count, alone)
    return figures


async def _first_picture(server: Server, protocol: str, port: int, stream: str) -> Figure:
    times = [await asyncio.to_thread(first_key, protocol, port, stream) for _ in range(NEW_VIEWERS)]
    name = f"{server.name}: {protocol.upper()}, first key frame, median of {NEW_VIEWERS}"
    worst = f"worst {1000 * max(times):.1f}"
    return Figure(name, 1000 * statistics.median(times), "ms", note=worst)


async def _audience(
    server: Server, protocol: str, port: int, name: str, count: int, alone: float
) -> list[Figure]:
    """`alone`: what the stream costs without them, percent of a core."""
    watched = await watch(protocol, port, name, count, server.pids)
    note = f"{watched.rate_mbit:.2f} Mb/s reached each, {watched.closed} cut off"
    note += f", {watched.memory_mib[0]:.0f} MiB"
    note += f"; beyond the stream alone {(watched.percent[0] - alone) * 100 / count:.2f}"
    title = f"{server.name}: {protocol.upper()}, {count} viewers, of a core per 100"
    return [Figure(title, watched.percent[0] * 100 / count, "%", note=note)]
