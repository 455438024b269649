"""A reload of 1,010 streams with one change: how long it takes, and what the others feel of it."""

import asyncio
import itertools
import signal
import time

from tests.bench._streamer import BenchStreamer, streamer
from tests.bench.figure import Figure
from tests.support.viewers import HOST

IDLE = 1000
RUNNING = 10
ROUNDS = 3
APPLY_SECONDS = 30.0
POLL_SECONDS = 0.005
FRAME_MS = 40
RECORD_SECONDS = 3.0
"""What the watched stream is recorded for before the first and after the last reload."""
FLV_TAG_HEADER_BYTES, FLV_TAG_TRAILER_BYTES, FLV_HEADER_BYTES, VIDEO = 11, 4, 13, 9


def run() -> list[Figure]:
    """Seconds until a changed title is served, by SIGHUP and by the API."""
    return asyncio.run(_measure())


def config(title: str) -> str:
    """The configuration, with `title` as title of one of the idle streams."""
    lines = [f"stream run{i} {{ input file://clips/clip.mp4; }}" for i in range(RUNNING)]
    lines += [
        f"stream idle{i} {{ input tshttp://192.0.2.1/{i}; static false; title T{i}; }}"
        for i in range(1, IDLE)
    ]
    lines.append(f"stream idle0 {{ input tshttp://192.0.2.1/0; static false; title {title}; }}")
    return "\n".join(lines) + "\n"


async def _measure() -> list[Figure]:
    async with streamer(config("before")) as one:
        await one.all_running(RUNNING)
        opened = await _opened(one)
        recording = asyncio.create_task(_record(one, stop := asyncio.Event()))
        await asyncio.sleep(RECORD_SECONDS)
        by_signal = [await _by_signal(one, f"signal{i}") for i in range(ROUNDS)]
        by_api = [await _by_api(one, f"api{i}") for i in range(ROUNDS)]
        await asyncio.sleep(RECORD_SECONDS)
        stop.set()
        steps, pause = await asyncio.wait_for(recording, APPLY_SECONDS)
        touched = sum(opened[name] != now for name, now in (await _opened(one)).items())
    missing = sum(max(0, round(step / FRAME_MS) - 1) for step in steps)
    return [
        Figure("SIGHUP until applied", max(by_signal), "s", "< 1 s", _spread(by_signal)),
        Figure("reload by the API until applied", max(by_api), "s", "< 1 s", _spread(by_api)),
        Figure("running streams opened anew", touched, "", "0", f"of {RUNNING}"),
        Figure("pictures that a viewer missed", missing, "", "0", f"of {len(steps) + 1}"),
        Figure("longest time without data for that viewer", pause * 1000, "ms"),
    ]


def _spread(times: list[float]) -> str:
    return f"worst of {len(times)}, best {min(times):.2f}"


async def _opened(one: BenchStreamer) -> dict[str, tuple[int, int]]:
    """When each running stream and its source began."""
    states = {f"run{i}": await one.running(f"run{i}") for i in range(RUNNING)}
    return {
        name: (state["stats"]["opened_at"], state["stats"]["started_at"])
        for name, state in states.items()
    }


async def _by_signal(one: BenchStreamer, title: str) -> float:
    one.write(config(title))
    assert one.process is not None
    began = time.monotonic()
    one.process.send_signal(signal.SIGHUP)
    await _until_served(one, title)
    return time.monotonic() - began


async def _by_api(one: BenchStreamer, title: str) -> float:
    one.write(config(title))
    began = time.monotonic()
    status, answer = await one.api("POST", "/reload", base="/flussonic/api")
    if status != 200:
        raise RuntimeError(f"the reload was refused: {answer}")
    await _until_served(one, title)
    return time.monotonic() - began


async def _until_served(one: BenchStreamer, title: str) -> None:
    async with asyncio.timeout(APPLY_SECONDS):
        while True:
            if (await one.stream("idle0")).get("title") == title:
                return
            await asyncio.sleep(POLL_SECONDS)


async def _record(one: BenchStreamer, stop: asyncio.Event) -> tuple[list[int], float]:
    """Watch a running stream: steps between its pictures in ms, longest pause in seconds."""
    reader, writer = await asyncio.open_connection(HOST, one.http_port)
    writer.write(f"GET /run0.flv HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
    try:
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(FLV_HEADER_BYTES)
        times: list[int] = []
        pause, before = 0.0, time.monotonic()
        while not stop.is_set():
            head = await reader.readexactly(FLV_TAG_HEADER_BYTES)
            now = time.monotonic()
            pause, before = max(pause, now - before), now
            size = int.from_bytes(head[1:4], "big")
            body = await reader.readexactly(size + FLV_TAG_TRAILER_BYTES)
            if head[0] == VIDEO and body[1] == 1:  # a picture, not a sequence header
                times.append(head[7] << 24 | int.from_bytes(head[4:7], "big"))
    finally:
        writer.close()
    return [after - earlier for earlier, after in itertools.pairwise(times)], pause
