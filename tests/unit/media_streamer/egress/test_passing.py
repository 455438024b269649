"""What another server has recorded: passed on, kept, and not kept where that cannot be."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from media_rest.credentials import parse_authorization
from media_streamer.cache import origins
from media_streamer.egress import passing
from media_streamer.egress.access import Access, AccessDenied, PassOn
from media_streamer.egress.answers import Answers
from media_streamer.egress.cache_disks import CacheDisks
from media_streamer.egress.http.gathered import QuickResponse
from media_streamer.egress.http.quick_segments import QuickSegments
from media_streamer.egress.http.request import MediaRequest
from media_streamer.egress.http.server import http_server
from media_streamer.egress.passing import Passages
from media_streamer.egress.segmented_sessions import SegmentedSessions
from media_streamer.egress.served_sessions import Account, ServedSessions
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
        self.otherwise: AccessDenied | None = None
        """What this server itself answers."""

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        passage = Passage(name="there/s", cluster_key="key", **self.terms)
        asked = AccessRequest("here", "hls", "play", "10.0.0.1")
        config = DeliveryConfig(passage=passage)
        access = Access("id", "here", Path(), 0, asked, config=config)
        media = MediaRequest(request, "here", {}, {}, "10.0.0.1", "token")
        try:
            return await self.passages.answer(
                media, PassOn(access, self.account, otherwise=self.otherwise)
            )
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


class Liar:
    """Another server that says what the test says, a piece after the other, `pause` seconds apart;
    then it is silent, or closes."""

    def __init__(self, pieces: list[bytes], *, closes: bool, pause: float = 0.0) -> None:
        self._pieces, self._closes, self._pause = pieces, closes, pause
        self.asked = 0

    @contextlib.asynccontextmanager
    async def there(self) -> AsyncIterator[str]:
        """Its address."""
        tasks = set[asyncio.Task[None]]()

        def come(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tasks.add(asyncio.create_task(self._serve(reader, writer)))

        server = await asyncio.start_server(come, "127.0.0.1", 0)
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            self.asked += 1
            for piece in self._pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(self._pause)
            if not self._closes:
                await reader.read()
        finally:
            writer.close()
            await writer.wait_closed()


DRIP = [bytes([byte]) for byte in b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 2000]
OK = b"HTTP/1.1 200 OK\r\nCache-Control: max-age=3600\r\n"
LIARS = {
    "garbage": (Liar([b"\x16\x03\x01\x02" * 500], closes=False), 502),
    "another protocol": (Liar([b"SSH-2.0-x\r\n"], closes=False), 502),
    "a head without end": (Liar([b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 50_000], closes=True), 502),
    "it hangs": (Liar([], closes=False), 504),
    "it drips": (Liar(DRIP, closes=False, pause=0.05), 504),
    "it closes": (Liar([], closes=True), 502),
    "two lengths": (
        Liar([OK + b"Content-Length: 3\r\nContent-Length: 9\r\n\r\nabc"], closes=True),
        502,
    ),
}
"""What comes, and what the viewer is answered."""


async def lied_to(world: World, liar: Liar, *paths: str) -> list[tuple[int, bytes] | None]:
    """The answers of who asks for these; None: one that broke off."""
    answers: list[tuple[int, bytes] | None] = []
    async with liar.there() as world.edge.terms["origin"]:
        for path in paths:
            try:
                async with asyncio.timeout(10):
                    status, _, body = await world.get(path)
                answers.append((status, body))
            except aiohttp.ClientPayloadError:
                answers.append(None)
    return answers


@pytest.mark.parametrize("lie", LIARS)
async def test_who_tells_nonsense_is_no_server_that_has_it(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lie: str
) -> None:
    """In a bounded time, with words, and nothing of it is kept."""
    monkeypatch.setattr(origins, "READ_TIMEOUT_SECONDS", 0.4)
    monkeypatch.setattr(origins, "CONNECT_TIMEOUT_SECONDS", 0.4)
    world.edge.terms["cache"] = CacheTerms(str(tmp_path))
    right = world.edge.terms["origin"]
    liar, status = LIARS[lie]
    answers = await lied_to(world, liar, SEGMENT, "archive-1-2.m3u8")
    assert answers == [(status, b"origin_failed")] * 2
    assert world.edge.account.bytes == 0
    world.edge.terms["origin"] = right
    assert await world.get(SEGMENT) == (200, "MISS", BODY), "others are served as before"


async def test_who_is_silent_within_a_body_ends_it_and_nothing_is_kept(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(origins, "READ_TIMEOUT_SECONDS", 0.4)
    world.edge.terms["cache"] = CacheTerms(str(tmp_path))
    head = OK + b"Content-Type: video/mp4\r\nContent-Length: 1000\r\n\r\n"
    for closes in (False, True):
        liar = Liar([head + b"x" * 400], closes=closes)
        assert await lied_to(world, liar, SEGMENT, SEGMENT) == [None, None]
        assert liar.asked == 2, "it was not kept"


async def test_a_redirection_is_not_followed(world: World, tmp_path: Path) -> None:
    """Another server is asked for what it has, and for nothing that it names."""
    world.edge.terms["cache"] = CacheTerms(str(tmp_path))
    right = world.edge.terms["origin"]
    away = f"HTTP/1.1 302 Found\r\nLocation: {right}/secret\r\nContent-Length: 0\r\n\r\n"
    liar = Liar([away.encode()], closes=True)
    async with liar.there() as world.edge.terms["origin"]:
        url = f"{world.url}here/{SEGMENT}"
        async with world.http.get(url, allow_redirects=False) as answer:
            assert answer.status == 302
    assert not world.origin.asked


async def test_a_part_in_place_of_the_whole_is_not_kept_as_the_whole(
    world: World, tmp_path: Path
) -> None:
    world.edge.terms["cache"] = CacheTerms(str(tmp_path))
    part = b"HTTP/1.1 206 Partial Content\r\nCache-Control: public, max-age=3600, immutable\r\n"
    part += b"Content-Range: bytes 0-9/1000\r\nContent-Length: 10\r\n\r\n0123456789"
    liar = Liar([part], closes=True)
    answers = await lied_to(world, liar, SEGMENT, SEGMENT)
    assert liar.asked == 2, "it was not kept"
    assert {one[0] for one in answers if one is not None} <= {206, 502}


class Viewed(Edge):
    """It has sessions, and knows answers without a handler."""

    def __init__(self) -> None:
        super().__init__()
        self.answers, self.handled = Answers(), 0
        self.sessions = ServedSessions(lambda _: None)
        self.viewers = SegmentedSessions(self)  # type: ignore[arg-type]  # a Hub, as far as used
        self.quick = QuickSegments(self.answers)
        self.server = http_server(self.answer, quick=self.quick.find)

    async def leave(self, request: AccessRequest) -> Access:
        config = DeliveryConfig(passage=Passage(name="there/s", **self.terms))
        return Access("id", "here", Path(), 0, request, request.token, config=config)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.handled += 1
        media = MediaRequest(request, "here", {}, request.query, "127.0.0.1", "token")
        try:
            await self.viewers.find(media, "hls", archive=True)
        except PassOn as passing:
            response = await self.passages.answer(media, passing)
            if isinstance(response, QuickResponse):
                self.quick.learn(media, response, "hls")
            return response
        raise AssertionError


async def test_who_has_an_answer_gives_it_where_the_other_does_not(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A live segment that a copy has not: the server it was taken from may be dead."""
    monkeypatch.setattr(passing, "LIVE_PATIENCE_SECONDS", 0.1)
    world.edge.otherwise = AccessDenied(404, "own", "no such segment")
    assert (await world.get(SEGMENT))[0] == 200
    world.origin.status = 503
    assert await world.get(SEGMENT) == (404, "", b"own")
    world.origin.status, world.origin.delay = 200, 1.0
    assert await world.get(SEGMENT) == (404, "", b"own")
    asked = len(world.origin.asked)
    assert await world.get(SEGMENT) == (404, "", b"own")
    assert len(world.origin.asked) == asked, "who just was silent is not asked at once again"
    world.edge.otherwise = None
    world.origin.delay = 0.0
    assert (await world.get(SEGMENT))[0] == 200


