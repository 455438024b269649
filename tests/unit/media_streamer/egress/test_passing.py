"""What another server has recorded: passed on, kept, and not kept where that cannot be."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from media_rest.credentials import parse_authorization
from media_streamer.egress.access import Access, AccessDenied, PassOn
from media_streamer.egress.cache_disks import CacheDisks
from media_streamer.egress.http.request import MediaRequest
from media_streamer.egress.passing import Passages
from media_streamer.egress.served_sessions import Account
from media_streamer.wire.control import AccessRequest, CacheTerms, DeliveryConfig, Passage

SEGMENT = "tracks-v1/archive/2026/01/02/03/04/05-01000-000.m4s"
BODY = b"x" * 100_000


class Origin:
    """The other server: `answers` what the test says, after `delay` seconds."""

    def __init__(self) -> None:
        self.asked: list[web.Request] = []
        self.status = 200
        self.delay = 0.0

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request)
        await asyncio.sleep(self.delay)
        headers = {"Cache-Control": "public, max-age=3600, immutable"}
        if request.path.endswith(".m3u8"):
            headers = {"Content-Type": "application/vnd.apple.mpegurl"}
        return web.Response(status=self.status, body=BODY, headers=headers)


class Edge:
    """An HTTP service that passes everything on."""

    def __init__(self) -> None:
        self.disks = CacheDisks()
        self.passages = Passages(self.disks, None)
        self.terms: dict[str, Any] = {}
        self.account = Account()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        passage = Passage(name="there/s", cluster_key="key", **self.terms)
        asked = AccessRequest("here", "hls", "play", "10.0.0.1")
        config = DeliveryConfig(passage=passage)
        access = Access("id", "here", Path(), 0, asked, config=config)
        media = MediaRequest(request, "here", {}, {}, "10.0.0.1", "token")
        try:
            return await self.passages.answer(media, PassOn(access, self.account))
        except AccessDenied as denied:
            return web.Response(status=denied.status, text=denied.code)


class World:
    def __init__(self, http: aiohttp.ClientSession, edge: Edge, origin: Origin, url: str) -> None:
        self.http, self.edge, self.origin, self.url = http, edge, origin, url

    async def get(self, path: str, **headers: str) -> tuple[int, str, bytes]:
        async with self.http.get(f"{self.url}here/{path}", headers=headers) as answer:
            return answer.status, answer.headers.get("X-Cache", ""), await answer.read()

    async def counted(self, size: int) -> None:
        """Wait until the session has so many bytes: they are counted once they are sent."""
        async with asyncio.timeout(30):
            while True:
                if self.edge.account.bytes == size:
                    return
                await asyncio.sleep(0.01)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    origin, edge = Origin(), Edge()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", origin.answer)
    async with (
        TestServer(app) as far,
        aiohttp.ClientSession() as http,
    ):
        edge.terms["origin"] = str(far.make_url("")).rstrip("/")
        tasks = [asyncio.create_task(run()) for run in (edge.passages.run, edge.disks.run)]
        near = web.Server(edge.answer)
        runner = web.ServerRunner(near)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        yield World(http, edge, origin, f"http://{host}:{port}/")
        await runner.cleanup()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_list_is_asked_for_each_time_in_the_name_of_this_server(world: World) -> None:
    path = "archive-1-2.m3u8?token=t&filter.tracks=v1"
    for _ in range(2):
        assert await world.get(path) == (200, "MISS", BODY)
    assert len(world.origin.asked) == 2
    asked = world.origin.asked[0]
    assert asked.path_qs == "/there/s/archive-1-2.m3u8?token=t&filter.tracks=v1"
    credentials = parse_authorization(asked.headers["Authorization"])
    assert credentials is not None
    assert credentials.kind == "cluster"
    await world.counted(2 * len(BODY))


async def test_misses_then_the_disk(world: World, tmp_path: Path) -> None:
    path = str(tmp_path / "c")
    world.edge.terms["cache"] = CacheTerms(path, misses=3)
    tags = [(await world.get(f"{SEGMENT}?token={n}"))[1] for n in range(5)]
    assert tags == ["MISS", "MISS", "MISS", "HIT", "HIT"]
    assert len(world.origin.asked) == 3
    await world.counted(5 * len(BODY))
    status, tag, body = await world.get(SEGMENT, Range="bytes=10-19")
    assert (status, tag, body) == (206, "HIT", BODY[10:20])
    # Other terms for the same directory: it is opened anew, with what it has.
    world.edge.terms["cache"] = CacheTerms(path, storage_limit=1 << 30)
    assert (await world.get(SEGMENT))[1] == "HIT"
    # Too small for anything.
    world.edge.terms["cache"] = CacheTerms(path, storage_limit=10)
    assert [(await world.get(SEGMENT))[1] for _ in range(2)] == ["MISS", "MISS"]


async def test_requests_at_once_are_one(world: World, tmp_path: Path) -> None:
    world.edge.terms["cache"] = CacheTerms(str(tmp_path), misses=1)
    world.origin.delay = 0.3
    found = await asyncio.gather(*(world.get(SEGMENT) for _ in range(20)))
    assert {body for _, _, body in found} == {BODY}
    assert len(world.origin.asked) == 1


async def test_a_disk_that_cannot_be_used_is_no_failure(world: World, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("no directory")
    world.edge.terms["cache"] = CacheTerms(str(file))
    for _ in range(2):
        assert await world.get(SEGMENT) == (200, "MISS", BODY)


@pytest.mark.parametrize(
    ("status", "answered"), [(404, 404), (403, 502), (401, 502), (503, 503), (409, 409)]
)
async def test_refusals(world: World, tmp_path: Path, status: int, answered: int) -> None:
    world.edge.terms["cache"] = CacheTerms(str(tmp_path))
    world.origin.status = status
    assert [(await world.get(SEGMENT))[0] for _ in range(2)] == [answered] * 2
    world.origin.status = 200
    assert (await world.get(SEGMENT))[0] == 200, "no refusal is kept"


async def test_nobody_there(world: World) -> None:
    world.edge.terms["origin"] = "http://127.0.0.1:9"
    assert await world.get(SEGMENT) == (502, "", b"origin_failed")
