"""Segments of an archive and of a film beside files that nginx sends: bytes a core and second.

All of them in the memory of the kernel, asked for in turn from another core by a client that does
not copy them; nginx sends files by sendfile. The CPU time of the server counts.

nginx has two sets of files, each file as large as one segment of the archive or of the film: what a
request costs is a larger share of a small one. The two are asked in turns, so that what else the
machine does falls on both.
"""

import asyncio
import contextlib
import getpass
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from statistics import median

import aiohttp

from tests.bench import _footage, archive
from tests.bench._streamer import streamer
from tests.bench.cache_hits import discarded, serving
from tests.bench.figure import Figure, Skipped
from tests.bench.films import segments_of
from tests.support.ports import free_port
from tests.support.proc import children, cpu_seconds

SECONDS = 3
TURNS = 3
FILM_SECONDS = 600
COUNT = 100
"""Segments that are asked for in turn."""
NGINX = """user {user}; daemon off; worker_processes 1;
pid {home}/pid; error_log {home}/error.log warn;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;
  client_body_temp_path {home}/b; proxy_temp_path {home}/p; fastcgi_temp_path {home}/f;
  uwsgi_temp_path {home}/u; scgi_temp_path {home}/s;
  server {{ listen 127.0.0.1:{port}; root {home}/files; }}
}}
"""


def run() -> list[Figure]:
    """GB for each second of CPU time, and the share that ours is of nginx's."""
    missing = [name for name in ("nginx", "taskset") if shutil.which(name) is None]
    if missing:
        raise Skipped(f"not installed: {', '.join(missing)}")
    if (os.cpu_count() or 1) < 2:
        raise Skipped("client and server need a core each")
    return asyncio.run(_run())


async def _run() -> list[Figure]:
    film = await asyncio.to_thread(_footage.film, FILM_SECONDS)
    with tempfile.TemporaryDirectory(prefix="bench-segments-") as directory:
        root = Path(directory)
        begin = int(time.time() * 1000) // archive.HOUR_MS * archive.HOUR_MS - archive.HOUR_MS
        await asyncio.to_thread(archive.write_played_hour, root, "hour", begin)
        config = f"stream hour {{ dvr {root} dvr_offline; disabled; }}\n"
        config += f"vod films {{ storage {film.parent}; }}\n"
        async with streamer(config, workers=1) as one:
            os.sched_setaffinity(one.pids("egress")[0], {max(os.sched_getaffinity(0))})
            async with aiohttp.ClientSession() as http:
                recorded = f"hour/tracks-v1/archive-{begin // 1000}-3600.fmp4.m3u8"
                played = f"films/{film.name}/tracks-v1/index.fmp4.m3u8"
                lists = [await segments_of(http, f"{one.base}/{at}") for at in (recorded, played)]
                sizes = [[await _length(http, url) for url in urls[:COUNT]] for urls in lists]
            pids = one.pids("egress")
            figures: list[Figure] = []
            async with _nginx(root / "nginx", sizes) as (url, workers):
                for number, name in enumerate(("an archive", "a film")):
                    paths = [at.removeprefix(one.base) for at in lists[number]]
                    files = [f"/{number}/{file}" for file in range(len(sizes[number]))]
                    ours, theirs = [], []
                    for _ in range(TURNS):
                        theirs.append(await _load(url, files, workers))
                        ours.append(await _load(one.base, paths, pids))
                    figures += _figures(name, sizes[number], median(ours), median(theirs))
    return figures


def _figures(name: str, sizes: list[int], ours: float, theirs: float) -> list[Figure]:
    """Of bytes for each second of CPU time."""
    note = f"of {sum(sizes) / len(sizes) / 1e6:.2f} MB on average"
    return [
        Figure(f"segments of {name}, a core and second", ours / 1e9, "GB", "", note),
        Figure(f"files as large by nginx ({name})", theirs / 1e9, "GB"),
        Figure(f"segments of {name}, beside nginx", ours / theirs, "x", ">= 0.8"),
    ]


async def _length(http: aiohttp.ClientSession, url: str) -> int:
    """Bytes of a segment; the kernel has it in memory afterwards."""
    async with http.get(url) as answer:
        answer.raise_for_status()
        return len(await answer.read())


@contextlib.asynccontextmanager
async def _nginx(home: Path, sizes: list[list[int]]) -> AsyncIterator[tuple[str, list[int]]]:
    """Its address and processes while it serves `/SET/NUMBER`, files of these sizes in bytes."""
    port, config = free_port(), home / "nginx.conf"
    for number, files in enumerate(sizes):
        folder = home / "files" / str(number)
        folder.mkdir(parents=True)
        for file, size in enumerate(files):
            (folder / str(file)).write_bytes(os.urandom(size))
    config.write_text(NGINX.format(home=home, port=port, user=getpass.getuser()))
    home.parent.chmod(0o755)
    async with serving(port, ("nginx", "-p", str(home), "-c", str(config)), {}) as (url, pid):
        yield url, [pid, *children(pid)]


async def _load(url: str, paths: list[str], pids: list[int]) -> float:
    """Bytes for each second of CPU time of the processes."""
    before = sum(map(cpu_seconds, pids))
    _, size = await discarded(url, paths[:COUNT], SECONDS)
    return size / (sum(map(cpu_seconds, pids)) - before)
