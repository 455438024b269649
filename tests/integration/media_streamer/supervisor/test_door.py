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
import av
import pytest
from media_rest.credentials import basic_header
from media_rest.guessing import FREE_FAILURES
from media_streamer import cage
from media_streamer.supervisor.name_quota import MAX_NAMES_OF_ADDRESS

from tests.support.certificates import make_chain

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


async def test_media_workers_are_confined(streamer: Streamer) -> None:
    streamer.is_forked = False
    streamer.write(DEMO)
    await streamer.serve(STREAMER_CLUSTER_KEY="CLUSTER", PGPASSWORD="CLUSTER")
    await streamer.running("demo")
    worker = streamer.worker("media") or 0
    assert "NoNewPrivs:\t1\n" in process_status(worker)
    words = "Landlock" if cage.version() else "no Landlock in this kernel"
    assert re.search(f"media 0: confined: no new privileges.*{words}", streamer.log)
    for pid in (worker, streamer.worker("egress") or 0):
        assert b"CLUSTER" not in environment(pid)


ATTACK = """
import asyncio, json, os, socket, sys, threading
def attack(wanted):
    got = []
    for path in wanted:
        try:
            os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(1)
            got.append(path)
        except OSError:
            pass
    for folder in filter(os.path.isdir, wanted):
        try:
            open(os.path.join(folder, "written"), "w").close()
            got.append("written: " + folder)
        except OSError:
            pass
    return got
def run(main, usual=asyncio.run):
    words = json.load(open(os.path.join(os.path.dirname(__file__), "wanted.json")))
    got = attack(words)
    thread = threading.Thread(target=lambda: got.extend(attack(words)))
    thread.start()
    thread.join()
    way = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    way.connect(sys.argv[sys.argv.index("--runtime") + 1] + "/open.sock")
    for path in words:
        way.sendall(b"read\\0" + path.encode())
        answer, descriptors, _, _ = socket.recv_fds(way, 99, 1)
        got += [f"handed over: {path}"] * len(descriptors)
    print("ATTACK", json.dumps(got), file=sys.stderr, flush=True)
    usual(main)
if "media_streamer.egress.worker" in sys.orig_argv:
    asyncio.run = run
"""
"""What code that runs within an egress worker reaches, once that has confined itself."""


@pytest.mark.skipif(not cage.version(), reason="this kernel has no Landlock")
async def test_who_takes_an_egress_worker_over_reads_no_secret(
    streamer: Streamer, tmp_path: Path
) -> None:
    """By itself, in a thread, or by whoever opens files for it."""
    inside, films, logs = tmp_path / "inside", tmp_path / "films", tmp_path / "logs"
    for folder in (inside, films, logs):
        folder.mkdir()
    (inside / "sitecustomize.py").write_text(ATTACK)
    make_chain(streamer.directory)
    port = free_port()
    streamer.write(
        f"https 127.0.0.1:{port} {{ certificate streamer.crt; certificate_key streamer.key; }}\n"
        f"vod films {{ storage {films}; }}\n{DEMO}"
    )
    (films / "link.mp4").symlink_to(streamer.config)
    state = streamer.directory / "state"
    wanted = [
        "/etc/shadow", "/etc/passwd", "/root", "/home", "/tmp", "/var/lib", "/var/log",
        f"/proc/{os.getpid()}/environ", f"/proc/{os.getpid()}/stat",
        *map(str, (streamer.config, state, streamer.directory, films / "link.mp4", logs)),
        str(streamer.directory / "streamer.key"),
    ]  # fmt: skip
    (inside / "wanted.json").write_text(json.dumps(wanted))
    await streamer.serve(
        PYTHONPATH=str(inside), STREAMER_STATE_DIR=str(state), STREAMER_LOG_DIR=str(logs),
        STREAMER_EGRESS_WORKERS="1",
    )  # fmt: skip
    await streamer.running("demo")
    found = re.findall(r"ATTACK (\[.*\])", streamer.log)
    assert found == ["[]"], streamer.log
    assert sum(map(os.path.exists, wanted)) > 10, "it is refused, not missing"
    async with streamer.session.get(f"https://127.0.0.1:{port}/demo/index.m3u8", ssl=False) as one:
        assert one.status == 200, "the key came as text"


