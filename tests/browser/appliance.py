"""Central as `make run` starts it: a process with an embedded PostgreSQL and a local streamer."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from media_rest.credentials import basic_header

from tests.support.ports import free_port, streamer_ports, trial_environment
from tests.support.streamer import PATIENCE_SECONDS, until

__all__ = ["ADMIN", "Appliance", "until"]

READY_SECONDS = 120.0
STOP_SECONDS = 30.0
POLL_SECONDS = 0.1
DELETES_AT_ONCE = 16
"""One after another, a thousand took longer than the test on a busy machine."""
ADMIN = {"Authorization": basic_header("admin", "admin")}


@dataclass
class Appliance:
    """One installation; it may be stopped, killed and started again with its data and ports."""

    directory: Path
    central_port: int = field(default_factory=free_port)
    ports: dict[str, int] = field(default_factory=streamer_ports)
    """Of the streamer, by listener."""
    rtsp_port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The UI of Central."""
        return f"http://127.0.0.1:{self.central_port}/"

    @property
    def streamer_port(self) -> int:
        return self.ports["http"]

    @property
    def rtmp_port(self) -> int:
        return self.ports["rtmp"]

    @property
    def streamer_url(self) -> str:
        """The UI of the streamer."""
        return f"http://127.0.0.1:{self.streamer_port}/"

    def start(self) -> None:
        """Without waiting; `ready` waits."""
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.directory),
            "DATA_DIR": str(self.directory / "data"),
            "HTTP_PORT": str(self.central_port),
            **trial_environment(self.ports),
        }
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "media_central"],
                env=environ,
                cwd=self.directory,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def wait_ready(self) -> None:
        """Until Central and the streamer answer; fails with the log after READY_SECONDS."""
        deadline = time.monotonic() + READY_SECONDS
        for port in (self.central_port, self.streamer_port):
            while True:
                with socket.socket() as sock:
                    if sock.connect_ex(("127.0.0.1", port)) == 0:
                        break
                assert self._process is not None
                ended = self._process.poll() is not None
                assert not ended, self.log()
                assert time.monotonic() < deadline, self.log()
                time.sleep(POLL_SECONDS)

    def stop(self, with_signal: signal.Signals = signal.SIGINT) -> None:
        """End it, by Ctrl-C unless told otherwise."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(with_signal)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    def log(self) -> str:
        return (self.directory / "log").read_text()

    async def streamer_api(self, method: str, path: str, body: Any = None) -> Any:
        """The answer of the streamer's API; raises aiohttp.ClientError if it is an error."""
        return await self._ask(method, f"{self.streamer_url}streamer/api/v3{path}", body)

    async def api(self, method: str, path: str, body: Any = None) -> Any:
        """The answer of Central's API; raises aiohttp.ClientError if it is an error."""
        return await self._ask(method, f"{self.url}streamer/api/v3{path}", body)

    async def _ask(self, method: str, url: str, body: Any) -> Any:
        timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
        async with (
            aiohttp.ClientSession(headers=ADMIN, timeout=timeout, raise_for_status=True) as http,
            http.request(method, url, json=body) as answer,
        ):
            return await answer.json() if answer.content_type == "application/json" else None

    async def delete_streams(self) -> None:
        """All but the demo: what runs on takes its time from the tests that follow."""
        found = await self.api("GET", "/streams?select=name&limit=10000")
        left = sorted({one["name"] for one in found["streams"]} - {"demo"})

        async def work(http: aiohttp.ClientSession) -> None:
            while left:
                url = f"{self.url}streamer/api/v3/streams/{left.pop()}"
                async with http.delete(url):
                    pass

        timeout = aiohttp.ClientTimeout(total=60)
        async with aiohttp.ClientSession(
            headers=ADMIN, timeout=timeout, raise_for_status=True
        ) as http:
            await asyncio.gather(*(work(http) for _ in range(DELETES_AT_ONCE)))

    async def running(self, name: str) -> dict[str, Any]:
        """The stream, as soon as it runs."""

        async def state() -> dict[str, Any] | None:
            stream: dict[str, Any] = await self.api("GET", f"/streams/{name}")
            return stream if stream["stats"].get("alive") else None

        found: dict[str, Any] = await until(state, f"{name} runs")
        return found
