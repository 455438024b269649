"""What workers may do, and so who takes one over; and what they are given in spite of that."""

import json
import os
import re
from pathlib import Path

import av
import pytest
from media_streamer import cage

from tests.support.certificates import make_chain

from .conftest import Streamer, free_port, until

DEMO = "stream demo { input fake://fake; segment_duration 1; }\n"


async def test_media_workers_are_confined(streamer: Streamer) -> None:
    streamer.is_forked = False
    streamer.write(DEMO)
    await streamer.serve(STREAMER_CLUSTER_KEY="CLUSTER", PGPASSWORD="CLUSTER")
    await streamer.running("demo")
    worker = streamer.worker("media") or 0
    assert "NoNewPrivs:\t1\n" in told(worker, "status")
    words = "Landlock" if cage.version() else "no Landlock in this kernel"
    assert re.search(f"media 0: confined: no new privileges.*{words}", streamer.log)
    for pid in (worker, streamer.worker("egress") or 0):
        assert "CLUSTER" not in told(pid, "environ")


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


def told(pid: int, name: str) -> str:
    """By /proc (proc(5))."""
    return Path(f"/proc/{pid}/{name}").read_text()
