"""The edge cache from outside: what the origin sees, what viewers get, what survives."""

import asyncio
import contextlib
import gzip
import os
import signal
import socket
import subprocess
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from tests.integration.media_streamer.cache.conftest import SEGMENT_CACHE, run_origin

PLAYLIST = "/bunny/tracks-v1a1/mono.m3u8"
VIDEO = {"Content-Type": "video/mp2t", "Cache-Control": SEGMENT_CACHE}


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


async def test_misses_4_the_fifth_request_is_served_from_disk(caches, origin, segment):
    cache = await caches.start(origin.url, misses=4)
    tags = [(await cache.get(segment)).tag for _ in range(6)]
    assert tags == ["MISS"] * 4 + ["HIT"] * 2
    assert origin.asked[segment] == 4


async def test_stored_answer_is_that_of_the_origin(caches, origin, segment):
    cache = await caches.start(origin.url)
    missed, hit = await cache.get(segment), await cache.get(segment)
    assert (missed.tag, hit.tag) == ("MISS", "HIT")
    assert missed.body == hit.body == (origin.files / segment[1:]).read_bytes()
    for name in ("Content-Type", "Cache-Control", "Content-Length"):
        assert hit.headers[name] == missed.headers[name]
    assert int(hit.headers["Age"]) < 30
    head = await cache.get(segment, "HEAD")
    assert (head.status, head.body, head.tag) == (200, b"", "HIT")
    assert head.headers["Content-Length"] == str(len(hit.body))
    assert origin.asked[segment] == 1
    forwarded = origin.requests[0].headers["X-Forwarded-For"]
    assert forwarded == "127.0.0.1"


@pytest.mark.parametrize("range_", ["bytes=0-", "bytes=10-99", "bytes=100-", "bytes=-50"])
async def test_ranges_from_origin_and_disk(caches, origin, segment, range_):
    cache = await caches.start(origin.url)
    before = await cache.get(segment, Range=range_)
    assert (before.status, before.tag) == (206, "MISS")
    await cache.get(segment)
    after = await cache.get(segment, Range=range_)
    assert (after.status, after.tag) == (206, "HIT")
    assert after.body == before.body
    assert after.headers["Content-Range"] == before.headers["Content-Range"]
    wrong = await cache.get(segment, Range="bytes=999999999-")
    assert wrong.status == 416


async def test_100_viewers_are_one_request_and_get_bytes_as_they_come(caches, origin):
    """Half of the body is sent, then the origin waits for all viewers to have got it."""
    half, path = b"x" * 50_000, "/live/tracks-v1/2026/01/01/00/00/00-05000.m4s"
    go_on = asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers=VIDEO)
        response.content_length = 2 * len(half)
        await response.prepare(request)
        await response.write(half)
        await go_on.wait()
        await response.write(half)
        return response

    origin.special[path] = slow
    cache = await caches.start(origin.url)
    waiting = 100

    async def view() -> str:
        nonlocal waiting
        async with cache.client.get(cache.url + path) as answer:
            assert await answer.content.readexactly(len(half)) == half
            waiting -= 1
            if waiting == 0:
                go_on.set()
            assert await answer.read() == half
            return answer.headers["X-Cache"]

    async with asyncio.timeout(30):
        tags = await asyncio.gather(*(view() for _ in range(100)))
    assert sorted(tags) == ["COLLAPSED"] * 99 + ["MISS"]
    assert origin.asked[path] == 1
    assert await cache.metric("collapsed_total") == 99
    assert (await cache.get(path)).tag == "HIT"
    assert await cache.metric("buffered_bytes") == 0


async def test_playlists_are_asked_for_each_time_and_collapse(caches, origin):
    cache = await caches.start(origin.url)
    for _ in range(3):
        assert (await cache.get(PLAYLIST)).tag == "MISS"
    assert origin.asked[PLAYLIST] == 3
    go_on = asyncio.Event()

    async def blocking(request: web.Request) -> web.StreamResponse:
        await go_on.wait()
        # What a server says of a reload with long targets; it is a playlist all the same.
        headers = {"Content-Type": "application/vnd.apple.mpegurl"}
        headers["Cache-Control"] = "public, max-age=120"
        return web.Response(body=b"#EXTM3U\n" + request.query_string.encode(), headers=headers)

    path = "/bunny/tracks-v1/index.ll.m3u8"
    origin.special[path] = blocking
    requests = [
        asyncio.create_task(cache.get(f"{path}?_HLS_msn={5 + n % 2}&_HLS_part=1"))
        for n in range(20)
    ]
    await cache.wait_metric("requests_total", 23)
    await cache.wait_metric("origin_requests_total", 5)
    go_on.set()
    answers = await asyncio.gather(*requests)
    assert {a.body for a in answers[::2]} == {b"#EXTM3U\n_HLS_msn=5&_HLS_part=1"}
    assert {a.body for a in answers[1::2]} == {b"#EXTM3U\n_HLS_msn=6&_HLS_part=1"}
    assert origin.asked[path] == 2
    await cache.get(f"{path}?_HLS_msn=5&_HLS_part=1")
    assert origin.asked[path] == 3, "a playlist is never stored"


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