TAKEN_OVER = """
import asyncio, contextlib, json, os, socket, sys
def heard(way):
    text = way.recv(99)
    if not text:
        raise OSError
    return text
def attack(runtime, own):
    got = []
    def attempt(what, do):
        try:
            got.append(f"{what}: {do()}")
        except OSError:
            pass
    for name in ("folders.json", "control.sock", "open.sock", "api.sock", "new"):
        path = os.path.join(runtime, name)
        attempt("written " + name, lambda: open(path, "w").close())
        attempt("replaced " + name, lambda: os.rename(os.path.join(own, "pid"), path))
        attempt("removed " + name, lambda: os.unlink(path))
    for other in os.listdir(runtime):
        home = os.path.join(runtime, other)
        if os.path.isdir(home) and home != own and other.startswith(("egress-", "media-")):
            attempt("written " + other, lambda: open(os.path.join(home, "pid"), "w").close())
            attempt("removed " + other, lambda: os.unlink(os.path.join(home, "worker.sock")))
    with socket.socket(socket.AF_UNIX) as way:
        way.settimeout(10)
        way.connect(os.path.join(runtime, "api.sock"))
        with contextlib.suppress(OSError):
            way.sendall(b"GET /streamer/api/v3/streams HTTP/1.0\\r\\n\\r\\n")
        attempt("answered", lambda: heard(way))
    return got
def run(main, usual=asyncio.run):
    runtime, own = (sys.argv[sys.argv.index(one) + 1] for one in ("--runtime", "--id"))
    got = attack(runtime, f"{runtime}/media-{own}")
    print("ATTACK", json.dumps(got), file=sys.stderr, flush=True)
    usual(main)
if "media_streamer.media.worker" in sys.orig_argv:
    asyncio.run = run
"""


@pytest.mark.skipif(not cage.version(), reason="this kernel has no Landlock")
async def test_who_takes_a_media_worker_over_is_no_supervisor_and_asks_no_api(
    streamer: Streamer, tmp_path: Path
) -> None:
    """What tells its successor what it may read, and who others believe, is not its to write."""
    (tmp_path / "sitecustomize.py").write_text(TAKEN_OVER)
    streamer.write(DEMO)
    await streamer.serve(PYTHONPATH=str(tmp_path), STREAMER_MEDIA_WORKERS="2")
    await streamer.running("demo")
    found = re.findall(r"ATTACK (\[.*\])", streamer.log)
    assert found == ["[]", "[]"], streamer.log
    assert "asks the API and is no egress worker" in streamer.log


@pytest.mark.skipif(not cage.version(), reason="this kernel has no Landlock")
async def test_a_location_that_is_new_is_read_by_a_worker_that_begins(
    streamer: Streamer, tmp_path: Path
) -> None:
    """Those that are there cannot be let read more; their streams go on."""
    streamer.write(DEMO)
    await streamer.serve()
    await streamer.running("demo")
    before, egress = streamer.worker("media"), streamer.worker("egress")
    films, kept = tmp_path / "films", tmp_path / "kept"
    films.mkdir()
    with av.open(str(films / "film.ts"), "w", format="mpegts") as film:
        picture = film.add_stream("mpeg2video", rate=25, width=64, height=64)
        for number in range(100):
            frame = av.VideoFrame(64, 64, "yuv420p")
            frame.pts = number
            film.mux(picture.encode(frame))
        film.mux(picture.encode(None))
    location = f"vod films {{ storage {films}; download; cache {kept} misses=1; }}\n"
    streamer.write(f"{DEMO}{location}")
    await streamer.reload()
    status, _ = await streamer.api(
        "PUT", "/streams/film", json={"inputs": [{"url": "file://films/film.ts"}]}
    )
    assert status == 200
    await streamer.running("film")
    assert streamer.worker("media") == before
    assert streamer.worker("media", "1") is not None
    async with streamer.session.get(f"{streamer.base}/films/film.ts/mpegts") as answer:
        assert answer.status == 200
        assert (await answer.content.readexactly(188))[0] == 0x47
    # Egress workers stay as they are: what they send and keep is opened for them.
    async with streamer.session.get(f"{streamer.base}/films/film.ts") as answer:
        assert await answer.read() == (films / "film.ts").read_bytes()

    async def stored() -> bool:
        address = f"{streamer.base}/films/film.ts/tracks-v1"
        async with streamer.session.get(f"{address}/mono.m3u8") as answer:
            segment = re.findall(r"^[^#].*", await answer.text(), re.MULTILINE)[0]
        async with streamer.session.get(f"{address}/{segment}") as answer:
            assert (await answer.read())[0] == 0x47
            return answer.headers.get("X-Cache") == "HIT"

    await until(stored, "a segment comes from the cache")
    assert list(kept.glob("??/*"))
    assert streamer.worker("egress") == egress
    assert "killed" not in streamer.log


async def said(streamer: Streamer, words: str) -> bool:
    return words in streamer.log


async def answers_anew(streamer: Streamer) -> bool:
    request = b"GET /demo/index.m3u8 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    return (await raw(streamer, request, 2.0)).startswith(b"HTTP/1.1 200")


def environment(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


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
