"""Garbage on every port and in the middle of a source; a configuration that breaks; a full disk."""

import asyncio
import contextlib
import random
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from media_streamer.protocols.rtmp import amf
from media_streamer.protocols.rtmp.chunks import COMMAND, write_message

from tests.support.players import complaints, play
from tests.support.ports import free_port
from tests.support.small_disk import mounted
from tests.support.streamer import until

from .conftest import FilmStreamer, Recording

HELLO = b"\x03" + bytes(1536)
"""C0 and C1 of RTMP; C2 may be anything."""
ANSWER_SECONDS = 3


async def send(port: int, data: bytes, *, tls: ssl.SSLContext | None = None) -> bytes:
    """What the server says, until it closes or has said nothing for long enough."""
    answer = b""
    with contextlib.suppress(OSError, TimeoutError):  # closed before all is sent
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                writer.write(data)
                await writer.drain()
                if tls is None:
                    writer.write_eof()
                while piece := await reader.read(65536):
                    answer += piece
        finally:
            writer.transport.abort()
    return answer


def rtmp_command(*values: object) -> bytes:
    payload = amf.encode(*values)
    return write_message(COMMAND, payload, stream=0, chunk_bytes=128)


def certificate(directory: Path) -> str:
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-subj", "/CN=localhost", "-days", "2"),
            *("-keyout", str(directory / "own.key"), "-out", str(directory / "own.crt")),
        ],
        check=True,
        capture_output=True,
        timeout=20,
    )
    return "certificate own.crt; certificate_key own.key;"


@pytest.fixture
async def watched(streamer: FilmStreamer, tmp_path: Path) -> AsyncIterator[dict[str, int]]:
    """Ports by kind, of a streamer whose stream `good` must not miss a picture."""
    ports = {
        "http": streamer.http_port, "rtmp": streamer.rtmp_port,
        "https": free_port(), "rtmps": free_port(),
    }  # fmt: skip
    block = certificate(streamer.directory)
    streamer.write(
        f"https 127.0.0.1:{ports['https']} {{ {block} }}\n"
        f"rtmps 127.0.0.1:{ports['rtmps']} {{ {block} }}\n"
        "stream good { input fake://fake; segment_duration 1; }\n"
        "stream cam { input publish://; }\n"
    )
    await streamer.serve()
    await streamer.running("good")
    path = tmp_path / "good.ts"
    viewer = Recording(streamer.session, f"{streamer.base}/good/mpegts", path)
    yield ports
    await asyncio.sleep(1)  # of what came after
    await viewer.stop()
    seen = await play(str(path), 200)
    assert not complaints(seen, 25, ("video", "audio")), streamer.log
    steps = [after - before for before, after in pairwise(seen.dts["video"])]
    assert max(steps) < 0.041, f"good missed pictures: {max(steps)} s"


def _garbage() -> dict[str, bytes]:
    noise = random.Random(1)
    deep = b"".join([b"\x02\x00\x07connect\x00\x3f\xf0\0\0\0\0\0\0", b"\x03\x00\x01a" * 20_000])
    post = b"POST /cam/mpegts HTTP/1.1\r\nHost: x\r\n"
    return {
        "noise": noise.randbytes(100_000),
        "zeros": bytes(100_000),
        "0xff": b"\xff" * 100_000,
        "TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + noise.randbytes(507),
        "RTMP version 6": b"\x06" + bytes(3072),
        "RTMP noise": HELLO + bytes(1536) + noise.randbytes(100_000),
        "RTMP message of 16 MB": HELLO
        + bytes(1536)
        + b"\x03\0\0\0\xff\xff\xff\x14\0\0\0\0"
        + bytes(300_000),
        "RTMP chunks of 1 byte": HELLO
        + bytes(1536)
        + b"\x02\0\0\0\0\0\x04\x01\0\0\0\0\0\0\0\x01"
        + b"\x03\0\0\0\0\x10\0\x14\0\0\0\0a"
        + b"\xc3a" * 5000,
        "AMF string of 64 KB": HELLO
        + bytes(1536)
        + rtmp_command("connect", 1, {"app": "a" * 65000}),
        "AMF nested": HELLO
        + bytes(1536)
        + write_message(COMMAND, deep[:60_000], stream=0, chunk_bytes=128),
        "publish before connect": HELLO + bytes(1536) + rtmp_command("publish", 1, None, "cam"),
        "publish up": HELLO
        + bytes(1536)
        + rtmp_command("connect", 1, {"app": "../.."})
        + rtmp_command("createStream", 2, None)
        + rtmp_command("publish", 3, None, "../etc/passwd"),
        "HTTP lengths": b"POST /cam/mpegts HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP chunk": b"POST /cam/mpegts HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"fffffffffffffffff\r\n",
        "HTTP negative": b"POST /cam/mpegts HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + noise.randbytes(200),
        "HTTP CONNECT": b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: x\r\n\r\n",
        "HTTP absolute": b"GET http://127.0.0.1:1/etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
        "HTTP upgrade": b"GET /good/mpegts HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n\r\n",
        "published noise": post + b"Content-Length: 90000\r\n\r\n" + noise.randbytes(90_000),
        "published TS noise": post
        + b"Content-Length: 188000\r\n\r\n"
        + b"".join(b"\x47" + noise.randbytes(187) for _ in range(1000)),
    }


