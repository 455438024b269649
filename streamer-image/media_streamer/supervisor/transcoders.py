"""Processes of transcoders: one for each stream whose media worker needs one.

Role: start what is wanted, start again what died, end what is wanted no more. A media worker may
start no programs (`cage.py`), so it says what it needs; what the processes do is between them and
it (`wire/transcoding.py`).

A transcoder is confined (`cage.py`): what it is told to lay over or to write with, it may read, and
nothing else that is configured. Where that is another file now, another process is started.

Invariants: one that dies is started again at once the first time and then with a growing pause; one
that lives when this supervisor starts is taken over by its process id; one that does not reach its
media worker in time, or does not end, is killed.
"""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from media_api.stream import StreamConfig

from media_streamer.supervisor.processes import (
    HELLO_TIMEOUT_SECONDS,
    STABLE_SECONDS,
    Process,
    WatchedProcess,
    end_process,
    how_it_died,
    pause_after,
)
from media_streamer.wire.homes import transcoders_socket

log = logging.getLogger(__name__)

MODULE = "media_streamer.transcoder.worker"
Start = Callable[[str, list[str]], Awaitable[Process]]


@dataclass(slots=True, eq=False)
class _Keeper:
    """Of one stream of one media worker."""

    stream: str
    process: Process | None = None
    task: asyncio.Task[None] | None = None
    read: frozenset[Path] = frozenset()
    """What the process may read."""
    is_there: bool = False
    """It has reached its media worker."""
    started_at: float = 0.0
    quick_deaths: int = field(default=0)

    @property
    def name(self) -> str:
        return f"transcoder of stream {self.stream}"


def files_of(config: StreamConfig) -> frozenset[Path]:
    """Logos and fonts that its transcoder reads."""
    spec = config.transcoder
    found = _files(spec.model_dump(exclude_none=True)) if spec is not None else ()
    return frozenset(path for path in map(Path, found) if path.is_absolute())


def _files(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for one in value:
            yield from _files(one)
    elif isinstance(value, dict):
        for key, one in value.items():
            if key in ("logo", "alogo", "font") and isinstance(one, dict):
                yield from (str(one[name]) for name in ("path", "file") if one.get(name))
            else:
                yield from _files(one)


class TranscoderProcesses:
    """Of all media workers. `start` starts a process, by module and arguments; raises OSError.
    `files`: what that of a stream has to read."""

    def __init__(
        self,
        runtime: Path,
        start: Start,
        files: Callable[[str], frozenset[Path]] = lambda _: frozenset(),
    ) -> None:
        self._files = files
        self._runtime = runtime
        self._start = start
        self._keepers: dict[tuple[str, str], _Keeper] = {}
        self._ending: set[asyncio.Task[None]] = set()

    def use(self, worker: str, streams: Mapping[str, int]) -> None:
        """What a media worker needs now: process ids by stream, 0 where none is there."""
        for key in [key for key in self._keepers if key[0] == worker and key[1] not in streams]:
            self._end(self._keepers.pop(key))
        for stream, pid in streams.items():
            keeper = self._keepers.get((worker, stream))
            if keeper is None:
                keeper = self._keepers[worker, stream] = _Keeper(stream)
                keeper.process = _adopted(pid, self._arguments(worker, stream))
                keeper.read = self._files(stream)
                keeper.task = asyncio.create_task(self._keep(worker, keeper), name=keeper.name)
            running = keeper.process
            keeper.is_there = pid != 0 and running is not None and running.pid == pid

    def configured(self, streams: Iterable[str]) -> None:
        """These may have other logos and fonts: their processes are replaced, before the media
        worker hears of it."""
        names = set(streams)
        for keeper in self._keepers.values():
            if keeper.stream in names and not self._files(keeper.stream) <= keeper.read:
                log.info("%s is replaced: it has other files to read", keeper.name)
                if keeper.process is not None:
                    with contextlib.suppress(ProcessLookupError):
                        keeper.process.kill()

    async def close(self) -> None:
        """End all."""
        for keeper in self._keepers.values():
            self._end(keeper)
        self._keepers.clear()
        await asyncio.gather(*self._ending, return_exceptions=True)

    def _end(self, keeper: _Keeper) -> None:
        task = asyncio.create_task(self._stop(keeper), name=keeper.name)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _stop(self, keeper: _Keeper) -> None:
        if keeper.task is not None:
            keeper.task.cancel()
            await asyncio.gather(keeper.task, return_exceptions=True)
        # It ends by itself when its media worker closes the channel.
        await end_process(keeper.process, keeper.name)

    async def _keep(self, worker: str, keeper: _Keeper) -> None:
        while True:
            try:
                if keeper.process is None:
                    keeper.process = await self._spawn(worker, keeper)
                code = await self._watch(keeper, keeper.process)
            except OSError as error:
                code = None
                log.error("%s cannot be started: %s", keeper.name, error)
            ended = keeper.process
            keeper.process, keeper.is_there = None, False
            uptime = time.monotonic() - keeper.started_at
            if code is not None:
                how = how_it_died(code, ended)
                log.error("%s died after %.1f s: %s", keeper.name, uptime, how)
            keeper.quick_deaths = 0 if uptime >= STABLE_SECONDS else keeper.quick_deaths + 1
            await asyncio.sleep(pause_after(keeper.quick_deaths))

    async def _spawn(self, worker: str, keeper: _Keeper) -> Process:
        keeper.started_at = time.monotonic()
        keeper.read = self._files(keeper.stream)
        read = (f"--read={path}" for path in sorted(keeper.read))
        process = await self._start(MODULE, [*self._arguments(worker, keeper.stream), *read])
        log.info("%s started, pid %s", keeper.name, process.pid)
        return process

    def _arguments(self, worker: str, stream: str) -> list[str]:
        """What tells one of these processes from all others."""
        return [f"--socket={transcoders_socket(self._runtime, worker)}", f"--stream={stream}"]

    async def _watch(self, keeper: _Keeper, process: Process) -> int:
        """Wait for its end; one that does not reach its media worker is killed."""
        ended = asyncio.ensure_future(process.wait())
        try:
            while True:
                done, _ = await asyncio.wait([ended], timeout=HELLO_TIMEOUT_SECONDS)
                if done:
                    return ended.result()
                if not keeper.is_there:
                    log.error("%s does not reach its media worker: killed", keeper.name)
                    with contextlib.suppress(ProcessLookupError):
                        process.kill()
        finally:
            ended.cancel()


def _adopted(pid: int, arguments: list[str]) -> Process | None:
    """A transcoder that another supervisor started with these; None if that process is none: a
    media worker that was taken over may name any."""
    if not pid:
        return None
    try:
        words = os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes()).split("\0")
        if MODULE in words and set(arguments) <= set(words):
            return WatchedProcess(pid)
    except OSError:
        pass
    return None
