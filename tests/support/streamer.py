"""A whole streamer as its users have it: the command, its workers, its ports."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
from media_rest.credentials import basic_header

from tests.support.ports import free_port

READY_SECONDS = 40.0
POLL_SECONDS = 0.1
ADMIN = {"Authorization": basic_header("admin", "secret")}
VIEWER = {"Authorization": basic_header("viewer", "look")}


async def until(condition: Callable[[], Awaitable[Any]], what: str, seconds: float = 30.0) -> Any:
    """The first true result of `condition`; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        if result := await condition():
            return result
        assert time.monotonic() < deadline, f"waited {seconds} s for: {what}"
        await asyncio.sleep(POLL_SECONDS)


class Streamer:
    """`streamer -c FILE` in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.config = directory / "flussonic.conf"
        self.http_port = free_port()
        self.base = f"http://127.0.0.1:{self.http_port}"
        self.process: asyncio.subprocess.Process | None = None
        self.session = aiohttp.ClientSession()
        self._log = (directory / "log").open("ab")

    def write(self, text: str) -> None:
        head = f"http 127.0.0.1:{self.http_port};\nedit_auth admin secret;\n"
        self.config.write_text(f"{head}view_auth viewer look;\n# kept\n{text}")

    @property
    def log(self) -> str:
        return (self.directory / "log").read_text()

    async def start(self, *arguments: str, **environment: str) -> None:
        """Start the command; `serve` waits until it answers."""
        env = {
            **{k: v for k, v in os.environ.items() if not k.startswith("STREAMER_")},
            "STREAMER_EGRESS_WORKERS": "1",
            "STREAMER_MEDIA_WORKERS": "1",
            "STREAMER_HOSTNAME": "host1",
            **environment,
        }
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "media_streamer.cli",
            "-c",
            str(self.config),
            *arguments,
            env=env,
            stdout=self._log,
            stderr=self._log,
        )

    async def serve(self, **environment: str) -> None:
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

    def children(self) -> list[int]:
        assert self.process is not None
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(word) for word in path.read_text().split()]

    def worker(self, kind: str, worker_id: str = "0") -> int | None:
        """Process id of a worker."""
        for pid in self.children():
            with contextlib.suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
                if f"media_streamer.{kind}.worker" in words and words[-2] == worker_id:
                    return pid
        return None

    async def stop(self) -> int | None:
        process = self.process
        if process is not None and process.returncode is None:
            process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(process.wait(), 20)
        return process.returncode if process is not None else None

    async def close(self) -> None:
        try:
            await self.stop()
        finally:
            if self.process is not None and self.process.returncode is None:
                self.process.kill()
                await self.process.wait()
            await self.session.close()
            self._log.close()


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
    out, err = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0, f"{url}: {err.decode()}"
    return sorted({line.strip() for line in out.decode().split() if line.strip()})