async def test_kill_and_restart_keep_what_was_stored(caches, origin, segment):
    cache = await caches.start(origin.url)
    first = await cache.get(segment)
    await cache.wait_metric("stored_files", 1)
    os.kill(cache.process.pid, signal.SIGKILL)
    await cache.process.wait()
    again = await caches.start(origin.url)
    hit = await again.get(segment)
    assert (hit.tag, hit.body) == ("HIT", first.body)
    assert origin.asked[segment] == 1
    assert await again.metric("origin_requests_total") == 0


async def test_killed_while_it_stores(caches, origin):
    """Whenever the process is killed, what it serves afterwards is whole."""
    bodies = {f"/a/file-{number}.m4s": os.urandom(200_000) for number in range(60)}

    async def file(request: web.Request) -> web.StreamResponse:
        return web.Response(body=bodies[request.path], headers=VIDEO)

    origin.special = dict.fromkeys(bodies, file)
    cache = await caches.start(origin.url)
    requests = [asyncio.create_task(cache.get(path)) for path in bodies]
    async with asyncio.timeout(20):
        while await cache.metric("stored_files") < 10:
            pass
    os.kill(cache.process.pid, signal.SIGKILL)
    await cache.process.wait()
    await asyncio.gather(*requests, return_exceptions=True)
    again = await caches.start(origin.url)
    assert await again.metric("stored_files") >= 10
    for path, body in bodies.items():
        assert (await again.get(path)).body == body
    assert await again.metric('evictions_total{reason="broken"}') == 0
    assert await again.metric("hits_total") >= 10


async def test_broken_files_are_never_served(caches, origin, segment):
    cache = await caches.start(origin.url)
    first = await cache.get(segment)
    await cache.wait_metric("stored_files", 1)
    os.kill(cache.process.pid, signal.SIGKILL)
    await cache.process.wait()
    (stored,) = [p for p in caches.path.glob("??/*") if p.is_file()]
    data = bytearray(stored.read_bytes())
    data[-1] ^= 1
    stored.write_bytes(data)
    again = await caches.start(origin.url)
    answer = await again.get(segment)
    assert (answer.tag, answer.body) == ("MISS", first.body)
    assert await again.metric('evictions_total{reason="broken"}') == 1
    assert (await again.get(segment)).tag == "HIT"


async def test_two_caches_do_not_share_a_directory(caches, origin):
    await caches.start(origin.url)
    with pytest.raises(AssertionError, match="in use by another cache"):
        await caches.start(origin.url)


async def test_half_answers_are_passed_on_as_broken_and_not_stored(caches, origin):
    path = "/live/tracks-v1/2026/01/01/00/00/00-05000.m4s"

    async def half(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers=VIDEO)
        response.content_length = 1000
        await response.prepare(request)
        await response.write(b"x" * 500)
        assert request.transport is not None
        request.transport.close()
        return response

    origin.special[path] = half
    cache = await caches.start(origin.url)
    for _ in range(2):
        with pytest.raises(aiohttp.ClientPayloadError):
            await cache.get(path)
    assert origin.asked[path] == 2
    assert await cache.metric("stored_files") == 0
    assert await cache.metric('origin_errors_total{kind="broken"}') == 2
    assert await cache.metric("buffered_bytes") == 0


async def test_viewer_who_leaves_ends_the_request_unless_it_is_stored(caches, origin):
    """Without a store the origin's handler is cancelled; with one the file is completed."""
    path = "/live/tracks-v1/2026/01/01/00/00/00-05000.m4s"
    go_on, ended = asyncio.Event(), asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers=VIDEO)
        response.content_length = 1000
        try:
            await response.prepare(request)
            await response.write(b"x" * 500)
            await go_on.wait()
            await response.write(b"x" * 500)
            return response
        finally:
            ended.set()

    origin.special[path] = slow
    cache = await caches.start(origin.url, misses=2)

    async def leave_early() -> None:
        async with cache.client.get(cache.url + path) as answer:
            await answer.content.readexactly(500)
            answer.close()

    async with asyncio.timeout(20):
        await leave_early()
        await ended.wait()
        await cache.wait_metric("buffered_bytes", 0)
        ended.clear()
        await leave_early()
        go_on.set()
        await cache.wait_metric("stored_files", 1)
    assert (await cache.get(path)).body == b"x" * 1000
    assert origin.asked[path] == 2


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


