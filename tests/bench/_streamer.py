"""The streamer of a benchmark: all its workers, on free ports, in a directory that goes away."""

import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from tests.bench import _footage
from tests.support import proc
from tests.support.ports import free_port
from tests.support.streamer import Streamer, until

WORKERS = min(os.cpu_count() or 1, 8)
"""As many of each kind as it starts by itself."""
KINDS = ("media", "egress", "supervisor")
STOP_SECONDS = 10.0
COMPLAINT_LINES = 30


class BenchStreamer(Streamer):
    """With RTMP, the footage as VOD location `clips`, and figures of its processes."""

    is_forked = False

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.rtmp_port = free_port()

    @property
    def complaints(self) -> str:
        """The end of what its log says beyond the ordinary."""
        found = [line for line in self.log.splitlines() if " INFO " not in line]
        return "\n".join(found[-COMPLAINT_LINES:])

    def write(self, text: str) -> None:
        clips = _footage.clip().parent
        super().write(f"rtmp 127.0.0.1:{self.rtmp_port};\nvod clips {{ storage {clips}; }}\n{text}")

    async def all_running(self, count: int, seconds: float = 40.0) -> None:
        """Wait until that many streams have frames."""

        async def check() -> bool:
            return await self.alive() >= count

        await until(check, f"{count} streams run", seconds)

    async def alive(self) -> int:
        """Streams that have frames now."""
        _, answer = await self.api("GET", "/streams?limit=2000&select=name,stats.alive")
        return sum(bool(item.get("stats", {}).get("alive")) for item in answer["streams"])

    def pids(self, kind: str = "") -> list[int]:
        """Processes: `egress`, `media`, `supervisor` (that, its keeper, the fork servers), or
        all of them."""
        assert self.process is not None
        found = []
        if kind in ("", "supervisor"):
            found = [self.process.pid, self.supervisor, *self.fork_servers()]
        if kind != "supervisor":
            wanted = f"media_streamer.{kind}" if kind else "media_streamer."
            found += [p for p in self.children() if any(wanted in w for w in proc.command(p))]
        return found

    def memory_mib(self) -> dict[str, float]:
        """Proportional set of its processes, by kind."""
        return {kind: sum(map(proc.memory_mib, self.pids(kind))) for kind in KINDS}


@contextlib.asynccontextmanager
async def streamer(
    config: str, *, workers: int = WORKERS, hostname: str = "host1"
) -> AsyncIterator[BenchStreamer]:
    """A streamer that serves `config` with so many workers of each kind, stopped at the end."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        one = BenchStreamer(Path(directory))
        try:
            one.write(config)
            environment = ("STREAMER_EGRESS_WORKERS", "STREAMER_MEDIA_WORKERS")
            await one.serve(STREAMER_HOSTNAME=hostname, **dict.fromkeys(environment, str(workers)))
            yield one
        except BaseException:
            print(one.complaints, file=sys.stderr)
            raise
        finally:
            await one.close()


@contextlib.asynccontextmanager
async def helper(module: str, *arguments: object) -> AsyncIterator[asyncio.subprocess.Process]:
    """`python -m MODULE ARGUMENT…` with pipes; its input is closed at the end, which stops it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *map(str, arguments)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()


async def line(process: asyncio.subprocess.Process, seconds: float) -> str:
    """The next line that a helper prints; raises RuntimeError if it ended instead."""
    assert process.stdout is not None
    text = (await asyncio.wait_for(process.stdout.readline(), seconds)).decode().strip()
    if not text:
        raise RuntimeError("the client ended before its time")
    return text
