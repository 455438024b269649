"""The edge cache from outside: players, what passes, what is refused, its origins and its end."""

import asyncio
import contextlib
import gzip
import os
import socket
import subprocess
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from tests.integration.media_streamer.cache.conftest import PLAYLIST, VIDEO, run_origin


def resident_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def decode(url: str) -> tuple[str, int]:
    """ffmpeg's error lines and the number of video frames."""
    process = await asyncio.create_subprocess_exec(
        *("ffmpeg", "-v", "warning", "-xerror", "-i", url, "-map", "0:v", "-f", "framemd5", "-"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        output, errors = await asyncio.wait_for(process.communicate(), 40)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return errors.decode(), sum(line[:1] == b"0" for line in output.splitlines())


@pytest.mark.parametrize("playlist", [PLAYLIST, "/bunny/tracks-v1/index.fmp4.m3u8"])
async def test_ffmpeg_decodes_through_the_cache(caches, origin, playlist):
    cache = await caches.start(origin.url)
    wanted = await decode(origin.url + playlist)
    assert wanted[0] == ""
    assert wanted[1] > 250
    origin.asked.clear()
    assert await decode(cache.url + playlist) == wanted
    assert await decode(cache.url + playlist) == wanted
    segments = {path: n for path, n in origin.asked.items() if not path.endswith("m3u8")}
    assert set(segments.values()) == {1}, "the second time all segments come from disk"
    assert origin.asked[playlist] == 2
    assert await cache.metric("hits_total") == len(segments)


async def test_compressed_playlists(caches, origin):
    text = b"#EXTM3U\n" + b"# a line\n" * 500

    async def playlist(request: web.Request) -> web.StreamResponse:
        headers = {"Content-Type": "application/vnd.apple.mpegurl", "Vary": "Accept-Encoding"}
        if "gzip" not in request.headers.get("Accept-Encoding", ""):
            return web.Response(body=text, headers=headers)
        headers["Content-Encoding"] = "gzip"
        return web.Response(body=gzip.compress(text), headers=headers)

    origin.special["/a/index.m3u8"] = playlist
    cache = await caches.start(origin.url)
    plain = await cache.get("/a/index.m3u8", **{"Accept-Encoding": "identity"})
    packed = await cache.get("/a/index.m3u8", **{"Accept-Encoding": "gzip, br"})
    assert plain.body == packed.body == text
    assert ("Content-Encoding" in plain.headers) is False
    assert packed.headers["Content-Encoding"] == "gzip"


async def test_origins_404_dead_and_remembered(caches, origin, hls, tmp_path, segment):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        dead = f"http://secret:word@127.0.0.1:{nobody.getsockname()[1]}"
        async with run_origin(tmp_path) as empty:
            cache = await caches.start(empty.url, dead, origin.url)
            assert (await cache.get(PLAYLIST)).status == 200
            assert (await cache.get(segment)).status == 200
            assert empty.asked.total() == 1, "the origin that has the stream is asked first"
            # One of three does not answer: nobody knows whether the stream is there.
            assert (await cache.get("/other/index.m3u8")).status == 502
            assert not any("word" in line for line in cache.log)
            assert any("cannot be connected" in line for line in cache.log)


async def test_404_of_all_and_error_of_one(caches, origin, tmp_path):
    async with run_origin(tmp_path) as broken:

        async def error(request: web.Request) -> web.StreamResponse:
            return web.Response(status=503, headers={"Retry-After": "7"})

        broken.special["/bad/index.m3u8"] = error
        cache = await caches.start(broken.url, origin.url)
        assert (await cache.get("/other/index.m3u8")).status == 404
        answer = await cache.get("/bad/index.m3u8")
        assert (answer.status, answer.headers["Retry-After"]) == (503, "7")


async def test_endless_stream_passes_and_slow_readers_do_not_fill_the_memory(caches, origin):
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse(
            headers={"Content-Type": "video/mp2t", "Cache-Control": "no-store"}
        )
        response.force_close()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while True:
                await response.write(b"\x47" + bytes(18_799))
                sent += 18_800
                await asyncio.sleep(0)
        return response

    origin.special["/bunny/mpegts"] = endless
    cache = await caches.start(origin.url)
    async with asyncio.timeout(30):
        async with cache.client.get(cache.url + "/bunny/mpegts") as answer:
            assert answer.headers["X-Cache"] == "MISS"
            assert len(await answer.content.readexactly(5_000_000)) == 5_000_000
            memory = resident_bytes(cache.process.pid)
            # The viewer stops to read: so does, when the sockets are full, the origin's writing.
            before = -1
            while sent != before:
                before = sent
                await asyncio.sleep(0.5)
            assert sent > 5_000_000
            assert resident_bytes(cache.process.pid) - memory < 8_000_000
        assert await cache.metric("stored_files") == 0


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/bunny/mpegts", 405),
        ("PUT", "/bunny/index.m3u8", 405),
        ("DELETE", "/bunny/index.m3u8", 405),
        ("OPTIONS", "/bunny/index.m3u8", 204),
        ("GET", "/", 404),
        ("GET", "/streamer/api/v3/streams", 404),
        ("GET", "/streamer%2fapi/v3/streams", 404),
        ("GET", "/flussonic/api/v3/config", 404),
        ("GET", "/ui/", 404),
        ("GET", "/-/readiness", 404),
        ("GET", "/-/cache/nothing", 404),
        ("GET", "/bunny/%2e%2e/secret.m3u8", 400),
        ("GET", "/bunny//index.m3u8", 400),
        ("GET", "/bunny/index.m3u8?token=%ff", 400),
        ("GET", "/-/cache/readiness", 200),
        ("GET", "/-/cache/liveness", 200),
    ],
)
async def test_what_is_not_for_the_origin(shared_cache, method, path, status):
    cache, origin = shared_cache
    async with cache.client.request(method, URL(cache.url + path, encoded=True)) as answer:
        assert answer.status == status
        if status == 405:
            assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"
    assert origin.asked.total() == 0


