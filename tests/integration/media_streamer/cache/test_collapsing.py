"""Many requests at one time: what the origin sees of them."""

import asyncio

from aiohttp import web

from tests.integration.media_streamer.cache.conftest import PLAYLIST, VIDEO


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
