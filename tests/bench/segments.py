"""Segments of an archive and of a film beside files that nginx sends: bytes a core and second.

All of them in the memory of the kernel, asked for in turn from another core by a client that does
not copy them; nginx sends files by sendfile. The CPU time of the server counts.

The files of nginx are as large as the segments of the archive, 1.25 MB. Those of the film are
1.0 MB on average, of which nginx sends more bytes a second: the film's ratio flatters it.
"""

import asyncio
import getpass
import os
import shutil
import tempfile
import time
from pathlib import Path

import aiohttp

from tests.bench import _footage, archive
from tests.bench._streamer import streamer
from tests.bench.cache_hits import discarded, serving
from tests.bench.figure import Figure, Skipped
from tests.bench.films import segments_of
from tests.support.ports import free_port
from tests.support.proc import children, cpu_seconds

SECONDS = 6
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
        size = archive.EXPORT_BYTES_A_SECOND * archive.SEGMENT_SECONDS
        theirs = await _nginx(root / "nginx", size)
        config = f"stream hour {{ dvr {root} dvr_offline; disabled; }}\n"
        config += f"vod films {{ storage {film.parent}; }}\n"
        async with streamer(config, workers=1) as one:
            os.sched_setaffinity(one.pids("egress")[0], {max(os.sched_getaffinity(0))})
            async with aiohttp.ClientSession() as http:
                recorded = f"hour/tracks-v1/archive-{begin // 1000}-3600.fmp4.m3u8"
                played = f"films/{film.name}/tracks-v1/index.fmp4.m3u8"
                lists = [await segments_of(http, f"{one.base}/{at}") for at in (recorded, played)]
            ours = [
                await _load(
                    one.base, [url.removeprefix(one.base) for url in urls], one.pids("egress")
                )
                for urls in lists
            ]
    figures = [Figure("files by nginx, a core and second", theirs / 1e9, "GB")]
    for name, sent in zip(("an archive", "a film"), ours, strict=True):
        figures += [
            Figure(f"segments of {name}, a core and second", sent / 1e9, "GB"),
            Figure(f"segments of {name}, beside nginx", sent / theirs, "x", ">= 0.8"),
        ]
    return figures


async def _nginx(home: Path, size: int) -> float:
    port, config = free_port(), home / "nginx.conf"
    (home / "files").mkdir(parents=True)
    config.write_text(NGINX.format(home=home, port=port, user=getpass.getuser()))
    for number in range(COUNT):
        (home / "files" / str(number)).write_bytes(os.urandom(size))
    home.parent.chmod(0o755)
    async with serving(port, ("nginx", "-p", str(home), "-c", str(config)), {}) as (url, pid):
        return await _load(url, [f"/{number}" for number in range(COUNT)], [pid, *children(pid)])


async def _load(url: str, paths: list[str], pids: list[int]) -> float:
    """Bytes for each second of CPU time of the processes."""
    before = sum(map(cpu_seconds, pids))
    _, size = await discarded(url, paths[:COUNT], SECONDS)
    return size / (sum(map(cpu_seconds, pids)) - before)
