"""Time-outs and bounds of memory, shortened: the cache's own service in this process."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from media_streamer.cache import fetch, origins, send
from media_streamer.cache.app import CacheApp
from media_streamer.cache.metrics import Metrics
from media_streamer.cache.settings import CacheSettings
from media_streamer.cache.store import Store
from yarl import URL

from tests.integration.media_streamer.cache.conftest import SEGMENT_CACHE

PATH = "/live/tracks-v1/2026/01/01/00/00/00-05000.m4s"
VIDEO = {"Content-Type": "video/mp4", "Cache-Control": SEGMENT_CACHE}


class Running:
    """A cache in this process."""

    def __init__(self, url: str, store: Store, metrics: Metrics) -> None:
        self.url = url
        self.port = URL(url).port
        self.store = store
        self._metrics = metrics

    def metric(self, name: str) -> float:
        lines = dict(
            line.rsplit(" ", 1) for line in self._metrics.text().decode().splitlines() if line
        )
        return float(lines[f"media_cache_{name}"])

    async def wait_metric(self, name: str, value: float) -> None:
        async with asyncio.timeout(10):
            while self.metric(name) != value:  # noqa: ASYNC110 - counters have no events
                await asyncio.sleep(0.01)


@pytest.fixture
async def running(origin, tmp_path) -> AsyncIterator[Running]:
    metrics, store = Metrics(), Store(tmp_path / "cache")
    await store.open()
    app = CacheApp(CacheSettings((URL(origin.url),)), store, metrics)
    runner = web.ServerRunner(web.Server(app.handle, handler_cancellation=True))
    runner._shutdown_timeout = 0.1
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield Running(f"http://127.0.0.1:{runner.addresses[0][1]}", store, metrics)
    finally:
        await runner.cleanup()
        await app.close()
        store.close()


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(20)) as session:
        yield session


@pytest.mark.parametrize("sent", [0, 500])
async def test_origin_that_stops_is_given_up_and_nothing_stored(
    origin, running, client, monkeypatch, sent
):
    monkeypatch.setattr(origins, "READ_TIMEOUT_SECONDS", 0.3)

    async def stuck(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers=VIDEO)
        response.content_length = 1000
        if sent:
            await response.prepare(request)
            await response.write(bytes(sent))
        await asyncio.Event().wait()
        return response

    origin.special[PATH] = stuck
    if sent:
        async with client.get(running.url + PATH) as answer:
            assert answer.status == 200
            with pytest.raises(aiohttp.ClientPayloadError):
                await answer.read()
    else:
        async with client.get(running.url + PATH) as answer:
            assert answer.status == 504
            assert "in time" in await answer.text()
    assert len(running.store) == 0
    assert running.metric("buffered_bytes") == 0


async def test_body_that_takes_too_long_is_given_up(origin, running, client, monkeypatch):
    """Each pause is short, the whole is not."""
    monkeypatch.setattr(fetch, "BODY_TIMEOUT_SECONDS", 0.5)

    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers=VIDEO)
        response.content_length = 100_000
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while True:
                await response.write(b"x")
                await asyncio.sleep(0.02)
        return response

    origin.special[PATH] = drip
    with pytest.raises(aiohttp.ClientPayloadError):
        async with client.get(running.url + PATH) as answer:
            await answer.read()
    assert len(running.store) == 0


@pytest.mark.parametrize("path", ["/live/mpegts", PATH])
async def test_slow_viewers_are_closed_others_are_not(origin, running, client, monkeypatch, path):
    """One viewer reads nothing at all; one beside it gets everything."""
    monkeypatch.setattr(send, "SLOW_SECONDS", 0.5)
    size = 30_000_000 if path == PATH else None

    async def large(request: web.Request) -> web.StreamResponse:
        headers = VIDEO if size else {"Content-Type": "video/mp2t", "Cache-Control": "no-store"}
        response = web.StreamResponse(headers=headers)
        response.content_length = size
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            for _ in range(300 if size else 100_000):
                await response.write(bytes(100_000))
        return response

    origin.special[path] = large
    # A small window, so that the kernel does not swallow it all.
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port, limit=1000)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    try:
        await reader.readexactly(100)
        if size:
            async with client.get(running.url + path) as answer:
                assert len(await answer.read()) == size
        await running.wait_metric("slow_viewers_total", 1)
        # What the kernel had taken still comes, then the end, and it shows that more was to come.
        rest = await asyncio.wait_for(reader.read(), 10)
        assert len(rest) < (size or 1 << 62)
        assert not rest.endswith(b"0\r\n\r\n")
    finally:
        writer.transport.abort()
    await running.wait_metric("buffered_bytes", 0)


async def test_over_the_bound_of_memory_requests_are_not_shared(
    origin, running, client, monkeypatch, segment
):
    monkeypatch.setattr(fetch, "BUFFER_BYTES", 1000)
    wanted = (origin.files / segment[1:]).read_bytes()

    async def view() -> bytes:
        async with client.get(running.url + segment) as answer:
            return await answer.read()

    assert await asyncio.gather(*(view() for _ in range(5))) == [wanted] * 5
    assert origin.asked[segment] >= 1
    assert len(running.store) == 0
    assert running.metric("buffered_bytes") == 0


async def test_playlist_without_length_is_bounded(origin, running, client, monkeypatch):
    monkeypatch.setattr(fetch, "MAX_LIST_BYTES", 1000)

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/vnd.apple.mpegurl"})
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            for _ in range(100):
                await response.write(b"#EXTM3U\n" * 100)
                await asyncio.sleep(0.01)
        return response

    origin.special["/live/index.m3u8"] = endless
    with pytest.raises(aiohttp.ClientError):
        async with client.get(running.url + "/live/index.m3u8") as answer:
            await answer.read()
    assert running.metric("buffered_bytes") == 0
