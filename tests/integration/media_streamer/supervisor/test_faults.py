"""What goes wrong: dying workers, occupied ports, a killed supervisor, a backend that is down."""

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import threading
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.support import proc

from .conftest import Streamer, ffprobe, free_port, until

DEMO = "stream demo { input fake://fake; segment_duration 1; }\n"


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


async def test_an_egress_worker_takes_its_own_viewers_along_and_nobody_else(
    streamer: Streamer,
) -> None:
    streamer.write(DEMO)
    await streamer.serve(STREAMER_EGRESS_WORKERS="2")
    await streamer.running("demo")
    workers = {number: streamer.worker("egress", number) or 0 for number in ("0", "1")}
    viewers: dict[str, list[socket.socket]] = {"0": [], "1": []}
    head = b"GET /demo/mpegts HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with contextlib.ExitStack() as stack:
        while min(map(len, viewers.values())) < 2:  # the kernel spreads them
            sock = socket.create_connection(("127.0.0.1", streamer.http_port), 30)
            stack.enter_context(sock)
            sock.sendall(head)
            assert b" 200 " in await asyncio.to_thread(sock.recv, 4096)
            number = next(n for n, pid in workers.items() if proc.holds_peer(pid, sock))
            viewers[number].append(sock)
        # Who does not read is let go.
        reading = [threading.Thread(target=_read_to_the_end, args=[one]) for one in viewers["0"]]
        for thread in reading:
            thread.start()
            stack.callback(thread.join)
        for sock in viewers["0"]:
            stack.callback(sock.shutdown, socket.SHUT_RD)
        os.kill(workers["1"], signal.SIGKILL)
        for sock in viewers["1"]:
            assert await asyncio.to_thread(_read_to_the_end, sock)
        assert await ffprobe(f"{streamer.base}/demo/mpegts") == ["aac", "h264"], "the other serves"

        async def replaced() -> bool:
            return streamer.worker("egress", "1") not in (None, workers["1"])

        await until(replaced, "the worker is back")
        assert all(one.is_alive() for one in reading), "a viewer of the other one is cut"
        assert streamer.worker("egress", "0") == workers["0"]


def _read_to_the_end(sock: socket.socket) -> bool:
    with contextlib.suppress(ConnectionError):
        while sock.recv(1 << 18):
            pass
    return True


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
    workers = [streamer.supervisor, *streamer.children(), *streamer.fork_servers()]
    assert len(workers) == 5
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


async def test_what_workers_are_forked_from_may_be_killed(streamer: Streamer) -> None:
    """Workers do not notice, how they end is known, and the next ones come from others."""
    streamer.write(DEMO)
    await streamer.serve()
    await streamer.running("demo")
    media, egress, servers = (
        streamer.worker("media"),
        streamer.worker("egress"),
        streamer.fork_servers(),
    )
    assert media is not None
    assert egress is not None
    assert len(servers) == 2
    held = _sockets(media) | _sockets(egress)
    assert not held & {one for pid in servers for one in _sockets(pid)}, "they are not inherited"
    for pid in (*servers, media):
        os.kill(pid, signal.SIGKILL)

    async def replaced() -> bool:
        others = streamer.fork_servers()
        return streamer.worker("media") not in (None, media) and not set(servers) & set(others)

    await until(replaced, "a media worker of another server is there")
    await streamer.running("demo")
    assert streamer.worker("egress") == egress
    assert re.search(r"media worker 0 died after .* signal SIGKILL", streamer.log), streamer.log
    assert len(re.findall(r"fork server of .* died after .* signal SIGKILL", streamer.log)) == 2
    servers, workers = streamer.fork_servers(), streamer.children()
    os.kill(streamer.supervisor, signal.SIGKILL)

    async def with_the_next() -> bool:
        others = streamer.fork_servers()
        return len(others) == 2 and not set(servers) & set(others)

    await until(with_the_next, "the servers are those of the next supervisor")
    assert streamer.children() == workers


def _sockets(pid: int) -> set[str]:
    links = (os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir())
    return {link for link in links if link.startswith("socket:")}


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
