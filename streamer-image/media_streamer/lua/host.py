"""The processes of scripts, as their owner sees them: run this script with these values.

Invariants: a script that does not answer in time is killed with all of its runs, and started again
at the next one; it never holds up anything but who asked it. As many runs at a time as are bounded,
as many processes as are bounded; one that nobody asked for a while is ended.
"""

import asyncio
import contextlib
import itertools
import json
import logging
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

MAX_SCRIPTS = 32
MAX_RUNS = 16
"""Of one script at a time; others wait their turn."""
IDLE_SECONDS = 300.0
LINE_BYTES = 4 * 1024 * 1024
STALE_SECONDS = 10.0
"""How long a process whose script was replaced lives on."""
END_SECONDS = 2.0
"""For a process that has closed its output to end by itself."""
START_PAUSE_SECONDS = 1.0
"""Between two starts of one script, so that one that kills its process costs no core."""
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING}


class _Stale(Exception):  # noqa: N818 - a way to go, not a fault
    """The file is another one, which the process cannot read."""


class ScriptFailed(Exception):  # noqa: N818 - what is said of it
    """It did not do what it should; the text says why, for people."""


class ScriptHost:
    """All scripts of a server, by path."""

    def __init__(self) -> None:
        self._scripts: dict[Path, _Script] = {}

    async def run(self, path: Path, given: Mapping[str, Any], seconds: float) -> list[Any]:
        """Values that the script returns. Raises ScriptFailed."""
        script = self._scripts.get(path)
        if script is None:
            if len(self._scripts) >= MAX_SCRIPTS:
                await self._make_room()
            script = self._scripts[path] = _Script(path)
        return await script.run(given, seconds)

    async def _make_room(self) -> None:
        idle = [one for one in self._scripts.values() if one.is_idle]
        if not idle:
            raise ScriptFailed(f"{MAX_SCRIPTS} scripts run already")
        oldest = min(idle, key=lambda one: one.used_at)
        del self._scripts[oldest.path]
        await oldest.close()

    async def sweep(self) -> None:
        """End processes that nobody asked for a while."""
        now = time.monotonic()
        for script in list(self._scripts.values()):
            if script.is_idle and now - script.used_at > IDLE_SECONDS:
                self._scripts.pop(script.path, None)
                await script.close()

    async def close(self) -> None:
        """Kill all of them."""
        scripts, self._scripts = list(self._scripts.values()), {}
        await asyncio.gather(*(one.close() for one in scripts))


class _Script:
    """One script and its process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.used_at = time.monotonic()
        self._turns = asyncio.Semaphore(MAX_RUNS)
        self._starting = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._numbers = itertools.count(1)
        self._runs: dict[int, tuple[asyncio.subprocess.Process, asyncio.Future[list[Any]]]] = {}
        self._started_at = -START_PAUSE_SECONDS
        self._users = 0

    @property
    def is_idle(self) -> bool:
        return not self._users

    async def run(self, given: Mapping[str, Any], seconds: float) -> list[Any]:
        self._users += 1
        self.used_at = time.monotonic()
        try:
            async with asyncio.timeout(seconds):
                async with self._turns:
                    try:
                        return await self._run(given)
                    except _Stale:
                        pass
                    try:
                        return await self._run(given)
                    except _Stale as stale:  # it is replaced again and again
                        raise ScriptFailed(str(stale)) from None
        except TimeoutError:
            raise ScriptFailed(f"it does not answer within {seconds:g} s") from None
        finally:
            self._users -= 1

    async def _run(self, given: Mapping[str, Any]) -> list[Any]:
        process = await self._started()
        number = next(self._numbers)
        answer: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self._runs[number] = process, answer
        try:
            assert process.stdin is not None
            line = json.dumps({"id": number, "globals": given}, ensure_ascii=False)
            process.stdin.write(line.encode("utf-8", "replace") + b"\n")
            await process.stdin.drain()
            return await answer
        except ConnectionError:
            raise ScriptFailed("its process has ended") from None
        except asyncio.CancelledError:
            if number in self._runs:
                self._kill(process, "a run of it takes too long")
            raise
        finally:
            self._runs.pop(number, None)

    async def _started(self) -> asyncio.subprocess.Process:
        async with self._starting:
            process = self._process
            if process is not None and process.returncode is None:
                return process
            await asyncio.sleep(self._started_at + START_PAUSE_SECONDS - time.monotonic())
            self._started_at = time.monotonic()
            process = self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "media_streamer.lua.process",
                str(self.path),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=LINE_BYTES,
                env=_environment(),
            )
            self._reader = asyncio.create_task(self._read(process), name=f"script {self.path}")
            return process

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        try:
            while line := await process.stdout.readline():
                self._take(json.loads(line))
            # Its end is under way. Who sends a signal to a process that has ended takes its exit
            # status away from asyncio, which complains.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(END_SECONDS):
                    await process.wait()
        except (ValueError, KeyError, TypeError) as error:
            log.error("script %s: what it says cannot be read: %s", self.path, error)
        finally:
            if process.returncode is None:
                self._kill(process, "")
            await process.wait()
            self._end(process)

    def _take(self, told: dict[str, Any]) -> None:
        if "log" in told:
            level = _LEVELS.get(told["log"], logging.ERROR)
            log.log(level, "script %s: %s", self.path, told["text"])
            return
        process, answer = self._runs.pop(told["id"], (None, None))
        if process is not None and "stale" in told:
            self._replace(process)
        if answer is None or answer.done():
            return
        if "stale" in told:
            answer.set_exception(_Stale(told["error"]))
        elif "error" in told:
            answer.set_exception(ScriptFailed(told["error"]))
        else:
            answer.set_result(told["result"])

    def _end(self, process: asyncio.subprocess.Process) -> None:
        if self._process is process:
            self._process = None
        for number, (whose, answer) in list(self._runs.items()):
            if whose is process:
                del self._runs[number]
                if not answer.done():
                    answer.set_exception(
                        ScriptFailed(f"its process ended ({process.returncode}), see its limits")
                    )

    def _replace(self, process: asyncio.subprocess.Process) -> None:
        """The next run starts another one; what runs in this one may come to its end."""
        if self._process is process:
            self._process = None
            asyncio.get_running_loop().call_later(STALE_SECONDS, self._kill, process, "")

    def _kill(self, process: asyncio.subprocess.Process, reason: str) -> None:
        if process.returncode is not None:
            return
        if reason:
            log.error("script %s is killed: %s", self.path, reason)
        if self._process is process:
            self._process = None  # the next run starts another one
        with contextlib.suppress(ProcessLookupError):
            process.kill()

    async def close(self) -> None:
        process, reader = self._process, self._reader
        if process is not None:
            self._kill(process, "")
        if reader is not None:
            await asyncio.gather(reader, return_exceptions=True)


_ENVIRONMENT = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "SSL_CERT_FILE", "SSL_CERT_DIR", "TZ")
"""What a script's process gets of ours: nothing that holds a secret."""


def _environment() -> dict[str, str]:
    kept = {key: os.environ[key] for key in _ENVIRONMENT if key in os.environ}
    # glibc sets 64 MiB of addresses aside for each thread, of which the process has a bound.
    return {**kept, "MALLOC_ARENA_MAX": "2"}
