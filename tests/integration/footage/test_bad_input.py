"""Bad input on a whole streamer: the right error at the right place, and another stream goes on."""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.support.players import complaints, play, run
from tests.support.ports import free_port
from tests.support.streamer import until

from .conftest import FilmStreamer

SECRET_TEXT = "root:"
"""Stands in /etc/passwd."""
HALF_OPEN = 300


@pytest.fixture
async def showing(streamer: FilmStreamer) -> AsyncIterator[FilmStreamer]:
    """A streamer with the stream `good`, which must have been shown all the time in the end."""
    streamer.write(
        "stream good { input fake://fake; segment_duration 1; }\n"
        "stream cam { input publish://; password pw; }\n"
    )
    await streamer.serve()
    before = await streamer.running("good")
    yield streamer
    after = await streamer.running("good")
    for key in ("opened_at", "started_at"):
        assert after["stats"][key] == before["stats"][key], f"good was interrupted: {key}"
    found = complaints(await play(f"{streamer.base}/good/mpegts", 2), 25, ("video", "audio"))
    assert not found, streamer.log


async def put(streamer: FilmStreamer, name: str, url: str) -> None:
    status, answer = await streamer.api("PUT", f"/streams/{name}", json={"inputs": [{"url": url}]})
    assert status == 200, answer


async def input_error(streamer: FilmStreamer, name: str) -> str:
    """What the API says about the stream's only input."""

    async def told() -> str:
        inputs = (await streamer.stream(name)).get("inputs", [{}])
        return str(inputs[0].get("stats", {}).get("error", ""))

    return str(await until(told, f"an error of {name}"))


