"""A whole streamer as its users have it: the command, its workers, its ports."""

import asyncio
import atexit
import contextlib
import functools
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
from media_rest.credentials import basic_header

from tests.support import proc, process
from tests.support.forked import ForkServer
from tests.support.ports import free_port
from tests.support.process import Process

READY_SECONDS = 90.0
PATIENCE_SECONDS = 60.0
"""Bounds cost nothing where things work: these are for a machine that does much else."""
POLL_SECONDS = 0.1
PROGRAM = "media_streamer.cli"
LATER = (
    "media_streamer.api.server",
    "media_streamer.supervisor.supervisor",
    "media_streamer.egress.worker",
    "media_streamer.media.worker",
    "media_streamer.transcoder.worker",
)
"""What the program imports where it forked its supervisor, and what workers are forked from."""
OF_THE_INTERPRETER = ("PYTHON", "LD_")
"""Begin the names of variables that take effect before the program does."""
ADMIN = {"Authorization": basic_header("admin", "secret")}
VIEWER = {"Authorization": basic_header("viewer", "look")}


async def until(
    condition: Callable[[], Awaitable[Any]], what: str, seconds: float = PATIENCE_SECONDS
) -> Any:
    """The first true result of `condition`; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        if result := await condition():
            return result
        assert time.monotonic() < deadline, f"waited {seconds} s for: {what}"
        await asyncio.sleep(POLL_SECONDS)


@functools.cache
def _fork_server() -> ForkServer:
    """Of this process of pytest, from the first streamer on."""
    server = ForkServer(PROGRAM, *LATER)
    atexit.register(server.close)
    return server


class Streamer:
    """`streamer -c FILE` in a directory of its own.

    It may serve a test after another, each with its event loop: see `Lender`.
    """

    is_forked = True
    """From a process that has imported the program, which saves a second of CPU time; False where
    what /proc says of it matters, or what it costs."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.config = directory / "flussonic.conf"
        self.http_port = free_port()
        self.base = f"http://127.0.0.1:{self.http_port}"
        self.process: Process | None = None
        self.under: tuple[str, ...] = ()
        """The command that runs the command, if one does."""
        self._session: aiohttp.ClientSession | None = None
        self._log = (directory / "log").open("ab")
        self._log_begins = 0

    @property
    def session(self) -> aiohttp.ClientSession:
        """Of the running event loop."""
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession()
        return self._session

    def begin(self) -> None:
        """A test begins: its log is empty."""
        self._log_begins = (self.directory / "log").stat().st_size

    async def rest(self) -> None:
        """A test is over: nothing of its streams is left. Fails if it does not come to rest."""
        try:
            assert "Traceback" not in self.log, self.log
            if self.process is not None and self.process.returncode is None:
                self.write("")
                await self.reload()
                await until(self._is_idle, "the streams of the test are gone")
        finally:
            await self.session.close()

    async def _is_idle(self) -> bool:
        _, streams = await self.api("GET", "/streams")
        _, sessions = await self.api("GET", "/sessions")
        return not streams["streams"] and not sessions["sessions"]

    async def reload(self) -> None:
        """What `write` wrote takes effect."""
        status, answer = await self.api("POST", "/reload", base="/flussonic/api")
        assert status == 200, answer

    def write(self, text: str) -> None:
        head = f"http 127.0.0.1:{self.http_port};\nedit_auth admin secret;\n"
        self.config.write_text(f"{head}view_auth viewer look;\n# kept\n{text}")

    @property
    def log(self) -> str:
        """What it said since the test began."""
        return (self.directory / "log").read_bytes()[self._log_begins :].decode()

    async def start(self, *arguments: str, **environment: str) -> None:
        """Start the command; `serve` waits until it answers."""
        env = {
            **{k: v for k, v in os.environ.items() if not k.startswith("STREAMER_")},
            "STREAMER_EGRESS_WORKERS": "1",
            "STREAMER_MEDIA_WORKERS": "1",
            "STREAMER_HOSTNAME": "host1",
            "STREAMER_ACCESS_LOG": "-",
            **environment,
        }
        words = ("-c", str(self.config), *arguments)
        is_special = any(name.startswith(OF_THE_INTERPRETER) for name in environment)
        if self.is_forked and not self.under and not is_special:
            log = self.directory / "log"
            self.process = _fork_server().start(PROGRAM, *words, log=log, env=env)
            return
        command = (*self.under, sys.executable, "-m", PROGRAM, *words)
        self.process = process.start(*command, env=env, stdout=self._log, stderr=self._log)

    async def serve(self, **environment: str) -> None:
        """With what `write` wrote: it is started, or one that serves already reads it anew."""
        if self.process is not None and self.process.returncode is None:
            assert not environment, "that needs a streamer of the test's own"
            await self.reload()
            return
        await self.start(**environment)
        await until(self._is_ready, "the streamer is ready", READY_SECONDS)

    async def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.returncode is None, self.log
        with contextlib.suppress(aiohttp.ClientError):
            url = f"{self.base}/streamer/api/v3/monitoring/readiness"
            async with self.session.get(url) as answer:
                return answer.status == 200
        return False

    async def api(
        self,
        method: str,
        path: str,
        *,
        auth: Mapping[str, str] | None = ADMIN,
        headers: Mapping[str, str] | None = None,
        base: str = "/streamer/api/v3",
        **options: Any,
    ) -> tuple[int, Any]:
        """Status and JSON (None without a body) of a call to the API."""
        url = f"{self.base}{base}{path}"
        sent = {**(auth or {}), **(headers or {})}
        async with self.session.request(method, url, headers=sent, **options) as answer:
            is_json = answer.content_type == "application/json"
            return answer.status, await (answer.json() if is_json else answer.text())

    async def stream(self, name: str) -> dict[str, Any]:
        status, state = await self.api("GET", f"/streams/{name}")
        return state if status == 200 else {}

    async def running(self, name: str) -> dict[str, Any]:
        async def check() -> dict[str, Any]:
            state = await self.stream(name)
            return state if state.get("stats", {}).get("alive") else {}

        found: dict[str, Any] = await until(check, f"{name} runs")
        return found

    @property
    def supervisor(self) -> int:
        """Process id; the command itself only keeps it."""
        assert self.process is not None
        return next(pid for pid in proc.children(self.process.pid) if not _module(pid))

    def children(self) -> list[int]:
        """Process ids of the workers, whoever started them."""
        return [pid for pid in self._below() if _module(pid).endswith(".worker")]

    def fork_servers(self) -> list[int]:
        """Process ids of those that workers are forked from."""
        return [pid for pid in self._below() if _module(pid) == "media_streamer.fork_server"]

    def _below(self) -> list[int]:
        assert self.process is not None
        below = proc.children(self.process.pid)
        return [one for pid in below for one in (pid, *proc.children(pid))]

    def worker(self, kind: str, worker_id: str = "0") -> int | None:
        """Process id of a worker."""
        for pid in self.children():
            words = proc.command(pid)
            if f"media_streamer.{kind}.worker" in words and words[-1] == worker_id:
                return pid
        return None

    async def stop(self) -> int | None:
        running = self.process
        if running is not None and running.returncode is None:
            running.terminate()
            await asyncio.wait_for(running.wait(), PATIENCE_SECONDS)
        return running.returncode if running is not None else None

    async def close(self) -> None:
        try:
            await self.stop()
        finally:
            if self.process is not None and self.process.returncode is None:
                self.process.kill()
                await self.process.wait()
            await self.session.close()
            self._log.close()


