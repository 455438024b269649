"""SRT: from the clock of a picture to FFmpeg having decoded it, and from connect to a key frame."""

import asyncio
import contextlib
import statistics
import time

import numpy as np
from media_streamer.protocols.fake.encoder import FakeSettings
from media_streamer.protocols.srt.libsrt import MAX_MESSAGE_BYTES, Option, SrtSocket, ffi

from tests.bench._streamer import BenchStreamer, streamer
from tests.bench.figure import Figure
from tests.support.first_key import TIMEOUT_SECONDS, ts_has_key
from tests.support.picture_clock import PictureClock
from tests.support.ports import free_port

LATENCY_MS = 120
GOAL = f"< {LATENCY_MS + 100} ms"
FRAMES = 100
SETTLE_FRAMES = 75
VIEWERS = 15
PLAYER = [
    "-fflags",
    "nobuffer",
    "-flags",
    "low_delay",
    "-analyzeduration",
    "0",
    "-probesize",
    "5000",
]


def run() -> list[Figure]:
    """Milliseconds, client and server on one machine."""
    return asyncio.run(_measure())


async def _measure() -> list[Figure]:
    port = free_port()
    config = f"srt 127.0.0.1:{port};\nstream clock {{ input fake://fake; }}\n"
    async with streamer(config) as one:
        await one.all_running(1)
        first = [1000 * await asyncio.to_thread(_first_key, port) for _ in range(VIEWERS)]
        found = sorted(await _glass_to_glass(one, port))
    note = f"90 % below {found[len(found) * 9 // 10]:.0f}, worst {found[-1]:.0f}"
    name = f"SRT, latency {LATENCY_MS} ms: glass to glass, median of {len(found)}"
    shown = f"SRT, latency {LATENCY_MS} ms: first key, median of {VIEWERS}"
    return [
        Figure(name, statistics.median(found), "ms", GOAL, note),
        Figure(shown, statistics.median(first), "ms", "< 300 ms", f"worst {max(first):.0f}"),
    ]


async def _glass_to_glass(one: BenchStreamer, port: int) -> list[float]:
    """How old pictures are as they come out of the decoder of a player that holds none back."""
    size = FakeSettings()
    url = f"srt://127.0.0.1:{port}?streamid=clock&latency={1000 * LATENCY_MS}"
    process = await asyncio.create_subprocess_exec(
        "ffmpeg", "-nostdin", "-v", "error", *PLAYER, "-i", url, "-map", "0:v",
        "-f", "rawvideo", "-pix_fmt", "gray", "-fps_mode", "passthrough", "-flush_packets", "1",
        "-", stdout=asyncio.subprocess.PIPE, limit=1 << 24,
    )  # fmt: skip
    assert process.stdout is not None
    clock, found = PictureClock(size.width, size.height), []
    try:
        for number in range(SETTLE_FRAMES + FRAMES):
            async with asyncio.timeout(TIMEOUT_SECONDS):
                data = await process.stdout.readexactly(size.width * size.height)
            now = time.time()
            luma = np.frombuffer(data, np.uint8).reshape(size.height, size.width)
            if number >= SETTLE_FRAMES:
                found.append(1000 * (now - clock.read(luma)))
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    return found


def _first_key(port: int) -> float:
    """Seconds until a new viewer has the first packet of a key frame, with what SRT waits for."""
    began, data = time.monotonic(), b""
    sock = SrtSocket.blocking(round(1000 * TIMEOUT_SECONDS))
    try:
        sock.set_flag(Option.STREAMID, "clock")
        sock.connect("127.0.0.1", port)
        while not ts_has_key(data):
            data += sock.receive(ffi.new("char[]", MAX_MESSAGE_BYTES)) or b""
    finally:
        sock.close()
    return time.monotonic() - began