async def test_sources_of_garbage(showing: FilmStreamer) -> None:
    async def garbage(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        with contextlib.suppress(ConnectionError):
            for _ in range(100):
                await answer.write(os.urandom(64 * 1024))
        return answer

    app = web.Application()
    app.router.add_get("/{path:.*}", garbage)
    async with TestServer(app) as server:
        for scheme in ("tshttp", "hls"):
            await put(showing, scheme, f"{scheme}://127.0.0.1:{server.port}/x")
            assert await input_error(showing, scheme)
            async with showing.session.get(f"{showing.base}/{scheme}/preview.jpg") as answer:
                assert answer.status in {404, 503}
    assert showing.worker("media") is not None


async def test_files_outside_the_locations(showing: FilmStreamer) -> None:
    for number, url in enumerate(
        ("file://vod/../../../../../../etc/passwd", "file:///etc/passwd", "file://../../etc/passwd")
    ):
        body = {"inputs": [{"url": url}]}
        status, answer = await showing.api("PUT", f"/streams/f{number}", json=body)
        if status == 400:
            assert answer["errors"][0]["source"]["pointer"] == "/inputs/0/url"
        else:
            error = await input_error(showing, f"f{number}")
            assert "VOD location" in error or "no such file" in error


PATHS = (
    "/../../../../etc/passwd",
    "/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "/good/../../../../etc/passwd",
    "/good/..%2f..%2f..%2fetc%2fpasswd",
    "/good/tracks-v1a1/..%2f..%2f..%2f..%2fetc%2fpasswd",
    "/good/tracks-v1a1/2026/01/01/00/00/..%2f..%2f..%2f..%2f..%2fetc%2fpasswd.ts",
    "/ui/..%2f..%2f..%2f..%2fetc/passwd",
    "/ui/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "/ui//etc/passwd",
    "/streamer/api/v3/streams/..%2f..%2fetc%2fpasswd",
    "/streamer/api/v3/vods/vod/storages/0/files/..%2f..%2f..%2fetc%2fpasswd",
    "/good/%00/etc/passwd",
)


async def raw(port: int, request: bytes) -> bytes:
    """The answer to a request that no HTTP client would send."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(20):
            writer.write(request)
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_paths_that_climb(showing: FilmStreamer) -> None:
    for path in PATHS:
        request = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        answer = (await raw(showing.http_port, request.encode())).decode(errors="replace")
        if not path.startswith("/ui/"):  # unknown paths there are pages of the one-page UI
            assert answer.startswith(("HTTP/1.1 4", "HTTP/1.1 3")), (path, answer[:200])
        assert SECRET_TEXT not in answer, path


async def test_headers_without_end(showing: FilmStreamer) -> None:
    head = b"GET /good/mpegts HTTP/1.1\r\nHost: x\r\n"
    for request in (
        head + b"X: " + b"a" * 100_000 + b"\r\n\r\n",
        head + b"X: a\r\n" * 20_000 + b"\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
    ):
        answer = await raw(showing.http_port, request)
        assert answer[8:12] in {b"", b" 400", b" 414", b" 431"}, answer[:99]
    # A token of 10 kB is longer than a line of a request may be; one of 4 kB is a token.
    for size, answers in ((10_240, {b" 400", b" 414", b" 431"}), (4096, {b" 200", b" 302"})):
        token = b"t" * size
        request = b"GET /good/index.m3u8?token=" + token + b" HTTP/1.1\r\nHost: x\r\n"
        answer = await raw(showing.http_port, request + b"Connection: close\r\n\r\n")
        assert answer[8:12] in answers, answer[:99]


async def test_sockets_that_say_nothing(showing: FilmStreamer) -> None:
    with contextlib.ExitStack() as stack:
        for number in range(HALF_OPEN):
            port = showing.rtmp_port if number % 2 else showing.http_port
            one = stack.enter_context(socket.create_connection(("127.0.0.1", port), 5))
            one.send(b"\x03" if number % 2 else b"GET /good/mp")
        for url in (f"{showing.base}/good/mpegts", f"{showing.rtmp}/static/good"):
            assert not complaints(await play(url, 2), 25, ("video", "audio")), url


FILES = {
    "stream a { }\nstream a { }\n": (2, "stream a"),
    "strem a { }\n": (1, "strem"),
    "stream a { inputt fake://fake; }\n": (1, "inputt"),
    "stream ../a { }\n": (1, "../a"),
    "https 20443 { certificate missing.crt; certificate_key missing.key; }\n": (
        1,
        "missing.crt",
    ),
}


@pytest.mark.parametrize("text", FILES)
async def test_files_with_faults(tmp_path: Path, text: str) -> None:
    line, word = FILES[text]
    path = tmp_path / "a.conf"
    path.write_text(text)
    command = str(Path(sys.executable).with_name("streamer"))
    status, out, err = await run(command, "-c", str(path), "--check", seconds=30)
    assert status == 1
    assert f"{path}:{line}:" in out + err
    assert word.split()[-1] in out + err
    assert "Traceback" not in out + err


async def test_a_bad_certificate_opens_no_port(own_streamer: FilmStreamer, tmp_path: Path) -> None:
    """And a good one beside the configuration is found by its relative path."""
    port = free_port()
    block = "certificate own.crt; certificate_key own.key;"
    text = f"https 127.0.0.1:{port} {{ {block} }}\nstream good {{ input fake://fake; }}\n"
    (own_streamer.directory / "own.crt").write_text("no certificate")
    (own_streamer.directory / "own.key").write_text("no key")
    own_streamer.write(text)
    await own_streamer.start()
    assert own_streamer.process is not None
    assert await asyncio.wait_for(own_streamer.process.wait(), 30) == 1
    assert "own.crt" in own_streamer.log
    status, _, err = await run(
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
        "-nodes", "-subj", "/CN=localhost", "-days", "2", "-keyout",
        str(own_streamer.directory / "own.key"), "-out", str(own_streamer.directory / "own.crt"),
        seconds=20,
    )  # fmt: skip
    assert status == 0, err
    await own_streamer.serve()
    await own_streamer.running("good")
    url = f"https://127.0.0.1:{port}/good/index.m3u8"
    async with own_streamer.session.get(url, ssl=False) as answer:
        assert answer.status == 200
