"""What strangers and pages of other sites do to a whole streamer."""

import asyncio
import contextlib
import gzip
import json
import os
import re
import socket
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from media_rest.credentials import basic_header
from media_rest.guessing import FREE_FAILURES
from media_streamer.supervisor.name_quota import MAX_NAMES_OF_ADDRESS

from .conftest import ADMIN, Streamer, free_port, until

DEMO = "stream demo { input fake://fake; segment_duration 1; }\n"
FOREIGN = {"Origin": "https://evil.example"}


async def test_a_web_page_can_neither_command_nor_read(streamer: Streamer, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    target = tmp_path / "written"
    streamer.config.write_text(
        f"http 127.0.0.1:{streamer.http_port};\ncluster_key CLUSTER;\n"
        "stream cam { input rtsp://u:PASSWORD@192.0.2.1/x; disabled; }\n"
    )
    await streamer.serve(STREAMER_LOG_DIR=str(logs))
    assert "there is no edit_auth" in streamer.log
    sink = {"url": f"log://{target}"}
    for headers in (FOREIGN, {"Host": "rebound.example"}, {}):
        status, _ = await streamer.api(
            "PUT", "/event_sinks/x", auth=None, headers=headers, json=sink
        )
        assert status == 403, headers
    for headers in (FOREIGN, {"Host": "rebound.example"}, {"X-Forwarded-For": "192.0.2.9"}):
        status, text = await streamer.api("GET", "/config?full=true", auth=None, headers=headers)
        assert status == 403, headers
        assert "CLUSTER" not in json.dumps(text)
    status, config = await streamer.api("GET", "/config?full=true", auth=None)
    assert status == 200, "a program on this machine may read"
    assert not {"CLUSTER", "PASSWORD"} & set(json.dumps(config).replace('"', " ").split())
    assert (await streamer.api("GET", "/monitoring/liveness", auth=None, headers=FOREIGN))[0] == 200
    url = f"{streamer.base}/streamer/api/v3/config"
    async with streamer.session.options(url, headers=FOREIGN) as answer:
        assert answer.status == 403
        assert not [name for name in answer.headers if name.startswith("Access-Control")]
    assert not target.exists()


async def test_the_login_of_a_browser_is_of_no_use_to_other_pages(lent_streamer: Streamer) -> None:
    streamer = lent_streamer
    streamer.write(DEMO)
    await streamer.serve()
    before = streamer.config.read_text()
    page = {**ADMIN, **FOREIGN}
    for method, path in (("DELETE", "/streams/demo"), ("PUT", "/streams/x"), ("GET", "/config")):
        assert (await streamer.api(method, path, auth=page, json={}))[0] == 403, (method, path)
    image = {**ADMIN, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    assert (await streamer.api("GET", "/reload", auth=image, base="/flussonic/api"))[0] == 403
    assert (await streamer.api("GET", "/reload", base="/flussonic/api"))[0] == 200
    assert streamer.config.read_text() == before


async def test_a_server_on_every_address_gets_a_password(streamer: Streamer) -> None:
    streamer.config.write_text(f"http {streamer.http_port};\n{DEMO}")
    await streamer.serve()
    assert (await streamer.api("GET", "/streams", auth=None))[0] == 401
    password = streamer.log.split("log in as admin with the password ")[1].split()[0]
    async with streamer.session.get(f"http://admin:{password}@127.0.0.1:{streamer.http_port}"
                                    "/streamer/api/v3/streams") as answer:  # fmt: skip
        assert answer.status == 200
    kept = streamer.directory / "state" / "first_password"
    assert kept.read_text().strip() == password
    assert kept.stat().st_mode & 0o777 == 0o600
    await streamer.stop()
    await streamer.serve()
    assert streamer.log.count(password) == 1, "it is told once"


async def raw(streamer: Streamer, request: bytes, seconds: float = 5.0) -> bytes:
    """All that the server answers to these bytes until it closes or says nothing more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", streamer.http_port)
    writer.write(request)
    answer = b""
    with contextlib.suppress(TimeoutError):
        while data := await asyncio.wait_for(reader.read(65536), seconds):
            answer += data
            seconds = 1.0
    writer.close()
    return answer


async def test_bytes_that_are_no_text(lent_streamer: Streamer) -> None:
    streamer = lent_streamer
    streamer.write(DEMO)
    await streamer.serve()
    await streamer.running("demo")
    api = "/streamer/api/v3/streams"
    requests = [
        (api, f"Authorization: {ADMIN['Authorization']}\r\nUser-Agent: \xff\xfe", 200),
        (api, "Authorization: Basic \xff\xfe", 403),
        (api, "Authorization: Bearer \xff\xfe", 403),
        (api, "Authorization: Cluster 1:\xff", 403),
        (f"{api}?q=\xff", f"Authorization: {ADMIN['Authorization']}", 400),
        ("/demo/index.m3u8", "User-Agent: \xff\xfe\r\nReferer: \xff", 200),
        ("/demo/index.m3u8", "Authorization: Cluster \xff", 200),
        ("/demo/index.m3u8", "X-Forwarded-For: \xff", 200),
        ("/demo/index.m3u8?token=\xff", "X: y", 400),
        ("/de\xffmo/index.m3u8", "X: y", 400),
        ("/ui/%00", "X: y", 200),
        ("/ui/static/%00", "X: y", 400),
        ("/%00", "X: y", 400),
    ]
    for path, header, status in requests:
        request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{header}\r\n\r\n"
        answer = await raw(streamer, request.encode("latin-1"))
        assert int(answer.split()[1]) == status, (path, header, answer[:300])
    assert "Traceback" not in streamer.log


async def test_packed_bodies_are_not_unpacked(lent_streamer: Streamer) -> None:
    streamer = lent_streamer
    streamer.write(DEMO)
    await streamer.serve()
    bomb = gzip.compress(bytes(200 * 1024 * 1024), 1)
    before = peak_mib(streamer)
    packed = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    for auth, expected in ((None, 401), (ADMIN, 415)):
        began = time.monotonic()
        status, _ = await streamer.api("PUT", "/streams/x", auth=auth, headers=packed, data=bomb)
        assert status == expected
        assert time.monotonic() - began < 2.0
    assert peak_mib(streamer) - before < 50


async def test_guessing_is_slowed_down_logged_and_counted(streamer: Streamer) -> None:
    """Where the login was never used; by the API of a running server."""
    streamer.write(DEMO)
    await streamer.start()
    await until(lambda: said(streamer, "is open"), "the port is open")
    wrong = {"Authorization": basic_header("root", "a-guess")}
    answers = [(await streamer.api("GET", "/streams", auth=wrong))[0] for _ in range(20)]
    assert answers == [403] * FREE_FAILURES + [429] * (20 - FREE_FAILURES)
    lines = [line for line in streamer.log.splitlines() if "wrong password" in line]
    assert 1 <= len(lines) <= 4, streamer.log
    assert "a-guess" not in streamer.log
    assert all("from 127.0.0.1, login 'root'" in line for line in lines)
    assert (await streamer.api("GET", "/streams"))[0] == 429, "nor the right one from there"
    async with elsewhere("127.0.0.2") as http:
        url = f"{streamer.base}/streamer/api/v3/config/stats?format=openmetrics"
        async with http.get(url, headers=ADMIN) as answer:
            found = re.findall(r"server_(failed|refused)_logins\{.*\} (\d+)", await answer.text())
    assert dict(found) == {"failed": str(FREE_FAILURES), "refused": str(20 - FREE_FAILURES + 1)}


async def test_one_address_makes_a_number_of_streams_of_a_template(
    lent_streamer: Streamer,
) -> None:
    streamer, beyond = lent_streamer, 5
    streamer.write("template any { prefix any; input publish://; }\n")
    await streamer.serve()

    async def publish(address: str, names: range) -> list[int]:
        found = []
        async with elsewhere(address) as http:
            for number in names:
                url = f"{streamer.base}/any/{number}/mpegts"
                async with http.post(url, data=b"") as answer:
                    found.append(answer.status)
        return found

    answers = await publish("127.0.0.2", range(MAX_NAMES_OF_ADDRESS + beyond))
    assert answers[-beyond:] == [404] * beyond
    assert 404 not in answers[:-beyond]
    _, listed = await streamer.api("GET", "/streams?limit=1000&select=name")
    assert len(listed["streams"]) == MAX_NAMES_OF_ADDRESS
    assert "127.0.0.2 has made too many already" in streamer.log
    (neighbour,) = await publish("127.0.0.3", range(1000, 1001))
    assert neighbour == answers[0], "others may"


@contextlib.asynccontextmanager
async def elsewhere(address: str) -> AsyncIterator[aiohttp.ClientSession]:
    """A client at another address of this machine."""
    connector = aiohttp.TCPConnector(local_addr=(address, 0))
    async with aiohttp.ClientSession(connector=connector) as http:
        yield http


async def test_a_connection_ends_after_a_login_was_asked_for(lent_streamer: Streamer) -> None:
    streamer = lent_streamer
    streamer.write(DEMO)
    await streamer.serve()
    request = (
        "PUT /streamer/api/v3/streams/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"
    )
    answer = await raw(streamer, request.encode() * 2)
    assert answer.count(b"HTTP/1.1 401") == 1
    assert b"Connection: close" in answer


@pytest.mark.parametrize("withheld", ["a body", "reading"])
async def test_nobody_keeps_others_from_the_api(lent_streamer: Streamer, withheld: str) -> None:
    """Who promises a body, or asks for much and reads nothing, waits for himself."""
    streamer = lent_streamer
    streamer.write(DEMO)
    await streamer.serve()
    request = (
        b"PUT /streamer/api/v3/streams/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"
    )
    if withheld == "reading":
        request = 40 * b"GET /streamer/api/v3/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with contextlib.ExitStack() as held:
        for _ in range(300):
            one = held.enter_context(socket.socket())
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            one.bind(("127.0.0.2", 0))
            one.connect(("127.0.0.1", streamer.http_port))
            one.sendall(request)
        for _ in range(4):
            async with asyncio.timeout(20):
                assert (await streamer.api("GET", "/monitoring/liveness"))[0] == 200
        if withheld == "a body":
            one.settimeout(20)
            answer = await asyncio.to_thread(one.recv, 4096)
            assert answer.startswith(b"HTTP/1.1 401"), "a login is asked for before the body"


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "PROPFIND"])
async def test_other_methods_are_not_passed_on(lent_streamer: Streamer, method: str) -> None:
    streamer = lent_streamer
    streamer.write(DEMO)
    await streamer.serve()
    hidden = "GET /streamer/api/v3/monitoring/liveness HTTP/1.1\r\nHost: localhost\r\n\r\n"
    target = "localhost:1" if method == "CONNECT" else "/streamer/api/v3/streams"
    request = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n{hidden}"
    answer = await raw(streamer, request.encode())
    assert answer.startswith(b"HTTP/1.1 4"), answer[:200]
    assert answer.count(b"HTTP/1.1") == 1, "what follows is not read"
    assert (await streamer.api("GET", "/streams"))[0] == 200
    assert "Traceback" not in streamer.log


async def test_more_connections_than_descriptors(streamer: Streamer) -> None:
    """Who is there already is served on; who comes later waits, and the log stays short."""
    streamer.under = ("prlimit", "--nofile=256:256")
    streamer.write(DEMO)
    await streamer.serve()
    await streamer.running("demo")
    assert "256 file descriptors: 64 connections a process" in streamer.log
    before = len(streamer.log)
    with contextlib.ExitStack() as held:
        for _ in range(700):
            sock = held.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", streamer.http_port))
        status, _ = await streamer.api("GET", "/streams/demo")  # over the connection it has
        assert status == 200
        await until(lambda: said(streamer, "all 64 are open, new ones wait"), "it is said")
    await until(lambda: answers_anew(streamer), "it takes connections again")
    assert len(streamer.log) - before < 4096, streamer.log[before:][:8192]


async def test_a_crowd_leaves_nothing_behind(lent_streamer: Streamer) -> None:
    """All of it is served, and others beside it; afterwards its connections are gone."""
    streamer = lent_streamer
    rtmp = free_port()
    streamer.write(
        f"rtmp 127.0.0.1:{rtmp};\nstream demo {{ input fake://fake; segment_duration 1; }}"
    )
    await streamer.serve()
    await streamer.running("demo")
    worker = streamer.worker("egress")
    before = len(os.listdir(f"/proc/{worker}/fd"))
    crowd = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.crowd"),
        *(str(streamer.http_port), str(rtmp), "demo", "150", "30"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert crowd.stdin is not None
    assert crowd.stdout is not None
    try:
        assert await asyncio.wait_for(crowd.stdout.readline(), 60) == b"ready\n"
        assert len(os.listdir(f"/proc/{worker}/fd")) >= before + 150
        assert (await streamer.api("GET", "/streams/demo"))[0] == 200
        crowd.stdin.close()
        found = json.loads(await asyncio.wait_for(crowd.stdout.readline(), 60))
        assert found["failed"] == 0, found
    finally:
        crowd.stdin.close()
        await asyncio.wait_for(crowd.wait(), 60)

    async def gone() -> bool:
        return len(os.listdir(f"/proc/{worker}/fd")) < before + 30

    await until(gone, "its connections are closed", 60)
    assert streamer.worker("egress") == worker
    assert "stream -:" not in streamer.log, "a line for each of them would fill the disk"


async def said(streamer: Streamer, words: str) -> bool:
    return words in streamer.log


async def answers_anew(streamer: Streamer) -> bool:
    request = b"GET /demo/index.m3u8 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    return (await raw(streamer, request, 2.0)).startswith(b"HTTP/1.1 200")


def process_status(pid: int) -> str:
    return Path(f"/proc/{pid}/status").read_text()


def peak_mib(streamer: Streamer) -> int:
    """Most memory that one of the server's processes ever had."""
    assert streamer.process is not None
    peak = 0
    for pid in (streamer.supervisor, *streamer.children()):
        for line in process_status(pid).splitlines():
            if line.startswith("VmHWM:"):
                peak = max(peak, int(line.split()[1]) // 1024)
    return peak
