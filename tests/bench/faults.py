"""Each kind of process killed while people watch by each protocol: p50 and p99 of what they see.

`FAULTS_TIMES` kills of each kind (20). One streamer takes two of each, for a media worker that dies
three times within five minutes is taken for the fault of a stream.
"""

import asyncio
import json
import os
import signal
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from tests.bench._streamer import BenchStreamer, helper, line
from tests.bench.figure import Figure
from tests.support import proc
from tests.support.ports import free_port

TIMES = int(os.environ.get("FAULTS_TIMES", "20"))
READY_SECONDS = 90.0
LOOK_SECONDS = 1.5
"""After a kill it is looked this often, until all have media again, but for twice at least."""
LOOKS = 20
STABLE_SECONDS = 32.0
"""A worker that lived so long is started again without a pause."""
FAULTS = ("supervisor", "egress", "transcoder", "lua", "media")
PROTOCOLS = ("ts", "rtmp", "rtsp", "srt", "webrtc", "hls", "llhls")
GOALS = {"media": "<= 1.6 s", "supervisor": "0"}
Seen = dict[str, dict[str, float]]


def run() -> list[Figure]:
    """Gaps by kind of process and protocol."""
    return asyncio.run(_run())


async def _run() -> list[Figure]:
    found: dict[str, list[Seen]] = defaultdict(list)
    for _ in range((TIMES + 1) // 2):
        with tempfile.TemporaryDirectory(prefix="faults-") as directory:
            for fault, seen in await _of_one(Path(directory)):
                found[fault].append(seen)
    return [figure for fault in FAULTS for figure in _figures(fault, found[fault])]


async def _of_one(directory: Path) -> list[tuple[str, Seen]]:
    one = BenchStreamer(directory)
    ports = {"http": one.http_port, "rtmp": one.rtmp_port}
    ports |= {name: free_port() for name in ("rtsp", "srt")}
    script = directory / "auth.lua"
    script.write_text("return true\n")
    one.write(
        f"rtsp 127.0.0.1:{ports['rtsp']};\nsrt 127.0.0.1:{ports['srt']};\n"
        "stream one { input fake://fake; segment_duration 1; }\n"
        "stream made { input fake://fake; transcoder vb=300k size=320x180 ab=copy; }\n"
        f"stream asked {{ input fake://fake; on_play {script}; }}\n"
    )
    told = ",".join(f"{name}={port}" for name, port in ports.items())
    rows: list[tuple[str, Seen]] = []
    try:
        await one.serve(STREAMER_EGRESS_WORKERS="2", STREAMER_MEDIA_WORKERS="1")
        await one.all_running(3)
        names = [*(f"{proto}:one" for proto in PROTOCOLS), "ts:made", "new:asked"]
        async with helper("tests.support.fault_viewers", told, *names) as watching:
            if (said := await line(watching, READY_SECONDS)) != "ready":
                raise RuntimeError(said)
            for turn in range(2):
                began = time.monotonic()
                for fault in FAULTS:
                    if fault == "media":
                        await asyncio.sleep(max(0.0, began + STABLE_SECONDS - time.monotonic()))
                    await _ask(watching)
                    os.kill(_victim(one, fault, turn), signal.SIGKILL)
                    rows.append((fault, await _recovered(watching)))
    finally:
        await one.close()
    return rows


async def _recovered(watching: asyncio.subprocess.Process) -> Seen:
    """What was seen from now until all have media again."""
    found: Seen = {}
    for look in range(LOOKS):
        await asyncio.sleep(LOOK_SECONDS)
        seen = await _ask(watching)
        for name, one in seen.items():
            known = found.setdefault(name, {"gap": 0.0, "lost": 0, "failed": 0})
            known["gap"] = max(known["gap"], one["gap"])
            known["lost"] += one["lost"]
            known["failed"] += one["failed"]
        if look and all(one["got"] for one in seen.values()):
            break
    return found


async def _ask(watching: asyncio.subprocess.Process) -> Seen:
    assert watching.stdin is not None
    watching.stdin.write(b"\n")
    seen: dict[str, Any] = json.loads(await line(watching, 10))
    return seen


def _victim(one: BenchStreamer, fault: str, turn: int) -> int:
    if fault == "supervisor":
        return one.supervisor
    if fault in ("media", "egress"):
        pid = one.worker(fault, str(turn) if fault == "egress" else "0")
        assert pid is not None, fault
        return pid
    module = {"transcoder": "media_streamer.transcoder.worker", "lua": "media_streamer.lua.process"}
    below = [*one.children(), *proc.children(one.supervisor)]
    return next(pid for pid in below if module[fault] in proc.command(pid))


def _figures(fault: str, kills: list[Seen]) -> list[Figure]:
    figures = []
    for viewer in kills[0]:
        seen = [kill[viewer] for kill in kills]
        gaps = sorted(one["gap"] for one in seen)
        lost = sum(one["lost"] > 0 for one in seen)
        failed = int(sum(one["failed"] for one in seen))
        middle, last = gaps[len(gaps) // 2], gaps[min(len(gaps) - 1, int(0.99 * len(gaps)))]
        figures.append(
            Figure(
                f"{fault} killed, {viewer}, p50 of the gap", middle, "s", GOALS.get(fault, ""),
                f"p99 {last:.2f} s of {len(gaps)}; lost in {lost}, requests failed {failed}",
            )
        )  # fmt: skip
    return figures
