"""Who gets what the edge cache has: tokens, refusals, answers for one viewer."""

import asyncio

from aiohttp import web

from tests.integration.media_streamer.cache.conftest import PLAYLIST, VIDEO


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
