"""What goes wrong: dying workers, occupied ports, a killed supervisor, a backend that is down."""

import asyncio
import json
import os
import signal
import socket
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestServer

from .conftest import Streamer, ffprobe, free_port, until

DEMO = "stream demo { input fake://fake; }\n"


async def test_viewers_outlive_a_media_worker(streamer: Streamer) -> None:
    streamer.write(DEMO)
    await streamer.serve()
    await streamer.running("demo")
    async with streamer.session.get(f"{streamer.base}/demo/mpegts") as viewer:
        assert await viewer.content.readexactly(188 * 50)
        victim = streamer.worker("media")
        assert victim is not None
        os.kill(victim, signal.SIGKILL)

        async def replaced() -> bool:
            return streamer.worker("media") not in (None, victim)

        await until(replaced, "the media worker is back")
        await streamer.running("demo")
        assert await asyncio.wait_for(viewer.content.readexactly(188 * 2000), 30)
    assert await ffprobe(f"{streamer.base}/demo/index.m3u8") == ["aac", "h264"]


async def test_a_crash_while_opening_goes_to_quarantine(streamer: Streamer) -> None:
    streamer.write(DEMO)
    await streamer.serve()
    await streamer.running("demo")
    victim = streamer.worker("media")
    assert victim is not None
    os.kill(victim, signal.SIGSEGV)

    async def in_quarantine() -> int | None:
        return streamer.worker("media", "q")

    suspect = await until(in_quarantine, "the quarantine worker runs")
    await streamer.running("demo")
    os.kill(suspect, signal.SIGSEGV)

    async def held() -> bool:
        stats = (await streamer.stream("demo"))["stats"]
        return (stats["status"], stats.get("source_error")) == (
            "error",
            "input crashed the media worker",
        )

    await until(held, "the stream is held")
    async with streamer.session.get(f"{streamer.base}/demo/mpegts") as answer:
        assert answer.status == 503
    await streamer.running("demo")


async def test_viewers_come_back_after_an_egress_worker(streamer: Streamer) -> None:
    streamer.write(DEMO)
    await streamer.serve()
    await streamer.running("demo")
    victim = streamer.worker("egress")
    assert victim is not None
    os.kill(victim, signal.SIGKILL)
    await until(streamer._is_ready, "the port is open again")
    assert await ffprobe(f"{streamer.base}/demo/mpegts") == ["aac", "h264"]


async def test_an_occupied_port_ends_the_start(streamer: Streamer) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", streamer.http_port))
        other.listen()
        streamer.write(DEMO)
        await streamer.start()
        assert streamer.process is not None
        assert await asyncio.wait_for(streamer.process.wait(), 30) == 1
    assert f"127.0.0.1:{streamer.http_port}: the port is in use" in streamer.log
    assert "Traceback" not in streamer.log


async def test_an_occupied_port_at_reload_is_an_alert(streamer: Streamer) -> None:
    streamer.write(DEMO)
    await streamer.serve()
    taken, free = free_port(), free_port()
    with socket.socket() as other:
        other.bind(("127.0.0.1", taken))
        other.listen()
        body = {
            "listeners": {
                "http": [
                    {"address": "127.0.0.1", "port": port}
                    for port in (streamer.http_port, taken, free)
                ]
            }
        }
        assert (await streamer.api("PUT", "/config", json=body))[0] == 200

        async def alerted() -> bool:
            _, stats = await streamer.api("GET", "/config/stats")
            return str(taken) in stats.get("text_alerts", {}).get("listeners", "")

        await until(alerted, "the alert names the port")

    async def open_now() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", free)) == 0

    await until(open_now, "the free port is open")


async def test_nothing_outlives_the_command(streamer: Streamer) -> None:
    """What it keeps ends in order when it is killed."""
    streamer.write(DEMO)
    await streamer.serve()
    workers = [streamer.supervisor, *streamer.children()]
    assert len(workers) == 3
    assert streamer.process is not None
    os.kill(streamer.process.pid, signal.SIGKILL)
    await streamer.process.wait()

    async def all_gone() -> bool:
        return not any(_runs(pid) for pid in workers)

    await until(all_gone, "the supervisor and its workers are gone", 40)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_streams_of_the_backend_outlive_it(streamer: Streamer) -> None:
    up = True
    streams = [{"name": "ext", "inputs": [{"url": "fake://fake"}]}]

    async def answer(request: web.Request) -> web.Response:
        if not up:
            return web.Response(status=500)
        return web.Response(text=json.dumps({"streams": streams}), content_type="application/json")

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    async with TestServer(app) as server:
        url = str(server.make_url("/api")).replace("http://", "http://KEY@")
        streamer.write(f"config_external {url};\n")
        await streamer.serve()
        assert (await streamer.running("ext"))["named_by"] == "external"
        assert (await streamer.api("PUT", "/streams/x", json={"title": "no"}))[0] == 400
        assert "stream ext" not in streamer.config.read_text()
        state = streamer.directory / "state" / "config_external.json"
        assert state.exists()
        up = False

        async def reported() -> bool:
            _, stats = await streamer.api("GET", "/config/stats")
            return bool(stats["streamer_status"] == "config_external_error")

        await until(reported, "the outage is reported")
        await streamer.running("ext")
        await streamer.stop()
        await streamer.serve()
        await streamer.running("ext")
    assert "KEY" not in streamer.log
