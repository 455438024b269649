"""`make run` from warm caches, and a new stream from its PUT to its first bytes at a player."""

import asyncio
import contextlib
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from media_rest.credentials import basic_header

from tests.bench.figure import Figure
from tests.support import hls_rules
from tests.support.ports import free_port, streamer_ports, trial_environment

ROUNDS = 3
START_SECONDS = 120.0
STREAM_SECONDS = 30.0
STOP_SECONDS = 30.0
POLL_SECONDS = 0.02
LOGIN = {"Authorization": basic_header("admin", "admin")}
TS_PACKET_BYTES = 188
_INIT = re.compile(r'#EXT-X-MAP:URI="([^"]*)"')


def run() -> list[Figure]:
    """Seconds; the worst of three new streams, each with an encoder of its own."""
    return asyncio.run(_measure())


@dataclass
class Trial:
    """Central, PostgreSQL and a streamer as `make run` starts them, with empty data."""

    directory: Path
    central: str = field(default_factory=lambda: f"http://127.0.0.1:{free_port()}")
    streamer: str = field(default_factory=lambda: f"http://127.0.0.1:{free_port()}")
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.directory),
            "DATA_DIR": str(self.directory / "data"),
            "HTTP_PORT": self.central.rpartition(":")[2],
            **trial_environment(streamer_ports() | {"http": int(self.streamer.rpartition(":")[2])}),
        }
        with (self.directory / "log").open("wb") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "media_central"),
                env=environ,
                cwd=self.directory,
                stdout=log,
                stderr=log,
            )

    async def stop(self) -> None:
        process = self.process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGINT)
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()

    async def until(self, condition: Callable[[], Awaitable[bool]], seconds: float) -> None:
        """Poll; raises TimeoutError, RuntimeError if Central has ended."""
        async with asyncio.timeout(seconds):
            while True:
                with contextlib.suppress(aiohttp.ClientConnectionError):
                    if await condition():
                        return
                if self.process is None or self.process.returncode is not None:
                    raise RuntimeError((self.directory / "log").read_text()[-4000:])
                await asyncio.sleep(POLL_SECONDS)


@contextlib.asynccontextmanager
async def _trial() -> AsyncIterator[Trial]:
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        trial = Trial(Path(directory))
        try:
            yield trial
        finally:
            await trial.stop()


async def _measure() -> list[Figure]:
    timeout = aiohttp.ClientTimeout(total=STREAM_SECONDS)
    async with _trial() as trial, aiohttp.ClientSession(timeout=timeout) as http:
        began = time.monotonic()
        await trial.start()
        await trial.until(lambda: _answers(http, f"{trial.central}/"), START_SECONDS)
        interface = time.monotonic() - began
        demo = f"{trial.streamer}/demo/mpegts"
        await trial.until(lambda: _has_packet(http, demo), START_SECONDS)
        playing = time.monotonic() - began
        parts = [await _new_stream(trial, http, i, _plays) for i in range(ROUNDS)]
        packets = [await _new_stream(trial, http, ROUNDS + i, _has_ts) for i in range(ROUNDS)]
    return [
        Figure("start to the first page of the UI", interface, "s", "< 20 s"),
        Figure("start to the demo stream's first packet", playing, "s"),
        Figure("PUT to the first LL-HLS part", max(parts), "s", "< 3 s", _spread(parts)),
        Figure("PUT to the first HTTP-TS packet", max(packets), "s", "< 3 s", _spread(packets)),
    ]


def _spread(times: list[float]) -> str:
    return f"worst of {len(times)}, best {min(times):.2f}"


async def _new_stream(
    trial: Trial,
    http: aiohttp.ClientSession,
    number: int,
    plays: Callable[[aiohttp.ClientSession, str], Awaitable[bool]],
) -> float:
    name = f"new{number}"
    # Equal settings would share the encoder of the demo stream, which runs already.
    source = {"url": "fake://fake", "bitrate": 600_000 + number * 10_000}
    api = f"{trial.central}/streamer/api/v3/streams/{name}"
    began = time.monotonic()
    async with http.put(api, headers=LOGIN, json={"inputs": [source]}) as answer:
        answer.raise_for_status()
    await trial.until(lambda: plays(http, f"{trial.streamer}/{name}"), STREAM_SECONDS)
    seconds = time.monotonic() - began
    async with http.delete(api, headers=LOGIN) as answer:
        answer.raise_for_status()
    return seconds


async def _answers(http: aiohttp.ClientSession, url: str) -> bool:
    async with http.get(url) as answer:
        return answer.status == 200 and b"<html" in (await answer.read()).lower()


async def _has_ts(http: aiohttp.ClientSession, stream: str) -> bool:
    return await _has_packet(http, f"{stream}/mpegts")


async def _has_packet(http: aiohttp.ClientSession, url: str) -> bool:
    async with http.get(url) as answer:
        if answer.status != 200:
            return False
        return len(await answer.content.read(TS_PACKET_BYTES)) > 0


async def _plays(http: aiohttp.ClientSession, stream: str) -> bool:
    """An initialisation section and an independent part of the video can be fetched."""
    text = await _text(http, f"{stream}/tracks-v1/index.ll.m3u8")
    inits = _INIT.findall(text)
    if not inits:
        return False
    playlist = hls_rules.parse(text)
    parts = [part for segment in playlist.segments for part in segment.parts]
    keys = [part.uri for part in parts + playlist.open_parts if part.independent]
    wanted = [f"{stream}/tracks-v1/{uri}" for uri in (*inits[-1:], *keys[-1:])]
    return bool(keys) and all([await _fetched(http, url) for url in wanted])


async def _text(http: aiohttp.ClientSession, url: str) -> str:
    async with http.get(url) as answer:
        return await answer.text() if answer.status == 200 else ""


async def _fetched(http: aiohttp.ClientSession, url: str) -> bool:
    async with http.get(url) as answer:
        return answer.status == 200 and bool(await answer.read())