async def test_hits_are_answered_without_a_handler(world: World, tmp_path: Path) -> None:
    edge = Viewed()
    edge.terms = {**world.edge.terms, "cache": CacheTerms(str(tmp_path / "c"), misses=1)}
    tasks = [asyncio.create_task(run()) for run in (edge.passages.run, edge.disks.run)]
    listening = await asyncio.get_running_loop().create_server(edge.server, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    world.url = f"http://127.0.0.1:{port}/"
    other = SEGMENT.replace("05-01000", "06-01000")
    try:
        tags = [(await world.get(SEGMENT + "?token=a"))[1] for _ in range(3)]
        assert (tags, edge.handled) == (["MISS", "HIT", "HIT"], 2)
        async with world.http.get(world.url + f"here/{SEGMENT}?token=a") as answer:
            assert answer.headers["Cache-Control"] == "public, max-age=3600, immutable"
            assert "Age" in answer.headers
            assert await answer.read() == BODY
        assert edge.handled == 2
        # Another file of the folder: once it was a hit itself.
        tags = [(await world.get(other + "?token=a"))[1] for _ in range(3)]
        assert (tags, edge.handled) == (["MISS", "HIT", "HIT"], 4)
        assert (await world.get(SEGMENT + "?token=b"))[:2] == (200, "HIT")
        assert edge.handled == 5, "somebody else is asked about"
        assert (await world.get(SEGMENT + "?token=a", Range="bytes=1-2"))[2] == BODY[1:3]
        assert edge.handled == 6
        counts = {(status, count) for _, _, status, count in edge.answers.take()}
        assert counts == {(200, 3)}, "those without a handler"
        viewer = next(one for one in edge.viewers._known.values() if one.key[3].startswith("a"))
        edge.sessions.end(viewer.access.session_id, "closed")
        assert (await world.get(SEGMENT + "?token=a"))[:2] == (200, "HIT")
        assert edge.handled == 7
    finally:
        listening.close()
        await edge.server.shutdown(1)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