@pytest.fixture
async def shared_cache(caches, origin):
    return await caches.start(origin.url), origin


async def test_only_and_except(caches, origin):
    cache = await caches.start(origin.url, only="bunny,a/*", **{"except": "a/secret"})
    assert (await cache.get(PLAYLIST)).status == 200
    assert (await cache.get("/a/secret/index.m3u8")).status == 404
    assert (await cache.get("/bunnies/index.m3u8")).status == 404
    assert origin.asked.total() == 1
    await cache.get("/a/other/index.m3u8")
    assert origin.asked.total() == 2


async def test_sigterm_lets_answers_end(caches, origin):
    path = "/live/tracks-v1/2026/01/01/00/00/00-05000.m4s"
    go_on = asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers=VIDEO)
        response.content_length = 10
        await response.prepare(request)
        await response.write(b"x" * 5)
        await go_on.wait()
        await response.write(b"y" * 5)
        return response

    origin.special[path] = slow
    cache = await caches.start(origin.url)
    async with asyncio.timeout(20), cache.client.get(cache.url + path) as answer:
        await answer.content.readexactly(5)
        cache.process.terminate()
        await cache.wait_log("stopping")
        with pytest.raises(aiohttp.ClientConnectorError):
            async with aiohttp.ClientSession() as new, new.get(cache.url + "/-/cache/readiness"):
                pass
        go_on.set()
        assert await answer.read() == b"yyyyy"
        assert await cache.process.wait() == 0


@pytest.mark.parametrize(
    "garbage", [b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\r\n\0\r\n\r\n"]
)
async def test_garbage_costs_one_log_line(caches, origin, garbage):
    cache = await caches.start(origin.url)
    reader, writer = await asyncio.open_connection("127.0.0.1", URL(cache.url).port)
    writer.write(garbage)
    async with asyncio.timeout(10):
        assert (await reader.read()).startswith(b"HTTP/1.0 400 ")
    writer.close()
    assert (await cache.get(PLAYLIST)).status == 200
    assert not any("Traceback" in line for line in cache.log)
