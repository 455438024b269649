"""This server beside others on one machine: viewers by RTMP, HTTP-FLV and WebRTC of one stream.

`BENCH_PEERS` names the programs of the others, with `:` between them; known are `mediamtx` and
`srs`. Every server gets the same stream from the same ffmpeg, the same viewers, and all of its
processes are counted.
"""

import asyncio
import contextlib
import os
import statistics
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from tests.bench import _footage
from tests.bench._fan_out import AUDIENCES, watch
from tests.bench._streamer import streamer
from tests.bench.figure import Figure, Skipped
from tests.support.first_key import first_key
from tests.support.ports import free_port
from tests.support.streamer import until

OURS = "this server"
PROGRAMS = "BENCH_PEERS"
STREAM = "live"
PUBLISHED = f"static/{STREAM}"
NEW_VIEWERS = 15
STOP_SECONDS = 10.0
MEDIAMTX = """logLevel: warn
rtmpAddress: 127.0.0.1:{rtmp}
rtsp: no
hls: no
webrtc: yes
webrtcAddress: 127.0.0.1:{webrtc}
webrtcLocalUDPAddress: 127.0.0.1:{webrtc}
srt: no
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
    flv: int | None
    """HTTP port of FLV, None if it has no such output."""
    flv_name: str
    webrtc: int | None
    """HTTP port of WHEP, None if it is not measured; the name is that of FLV."""
    pids: Callable[[], list[int]]


def run() -> list[Figure]:
    """CPU and memory of the whole server, and milliseconds to the first key frame by RTMP."""
    programs = [Path(one).absolute() for one in os.environ.get(PROGRAMS, "").split(":") if one]
    if not programs:
        raise Skipped(f"set {PROGRAMS} to the paths of mediamtx and srs, with ':' between them")
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
    async with streamer(f"stream {STREAM} {{ input publish://; }}\n") as one:
        yield Server(OURS, one.rtmp_port, one.http_port, STREAM, one.http_port, one.pids)


@contextlib.asynccontextmanager
async def _peer(program: Path) -> AsyncIterator[Server]:
    rtmp, http, webrtc = free_port(), free_port(), free_port()
    with tempfile.TemporaryDirectory(prefix="bench-peer-") as directory:
        arguments = _settings(program.name, directory, rtmp, http, webrtc)
        process = await asyncio.create_subprocess_exec(
            *(program, *arguments),
            cwd=directory,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        flv = http if program.name == "srs" else None
        try:
            whep = webrtc if program.name == "mediamtx" else None
            yield Server(program.name, rtmp, flv, PUBLISHED, whep, lambda: [process.pid])
        finally:
            process.terminate()
            await asyncio.wait_for(process.wait(), STOP_SECONDS)


def _settings(program: str, directory: str, rtmp: int, http: int, webrtc: int) -> tuple[str, ...]:
    """Write the settings; the arguments that name them."""
    path = Path(directory, "settings")
    text = {"mediamtx": MEDIAMTX, "srs": SRS}[program]
    path.write_text(text.format(rtmp=rtmp, http=http, webrtc=webrtc, directory=directory))
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
    async with _published(server):
        figures.append(await _first_picture(server, "rtmp", server.rtmp, STREAM))
        if server.webrtc is not None:
            figures.append(await _first_picture(server, "webrtc", server.webrtc, server.flv_name))
        for count in AUDIENCES:
            figures += await _audience(server, "rtmp", server.rtmp, STREAM, count)
            if server.webrtc is not None:
                figures += await _audience(server, "webrtc", server.webrtc, server.flv_name, count)
            if server.flv is not None:
                figures += await _audience(server, "flv", server.flv, server.flv_name, count)
    return figures


async def _first_picture(server: Server, protocol: str, port: int, stream: str) -> Figure:
    times = [await asyncio.to_thread(first_key, protocol, port, stream) for _ in range(NEW_VIEWERS)]
    name = f"{server.name}: {protocol.upper()}, first key frame, median of {NEW_VIEWERS}"
    worst = f"worst {1000 * max(times):.1f}"
    return Figure(name, 1000 * statistics.median(times), "ms", note=worst)


async def _audience(
    server: Server, protocol: str, port: int, name: str, count: int
) -> list[Figure]:
    watched = await watch(protocol, port, name, count, server.pids)
    note = f"{watched.rate_mbit:.2f} Mb/s reached each, {watched.closed} cut off"
    note += f", {watched.memory_mib[0]:.0f} MiB"
    title = f"{server.name}: {protocol.upper()}, {count} viewers, of a core per 100"
    return [Figure(title, watched.percent[0] * 100 / count, "%", note=note)]
