"""Whom the streamer sees: viewers by their own addresses, and nobody by a header of their own."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from tests.support.streamer import Lender, Streamer, until

from .conftest import Caches, Origin

KEY = "cluster-secret"
DEMO = "stream demo { input fake://fake; }\n"
VIEWERS = ("127.0.0.2", "127.0.0.3", "127.0.0.4")


@pytest.fixture
async def streamer(lender: Lender) -> AsyncIterator[Streamer]:
    async with lender.lend() as one:
        yield one


async def get(url: str, source: str = "127.0.0.1", **headers: str) -> tuple[int, str]:
    """Status and body of a request that comes from the address `source`."""
    connector = aiohttp.TCPConnector(local_addr=(source, 0))
    async with aiohttp.ClientSession(connector=connector) as client:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        async with client.get(url, headers=sent, timeout=aiohttp.ClientTimeout(20)) as answer:
            return answer.status, await answer.text()


async def addresses(streamer: Streamer) -> set[str]:
    """Of the open sessions."""
    _, found = await streamer.api("GET", "/sessions?name=demo")
    return {session["ip"] for session in found["sessions"]}


async def play(base: str, source: str) -> None:
    """What an LL-HLS player asks first: master playlist, media playlist, a blocking reload."""
    assert (await get(f"{base}/demo/index.ll.m3u8", source))[0] == 200
    status, text = await get(f"{base}/demo/tracks-v1/index.ll.m3u8", source)
    assert status == 200
    first = next(line for line in text.splitlines() if line.startswith("#EXT-X-MEDIA-SEQUENCE:"))
    number = int(first.partition(":")[2]) + text.count("#EXTINF")
    assert (await get(f"{base}/demo/tracks-v1/index.ll.m3u8?_HLS_msn={number}", source))[0] == 200


async def test_viewers_of_a_cache_are_sessions_of_their_own(
    streamer: Streamer, caches: Caches
) -> None:
    streamer.write(f"cluster_key {KEY};\n{DEMO}")
    await streamer.serve()
    await streamer.running("demo")
    cache = await caches.start(streamer.base, cluster_key=KEY)
    await asyncio.gather(*(play(cache.url, source) for source in VIEWERS))
    assert await addresses(streamer) == set(VIEWERS)
    assert KEY not in streamer.log + "".join(cache.log)


@pytest.mark.parametrize("key", ["", "another"])
async def test_a_cache_without_the_key_is_one_viewer(
    streamer: Streamer, caches: Caches, key: str
) -> None:
    streamer.write(f"cluster_key {KEY};\n{DEMO}")
    await streamer.serve()
    await streamer.running("demo")
    cache = await caches.start(streamer.base, cluster_key=key)
    await asyncio.gather(*(play(cache.url, source) for source in VIEWERS))
    assert await addresses(streamer) == {"127.0.0.1"}


async def test_who_is_believed_is_what_the_configuration_says(streamer: Streamer) -> None:
    """Nobody, then a proxy at an address: by a reload, the ports stay open."""
    url = f"{streamer.base}/demo/index.m3u8"
    streamer.write(DEMO)
    await streamer.serve()
    await streamer.running("demo")
    await get(url, X_Forwarded_For="198.51.100.1")
    assert await addresses(streamer) == {"127.0.0.1"}
    status, _ = await streamer.api("PUT", "/config", json={"trusted_proxies": ["127.0.0.9"]})
    assert status == 200
    assert "trusted_proxies 127.0.0.9/32;" in streamer.config.read_text()

    async def believed() -> bool:
        await get(url, "127.0.0.9", X_Forwarded_For="198.51.100.2")
        return "198.51.100.2" in await addresses(streamer)

    await until(believed, "the proxy is believed")
    await get(url, "127.0.0.8", X_Forwarded_For="198.51.100.3")
    await get(url, "127.0.0.9", X_Forwarded_For="198.51.100.4, nonsense")
    found = await addresses(streamer)
    assert not found & {"198.51.100.1", "198.51.100.3", "198.51.100.4"}
    assert found >= {"127.0.0.8", "127.0.0.9"}


async def test_api_allowed_from_means_the_client_behind_a_trusted_proxy(
    streamer: Streamer,
) -> None:
    streamer.write(f"trusted_proxies 127.0.0.9;\napi_allowed_from 127.0.0.0/8 10/8;\n{DEMO}")
    await streamer.serve()
    url = f"{streamer.base}/streamer/api/v3/monitoring/liveness"
    config = f"{streamer.base}/streamer/api/v3/config"
    assert (await get(url))[0] == 200
    denied, _ = await get(config, "127.0.0.9", X_Forwarded_For="198.51.100.2")
    assert denied == 403
    login = {"Authorization": "Basic YWRtaW46c2VjcmV0"}
    assert (await get(config, "127.0.0.9", X_Forwarded_For="10.0.0.5", **login))[0] == 200
    forged, _ = await get(config, "127.0.0.8", X_Forwarded_For="198.51.100.2", **login)
    assert forged == 200


async def test_each_viewer_asks_for_itself_before_it_shares_requests(
    caches: Caches, origin: Origin
) -> None:
    path, go_on = "/bunny/tracks-v1/index.ll.m3u8", asyncio.Event()

    async def blocking(request: web.Request) -> web.StreamResponse:
        await go_on.wait()
        return web.Response(text="#EXTM3U\n", content_type="application/vnd.apple.mpegurl")

    origin.special[path] = blocking
    cache = await caches.start(origin.url, trusted_proxies="127.0.0.9")
    requests = [
        asyncio.create_task(get(f"{cache.url}{path}?_HLS_msn=7", source)) for source in VIEWERS * 3
    ]
    behind = get(f"{cache.url}{path}?_HLS_msn=7", "127.0.0.9", X_Forwarded_For="198.51.100.7")
    requests.append(asyncio.create_task(behind))
    with contextlib.ExitStack() as stack:
        stack.callback(go_on.set)
        await cache.wait_metric("requests_total", len(requests))
        await cache.wait_metric("origin_requests_total", len(VIEWERS) + 1)
    assert {status for status, _ in await asyncio.gather(*requests)} == {200}
    seen = sorted(request.headers["X-Forwarded-For"] for request in origin.requests)
    assert seen == [*VIEWERS, "198.51.100.7"]