async def test_garbage_on_every_port(watched: dict[str, int], streamer: FilmStreamer) -> None:
    tls = ssl.create_default_context()
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    workers = streamer.children()
    for what, data in _garbage().items():
        if what == "HTTP upgrade":  # plays, endlessly: only that nothing breaks
            data = data.replace(b"/good/mpegts", b"/nothing/mpegts")
        answers = await asyncio.gather(
            *(send(port, data) for port in watched.values()),
            *(send(watched[kind], data, tls=tls) for kind in ("https", "rtmps")),
        )
        for answer in answers:
            assert b"Traceback" not in answer, what
            assert b"root:" not in answer, what
    assert streamer.children() == workers, "a worker died"
    assert " ERROR " not in streamer.log, streamer.log
    await until(lambda: _nobody(streamer), "no publisher is left", 70)


async def _nobody(streamer: FilmStreamer) -> bool:
    sessions = (await streamer.api("GET", "/sessions"))[1]["sessions"]
    return not [one for one in sessions if one["name"] != "good"]


async def test_a_broken_file_while_streams_run(
    watched: dict[str, int], streamer: FilmStreamer
) -> None:
    whole = streamer.config.read_text()
    for broken in ("stream good { input ;", "\0\xff", "streem x {}", whole + "}"):
        streamer.config.write_text(broken, encoding="latin-1")
        status, answer = await streamer.api("POST", "/reload", base="/flussonic/api")
        assert status == 400, (broken, answer)
        assert (await streamer.stream("good"))["stats"]["alive"]
    streamer.config.write_text(whole)
    assert (await streamer.api("POST", "/reload", base="/flussonic/api"))[0] < 300


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB."""
    with mounted(tmp_path / "small", "2m") as directory:
        yield directory


async def test_a_full_disk_of_segments(own_streamer: FilmStreamer, small_disk: Path) -> None:
    """HLS has no segments then, all else plays; with space it comes back by itself."""
    filler = small_disk / "filler"
    own_streamer.write("stream good { input file://vod/bigbuckbunny.mp4; segment_duration 1; }\n")
    await own_streamer.serve(STREAMER_SEGMENTS_DIR=str(small_disk))
    await own_streamer.running("good")
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(65536))
    async with own_streamer.session.get(f"{own_streamer.base}/good/index.m3u8") as answer:
        assert answer.status in {200, 503}
    for url in (f"{own_streamer.base}/good/mpegts", f"{own_streamer.rtmp}/static/good"):
        assert not complaints(await play(url, 7), 25, ("video", "audio")), own_streamer.log
    assert "No space left" in own_streamer.log
    assert own_streamer.log.count("No space left") < 20, "the log is flooded"
    filler.unlink()

    async def back() -> bool:
        seen = await play(f"{own_streamer.base}/good/index.m3u8", 2)
        return not complaints(seen, 25, ("video", "audio"))

    await until(back, "HLS plays again", 40)