async def test_protected_stream(caches, origin, segment):
    origin.tokens = {"good", "other"}
    cache = await caches.start(origin.url)
    assert (await cache.get(f"{PLAYLIST}?token=good")).status == 200
    assert (await cache.get(f"{segment}?token=good")).tag == "MISS"
    assert (await cache.get(f"{segment}?token=good")).tag == "HIT"
    for query in ("", "?token=bad", "?token="):
        answer = await cache.get(segment + query)
        assert (answer.status, answer.tag) == (403, "MISS"), query
    assert (await cache.get(f"{segment}?token=other")).tag == "MISS", "the origin judges it"
    assert (await cache.get(f"{segment}?token=other")).tag == "HIT"
    # A token that is refused later is refused here as well.
    origin.tokens = {"other"}
    assert (await cache.get(f"{PLAYLIST}?token=good")).status == 403
    assert (await cache.get(f"{segment}?token=good")).status == 403
    assert (await cache.get(f"{segment}?token=other")).tag == "HIT"
    assert not any("good" in line for line in cache.log)


async def test_stream_that_becomes_protected(caches, origin, segment):
    cache = await caches.start(origin.url)
    assert (await cache.get(segment)).tag == "MISS"
    assert (await cache.get(segment)).tag == "HIT"
    origin.tokens = {"good"}
    assert (await cache.get(PLAYLIST)).status == 403
    assert (await cache.get(segment)).status == 403
    assert (await cache.get(f"{segment}?token=good")).status == 200


async def test_wrong_token_does_not_ride_on_the_request_of_another(caches, origin, segment):
    """Both come at once; the origin judges each for itself."""
    origin.tokens = {"good"}
    cache = await caches.start(origin.url)
    good, bad, none = await asyncio.gather(
        cache.get(f"{segment}?token=good"), cache.get(f"{segment}?token=bad"), cache.get(segment)
    )
    assert (good.status, bad.status, none.status) == (200, 403, 403)


async def test_private_answers_are_not_shared(caches, origin):
    """A playlist with a token made for the viewer, as auto_token makes it."""
    number, go_on = 0, asyncio.Event()

    async def personal(request: web.Request) -> web.StreamResponse:
        nonlocal number
        number += 1
        mine = number
        if mine == 1:
            await go_on.wait()
        headers = {"Content-Type": "application/vnd.apple.mpegurl"}
        headers["Cache-Control"] = "private, max-age=1"
        return web.Response(body=f"#EXTM3U\nseg.ts?token={mine}\n".encode(), headers=headers)

    origin.special["/a/index.m3u8"] = personal
    cache = await caches.start(origin.url)
    requests = [asyncio.create_task(cache.get("/a/index.m3u8")) for _ in range(5)]
    await cache.wait_metric("requests_total", 5)
    go_on.set()
    answers = await asyncio.gather(*requests)
    assert len({answer.body for answer in answers}) == 5


async def test_private_segments_are_kept_by_token(caches, origin):
    path = "/a/tracks-v1/2026/01/01/00/00/00-05000.m4s"

    async def personal(request: web.Request) -> web.StreamResponse:
        headers = {**VIDEO, "Cache-Control": "private, max-age=3600, immutable"}
        return web.Response(body=request.query.get("token", "").encode() * 100, headers=headers)

    origin.special[path] = personal
    cache = await caches.start(origin.url)
    for token in "ab":
        assert (await cache.get(f"{path}?token={token}")).tag == "MISS"
        hit = await cache.get(f"{path}?token={token}")
        assert (hit.tag, hit.body) == ("HIT", token.encode() * 100)
    assert (await cache.get(path)).tag == "MISS"


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


async def test_size_limit_evicts_the_least_recently_used(caches, origin, hls):
    paths = [f"/{p.relative_to(hls)}" for p in sorted((hls / "bunny/tracks-v1a1").rglob("*.ts"))]
    one, two, three = paths[:3]
    sizes = [(hls / path[1:]).stat().st_size for path in (one, two, three)]
    cache = await caches.start(origin.url, storage_bytes=sum(sizes) - 1000)
    for number, path in enumerate((one, two), 1):
        await cache.get(path)
        await cache.wait_metric("stored_files", number)
    for path in (one, three):
        await cache.get(path)
    await cache.wait_metric('evictions_total{reason="size"}', 1)
    assert await cache.metric("stored_bytes") < sum(sizes)
    assert (await cache.get(one)).tag == "HIT"
    assert (await cache.get(two)).tag == "MISS"


async def test_age_limit(caches, origin, segment):
    cache = await caches.start(origin.url, expiration_seconds=1)
    await cache.get(segment)
    await cache.wait_metric('evictions_total{reason="age"}', 1)
    assert await cache.metric("stored_files") == 0
    assert (await cache.get(segment)).tag == "MISS"


async def test_disk_errors_cost_nobody_the_picture(caches, origin, segment):
    cache = await caches.start(origin.url)
    # Root may write anywhere, so a mode does not do it: files stand where folders should.
    for first in range(256):
        (caches.path / f"{first:02x}").write_bytes(b"")
    for _ in range(2):
        answer = await cache.get(segment)
        assert (answer.status, answer.tag) == (200, "MISS")
    await cache.wait_metric("store_errors_total", 2)
    assert any("stream bunny: not stored" in line for line in cache.log)


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