def _module(pid: int) -> str:
    """That a worker, or what workers are forked from, runs; empty for the command and others."""
    words = proc.command(pid)
    for word, module in pairwise(words):
        if word == "-m" and module.endswith((".worker", ".fork_server")):
            return module
    return ""


class Lender:
    """Lends one streamer to test after test, and another one after a test that spoiled it."""

    def __init__(self, make: Callable[[], Streamer]) -> None:
        self._make = make
        self._one: Streamer | None = None

    @contextlib.asynccontextmanager
    async def lend(self) -> AsyncIterator[Any]:
        one = self._one = self._one or self._make()
        one.begin()
        try:
            yield one
            await one.rest()
        except BaseException:
            self._one = None
            await one.close()
            raise

    def close(self) -> None:
        """At the end of its scope; fails if the streamer does not end in good order."""
        if self._one is not None:
            asyncio.run(self._end(self._one))

    async def _end(self, one: Streamer) -> None:
        try:
            assert await one.stop() in {None, 0}, one.log
        finally:
            await one.close()


async def ffprobe(url: str) -> list[str]:
    """Codecs of what plays at `url`, sorted; fails on any complaint of FFmpeg."""
    process = await asyncio.create_subprocess_exec(
        "ffprobe",
        "-v",
        "error",
        "-show_entries",
        "stream=codec_name",
        "-of",
        "csv=p=0",
        url,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), PATIENCE_SECONDS)
    assert process.returncode == 0, f"{url}: {err.decode()}"
    return sorted({line.strip() for line in out.decode().split() if line.strip()})
