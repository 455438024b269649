"""Hits of the cache program beside nginx: requests and bytes for each second of CPU time.

Both answer segments out of their own folders on one core, a client asks from another one: for one
and the same, and for many in turn, as viewers at different places do. It is wrk for small ones; of
large ones it would copy 8 KiB at a time, so that is `tests.support.discarding_client`. nginx is a
proxy with `proxy_cache` and `sendfile`, as people put before a streamer; the CPU time of the
server's processes counts, not that of the client.
"""

import asyncio
import contextlib
import getpass
import json
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import aiohttp
from aiohttp import web

from tests.bench.figure import Figure, Skipped
from tests.bench.hls_http import CONNECTIONS, FAILED, TOTAL, UNITS
from tests.support.ports import free_port
from tests.support.proc import children, cpu_seconds
from tests.support.streamer import until

SECONDS = 8
LOADS = {
    "64 KiB": (64 << 10, 1),
    "64 KiB, 100 files": (64 << 10, 100),
    "1 MiB": (1 << 20, 1),
}
"""Bytes of a file, and how many are asked for in turn."""
LARGE_BYTES = 1 << 20
Ask = Callable[[str, Sequence[str], int], Awaitable[tuple[int, int]]]
"""Asks at a URL for paths in turn, for so many seconds: requests and bytes."""
SCRIPT = """local paths, n = {{ {paths} }}, 0
request = function()
  n = n % #paths + 1
  return wrk.format("GET", paths[n])
end
"""
STOP_SECONDS = 10.0
HEADERS = {"Content-Type": "video/mp2t", "Cache-Control": "public, max-age=3600, immutable"}
NGINX = """user {user}; daemon off; worker_processes 1;
pid {home}/pid; error_log {home}/error.log warn;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;
  client_body_temp_path {home}/b; proxy_temp_path {home}/p; fastcgi_temp_path {home}/f;
  uwsgi_temp_path {home}/u; scgi_temp_path {home}/s;
  proxy_cache_path {home}/cache keys_zone=z:10m max_size=1g;
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass {origin}; proxy_cache z; proxy_cache_valid 200 1h; }}
  }}
}}
"""


def run() -> list[Figure]:
    """Ours, nginx's, and the share that ours is of it."""
    missing = [name for name in ("wrk", "nginx", "taskset") if shutil.which(name) is None]
    if missing:
        raise Skipped(f"not installed: {', '.join(missing)}")
    if (os.cpu_count() or 1) < 2:
        raise Skipped("client and server need a core each")
    return asyncio.run(_run())


async def _run() -> list[Figure]:
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        async with _origin() as origin:
            for load, (size, number) in LOADS.items():
                paths = [
                    f"/live/tracks-v1a1/2026/01/01/00/{file:02d}/{size}-02000.ts"
                    for file in range(number)
                ]
                script = Path(folder, "paths.lua")
                quoted = ", ".join(f'"{path}"' for path in paths)
                await asyncio.to_thread(_write, script, SCRIPT.format(paths=quoted))
                ask = discarded if size >= LARGE_BYTES else partial(_by_wrk, script)
                async with _ours(Path(folder, "ours"), origin) as (url, pid):
                    ours = await _load(url, paths, ask, pid)
                async with _nginx(Path(folder, "nginx"), origin) as (url, pid):
                    theirs = await _load(url, paths, ask, pid)
                note = f"nginx {theirs / 1e3:.1f} k"
                figures += [
                    Figure(f"hits of {load}, a core and second", ours / 1e3, "k", note=note),
                    Figure(f"hits of {load}, beside nginx", ours / theirs, "x", goal=">= 0.8"),
                ]
    return figures


@contextlib.asynccontextmanager
async def _origin() -> AsyncIterator[str]:
    """Segments of the size that their name says."""

    async def segment(request: web.Request) -> web.Response:
        size = int(request.path.rpartition("/")[2].partition("-")[0])
        return web.Response(body=bytes(size), headers=HEADERS)

    app = web.Application()
    app.router.add_get("/{path:.*}", segment)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def _ours(home: Path, origin: str) -> AsyncIterator[tuple[str, int]]:
    port = free_port()
    environ = {
        "CACHE_PORT": str(port),
        "CACHE_ADDRESS": "127.0.0.1",
        "CACHE_PATH": str(home),
        "CACHE_ORIGINS": origin,
    }
    async with serving(port, (sys.executable, "-m", "media_streamer.cache.cli"), environ) as one:
        yield one


@contextlib.asynccontextmanager
async def _nginx(home: Path, origin: str) -> AsyncIterator[tuple[str, int]]:
    port, config = free_port(), home / "nginx.conf"
    text = NGINX.format(home=home, port=port, origin=origin, user=getpass.getuser())
    await asyncio.to_thread(_write, config, text)
    async with serving(port, ("nginx", "-p", str(home), "-c", str(config)), {}) as one:
        yield one


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


@contextlib.asynccontextmanager
async def serving(
    port: int, command: tuple[str, ...], environ: Mapping[str, str]
) -> AsyncIterator[tuple[str, int]]:
    """It on the second core, once it listens; its URL and the process that serves."""
    _, server = sorted(os.sched_getaffinity(0))[:2]
    process = await asyncio.create_subprocess_exec(
        "taskset", "-c", str(server), *command, env={**os.environ, **environ}
    )

    async def listens() -> bool:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return True
        return False

    try:
        await until(listens, f"{command[0]} listens", 30)
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), STOP_SECONDS)


async def _load(url: str, paths: Sequence[str], ask: Ask, pid: int) -> float:
    """Hits for each second of CPU time of the process and its own."""
    async with aiohttp.ClientSession() as http:
        for path in [*paths] * 3:
            async with http.get(url + path) as answer:
                assert answer.status == 200
                await answer.read()
    family = [pid, *children(pid)]
    before = sum(map(cpu_seconds, family))
    count, _ = await ask(url, paths, SECONDS)
    return count / (sum(map(cpu_seconds, family)) - before)


async def _by_wrk(script: Path, url: str, _: Sequence[str], seconds: int) -> tuple[int, int]:
    """Requests, and some bytes."""
    process = await asyncio.create_subprocess_exec(
        *("taskset", "-c", str(client_core()), "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s"),
        *("-s", str(script), url),
        stdout=asyncio.subprocess.PIPE,
    )
    output = (await asyncio.wait_for(process.communicate(), 10 * seconds))[0].decode()
    if failed := FAILED.search(output):
        raise RuntimeError(f"{url}: {failed[0]}")
    total = TOTAL.search(output)
    assert total, output
    size = float(total[2]) * UNITS[total[3]]
    assert size > 0
    return int(total[1]), round(size)


async def discarded(url: str, paths: Sequence[str], seconds: int) -> tuple[int, int]:
    """Requests and bytes by a client that does not copy them."""
    process = await asyncio.create_subprocess_exec(
        *("taskset", "-c", str(client_core()), sys.executable, "-m"),
        *("tests.support.discarding_client", url.rpartition(":")[2], str(seconds)),
        str(CONNECTIONS),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    text = "\n".join(paths).encode()
    output, _ = await asyncio.wait_for(process.communicate(text), 10 * seconds)
    told = json.loads(output)
    assert not told["failed"], told
    return told["requests"], told["bytes"]


def client_core() -> int:
    """The one that the server is not on."""
    return min(os.sched_getaffinity(0))
