"""What the edge cache stores, keeps and drops: the disk, from outside."""

import asyncio
import os
import signal

import aiohttp
import pytest
from aiohttp import web

from tests.integration.media_streamer.cache.conftest import VIDEO


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
    again = await cache.get(segment)
    assert (again.status, again.body) == (200, hit.body)
    for headers in (hit.headers, again.headers):
        for name in ("Age", "Date", "Server"):
            headers.pop(name, None)
    assert again.headers == hit.headers
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
    again = await cache.get(segment, Range=range_)
    assert (again.status, again.body) == (206, after.body)
    assert again.headers["Content-Range"] == after.headers["Content-Range"]
    wrong = await cache.get(segment, Range="bytes=999999999-")
    assert wrong.status == 416


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
