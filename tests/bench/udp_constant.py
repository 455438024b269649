"""MPEG-TS by UDP at a constant rate: when clocks arrive, beside what they say.

Arrival is the kernel's stamp of each datagram, so what Python takes to read does not count.
"""

import asyncio
import socket
import statistics
import struct
import subprocess
import sys
import time

from tests.bench._streamer import streamer
from tests.bench.figure import Figure
from tests.support.proc import CpuMeter

BIT_RATE = 3_000_000
PUSHES = 4
SECONDS = 20.0
SETTLE_SECONDS = 4.0
_SO_TIMESTAMPNS = 35  # asm-generic/socket.h
_PACKET = 188


def run() -> list[Figure]:
    """Jitter of the first of several pushes of one stream, and what a push costs."""
    return asyncio.run(_measure())


async def _measure() -> list[Figure]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        receiver.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(10)
        target = f"udp://127.0.0.1:{receiver.getsockname()[1]}"
        others = "".join(f"push udp://127.0.0.2:{9000 + n} bitrate=3M; " for n in range(PUSHES - 1))
        config = f"stream live {{ input file://clips/clip.mp4; push {target} bitrate=3M; {others}}}"
        async with streamer(config + "\n", workers=1) as one:
            await one.all_running(1)
            await asyncio.sleep(SETTLE_SECONDS)
            await asyncio.to_thread(_drain, receiver)
            meter = CpuMeter(one.pids("egress"))
            (late, size, seconds), bare = await asyncio.gather(
                asyncio.to_thread(_listen, receiver), asyncio.to_thread(_sleep)
            )
            used = meter.percent()
    late.sort()
    rate = size * 8 / seconds
    return [
        Figure("PCR jitter, half of the clocks within", 1e6 * statistics.median(late), "us"),
        _percent(late, 95),
        _percent(late, 99, "< 500 us"),
        Figure("a thread that sleeps and does nothing, 99 % within", 1e6 * bare, "us"),
        Figure("PCR jitter, the worst", 1e6 * late[-1], "us", note=f"of {len(late)} clocks"),
        Figure("rate, beside that asked for", 1e6 * (rate / BIT_RATE - 1), "ppm"),
        Figure("egress, of a core a push of 3 Mb/s", used / PUSHES, "%"),
    ]


def _percent(late: list[float], percent: int, goal: str = "") -> Figure:
    value = late[len(late) * percent // 100]
    return Figure(f"PCR jitter, {percent} % within", 1e6 * value, "us", goal)


def _sleep() -> float:
    """What the machine itself is late by, 99 %, seconds."""
    program = (
        "import time\nlate, due = [], time.monotonic()\n"
        f"for _ in range({round(SECONDS / 0.0035)}):\n"
        " due += 0.0035\n time.sleep(max(0, due - time.monotonic()))\n"
        " late.append(time.monotonic() - due)\n"
        "print(sorted(late)[len(late) * 99 // 100])"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    return float(told.stdout)


def _drain(receiver: socket.socket) -> None:
    receiver.setblocking(False)
    try:
        while True:
            receiver.recv(2048)
    except BlockingIOError:
        receiver.settimeout(10)


def _listen(receiver: socket.socket) -> tuple[list[float], int, float]:
    """How much each clock is off a steady one, seconds; bytes, and the time that they took."""
    found: list[tuple[float, float]] = []
    size, first, last = 0, 0.0, 0.0
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        data, control, _, _ = receiver.recvmsg(2048, 256)
        seconds, nanoseconds = struct.unpack("qq", control[0][2][:16])
        last = seconds + nanoseconds / 1e9
        if not first:
            first = last
        else:
            size += len(data)
        for at in range(0, len(data), _PACKET):
            packet = data[at : at + _PACKET]
            if packet[3] & 0x20 and packet[4] and packet[5] & 0x10:
                field = int.from_bytes(packet[6:12], "big")
                clock = ((field >> 15) * 300 + (field & 0x1FF)) / 27_000_000
                # A datagram arrives whole: its packets stand where they would on a wire.
                found.append((last + at * 8 / BIT_RATE - clock, last))
    # A clock of its own goes a little faster or slower, by a straight line.
    mean = statistics.fmean(off for off, _ in found)
    middle = statistics.fmean(at for _, at in found)
    slope = sum((off - mean) * (at - middle) for off, at in found)
    slope /= sum((at - middle) ** 2 for _, at in found)
    line = [off - mean - slope * (at - middle) for off, at in found]
    usual = statistics.median(line)
    return [abs(off - usual) for off in line], size, last - first
