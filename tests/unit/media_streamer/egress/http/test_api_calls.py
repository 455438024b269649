"""Requests to the API without a task: what goes this way, what of it reaches either side, and each
way in which it may end. The API is a server of a few lines that does what a test says."""

import asyncio
import re
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from media_streamer.api import legacy
from media_streamer.api.server import BASES, LEGACY_BASE, ROUTES
from media_streamer.egress.context import Egress
from media_streamer.egress.http import api_calls
from media_streamer.egress.http.access_log import AccessLog
from media_streamer.egress.http.app import HttpApp
from media_streamer.egress.http.proxy import ApiProxy
from media_streamer.egress.hub import Hub

PATH = "/streamer/api/v3/streams"
GET = f"GET {PATH} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nServer: api\r\n\r\nhi"
UNREAD_SECONDS = 0.3
EACH = 4
SECONDS = 20

Answer = Callable[[bytes, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Front:
    """The public port of a worker, and an API."""

    def __init__(self, runtime: Path) -> None:
        self.asked: list[bytes] = []
        """Heads that reached the API."""
        self.handled = 0
        """Requests that a handler passed on."""
        self.connections = 0
        """Open ones of the API."""
        self.answer: Answer = self.usual
        self.port = 0
        self.clients: list[Client] = []
        self.egress = Egress(Hub(runtime))
        self.log = self.egress.access_log = AccessLog(runtime / "access.log")
        self.proxy = ApiProxy(
            runtime / "api.sock", each=EACH, unread_seconds=UNREAD_SECONDS, requests=self.log
        )
        self._runtime = runtime

    @staticmethod
    async def usual(head: bytes, reader: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        to.write(OK)

    async def _api(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                self.asked.append(head)
                await self.answer(head, reader, writer)
        except (EOFError, OSError):
            pass
        finally:
            self.connections -= 1
            writer.close()

    async def start(self) -> Callable[[], Awaitable[None]]:
        loop = asyncio.get_running_loop()
        api = await asyncio.start_unix_server(self._api, self._runtime / "api.sock")
        forward = self.proxy.forward

        async def counted(request: web.BaseRequest, ip: str) -> web.StreamResponse:
            self.handled += 1
            return await forward(request, ip)

        self.proxy.forward = counted  # type: ignore[method-assign]
        server = self.server = HttpApp(self.egress, self.proxy).server(api=True)
        listening = await loop.create_server(server, "127.0.0.1", 0)
        self.port = listening.sockets[0].getsockname()[1]

        async def stop() -> None:
            listening.close()
            api.close()
            await server.shutdown(0.5)
            await self.proxy.close()
            for client in self.clients:
                client.close()

        return stop

    async def get_ready(self) -> None:
        """The first call makes the connections of those that follow."""
        client = await self.client()
        await client.ask(GET)
        client.close()
        await until(lambda: self.connections >= 3)  # one of them is the handler's
        self.handled = 0
        self.asked.clear()

    async def client(self) -> "Client":
        self.clients.append(Client(*await asyncio.open_connection("127.0.0.1", self.port)))
        return self.clients[-1]


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, request: bytes) -> tuple[str, bytes]:
        self.writer.write(request)
        return await self.answer()

    async def answer(self) -> tuple[str, bytes]:
        """Head, in lower case, and body."""
        async with asyncio.timeout(SECONDS):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
            if "transfer-encoding: chunked" not in head:
                size = int(head.partition("content-length: ")[2].partition("\r\n")[0] or 0)
                return head, await self.reader.readexactly(size)
            body = b""
            while size := int(await self.reader.readline(), 16):
                body += await self.reader.readexactly(size)
                await self.reader.readline()
            await self.reader.readline()
            return head, body

    async def rest(self) -> bytes:
        async with asyncio.timeout(SECONDS):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b"reset"

    def close(self) -> None:
        self.writer.close()


async def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end
        await asyncio.sleep(0.005)


@pytest.fixture
async def front(tmp_path: Path) -> AsyncIterator[Front]:
    made = Front(tmp_path)
    stop = await made.start()
    await made.get_ready()
    yield made
    await stop()


@pytest.fixture
async def client(front: Front) -> Client:
    return await front.client()


async def test_a_call_needs_no_handler(front: Front, client: Client) -> None:
    for _ in range(3):
        head, body = await client.ask(GET)
        assert (head.splitlines()[0], body) == ("http/1.1 200 ok", b"hi")
    assert (front.handled, len(front.asked)) == (0, 3)


async def test_a_page_that_a_browser_goes_to_needs_no_handler(front: Front, client: Client) -> None:
    page = GET.replace(PATH.encode(), b"/ui/streams")[:-2]
    page += b"Upgrade-Insecure-Requests: 1\r\nSec-Fetch-Mode: navigate\r\n\r\n"
    for request in (page, GET):
        assert (await client.ask(request))[1] == b"hi"
    assert (front.handled, len(front.asked)) == (0, 2)


async def test_who_sent_a_body_has_handlers_from_then_on(front: Front, client: Client) -> None:
    await client.ask(GET.replace(b"GET", b"PUT")[:-2] + b"Content-Length: 2\r\n\r\n{}")
    assert (await client.ask(GET))[1] == b"hi"
    assert front.handled == 2


async def test_what_is_told_of_the_client_cannot_be_forged(front: Front, client: Client) -> None:
    await client.ask(
        GET[:-2] + b"X-Forwarded-For: 6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nX-Relayed: 0\r\n"
        b"Forwarded: for=6.6.6.6\r\nConnection: X-Mine, keep-alive\r\nX-Mine: 1\r\n"
        b"Connection: X-Other\r\nX-Other: 1\r\n"
        b"Keep-Alive: 3\r\nTE: trailers\r\nAuthorization: Basic eA==\r\n\r\n"
    )
    (asked,) = front.asked
    assert front.handled == 0
    lines = asked.decode().lower().split("\r\n")
    assert lines[0] == f"get {PATH} http/1.1"
    assert sorted(lines[1:]) == sorted(
        [
            "host: x",
            "authorization: basic ea==",
            "x-forwarded-for: 127.0.0.1",
            "x-real-ip: 127.0.0.1",
            "x-relayed: 1",
            "x-forwarded-proto: http",
            "",
            "",
        ]
    )


@pytest.mark.parametrize(
    "request_",
    [
        GET.replace(b"GET", b"HEAD"),
        GET.replace(b"GET", b"DELETE"),
        GET.replace(b"1.1", b"1.0"),
        GET[:-2] + b"Content-Length: 2\r\n\r\n{}",
        GET[:-2] + b"Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        GET[:-2] + b"Connection: Host\r\n\r\n",
    ],
)
async def test_what_is_not_simple_is_a_handlers(front: Front, request_: bytes) -> None:
    client = await front.client()
    client.writer.write(request_)
    await until(lambda: front.handled == 1)
    client.close()


@pytest.mark.parametrize("target", ["/ui/static/x.js", "/streamer/apiary", "/live/index.m3u8"])
async def test_what_is_not_the_apis_is_not_passed_on(
    front: Front, client: Client, target: str
) -> None:
    await client.ask(GET.replace(PATH.encode(), target.encode()))
    assert front.asked == []


async def test_what_changes_something_is_a_handlers(front: Front) -> None:
    """A GET that needs leave to edit does."""
    tables = [(LEGACY_BASE, legacy.ROUTES), *((base, ROUTES) for base in BASES)]
    targets = [
        base + route.path
        for base, routes in tables
        for route in routes
        if route.method == "GET" and route.right not in ("open", "view")
    ]
    assert "/flussonic/api/reload" in targets
    for number, target in enumerate(targets, 1):
        client = await front.client()
        assert (await client.ask(GET.replace(PATH.encode(), target.encode())))[1] == b"hi"
        assert front.handled == number, target
        client.close()


async def test_an_answer_of_unknown_length(front: Front, client: Client) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        to.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in (b"2\r\nab", b"\r\n1\r", b"\nc\r\n0\r\n", b"\r\n"):
            to.write(piece)
            await asyncio.sleep(0.01)

    front.answer = answer
    for _ in range(2):
        assert (await client.ask(GET))[1] == b"abc"
    assert front.handled == 0


async def test_an_answer_that_ends_with_its_connection(front: Front, client: Client) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        to.write(b"HTTP/1.1 200 OK\r\n\r\nabc")
        await to.drain()
        to.close()

    front.answer = answer
    assert (await client.ask(GET))[1] == b"abc"
    front.answer = front.usual
    assert (await client.ask(GET))[1] == b"hi"


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
async def test_an_answer_without_a_body(front: Front, client: Client, status: str) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        to.write(f"HTTP/1.1 {status}\r\nETag: x\r\n\r\n".encode())

    front.answer = answer
    for _ in range(2):
        head, _ = await client.ask(GET)
        assert status.lower() in head
        assert "etag: x" in head
        assert "transfer-encoding" not in head
    assert front.handled == 0


async def test_a_connection_that_is_to_close_does(front: Front) -> None:
    client = await front.client()
    head, body = await client.ask(GET[:-2] + b"Connection: close\r\n\r\n")
    assert ("connection: close" in head, body) == (True, b"hi")
    assert await client.rest() == b""
    assert front.handled == 0


async def test_who_must_log_in_gets_nothing_more(front: Front) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        to.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno")

    front.answer = answer
    client = await front.client()
    client.writer.write(GET + GET)
    client.writer.write(GET)
    head, body = await client.answer()
    assert (head.splitlines()[0], body) == ("http/1.1 401 unauthorized", b"no")
    assert await client.rest() in (b"", b"reset")
    assert len(front.asked) == 1


async def test_what_is_asked_meanwhile_waits(front: Front, client: Client) -> None:
    go = asyncio.Event()

    async def answer(head: bytes, reader: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        await go.wait()
        body = head.split()[1][-1:]
        to.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" + body)

    front.answer = answer
    client.writer.write(GET.replace(b"streams", b"streams/1"))
    await until(lambda: len(front.asked) == 1)
    for number in (b"2", b"3"):
        client.writer.write(GET.replace(b"streams", b"streams/" + number))
        await client.writer.drain()
        await asyncio.sleep(0.02)
    assert len(front.asked) == 1
    go.set()
    assert [(await client.answer())[1] for _ in range(3)] == [b"1", b"2", b"3"]


async def test_a_kept_connection_that_was_closed_costs_nothing(
    front: Front, client: Client
) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        front.answer = front.usual
        to.close()

    front.answer = answer
    assert (await client.ask(GET))[1] == b"hi"
    assert (front.handled, len(front.asked)) == (1, 2)


@pytest.mark.parametrize(
    "text",
    [
        b"FTP/9 huh\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nServ",
        b"HTTP/1.1 103 Early Hints\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
    ],
)
async def test_who_was_heard_is_not_asked_twice(front: Front, client: Client, text: bytes) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        front.answer = front.usual
        to.write(text)
        await to.drain()
        to.close()

    front.answer = answer
    head, _ = await client.ask(GET)
    assert head.startswith("http/1.1 503 ")
    assert (front.handled, len(front.asked)) == (0, 1)
    assert (await client.ask(GET))[1] == b"hi"


async def test_without_the_api_it_is_said_so(front: Front, client: Client) -> None:
    (front.proxy.calls._path).unlink()

    async def answer(head: bytes, reader: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        to.close()

    front.answer = answer
    head, _ = await client.ask(GET)
    assert head.startswith("http/1.1 503 ")
    assert "retry-after" in head


async def test_an_answer_that_breaks_off_is_seen(front: Front) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        to.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
        await to.drain()
        to.close()

    front.answer = answer
    client = await front.client()
    client.writer.write(GET)
    assert (await client.rest()).endswith((b"abc", b"reset"))
    assert front.handled == 0


async def test_bytes_behind_an_answer_reach_nobody(front: Front, client: Client) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        to.write(OK)
        await to.drain()
        await asyncio.sleep(0.02)
        to.write(OK.replace(b"hi", b"no"))

    front.answer = answer
    assert (await client.ask(GET))[1] == b"hi"
    before = front.connections
    await until(lambda: front.connections < before)
    front.answer = front.usual
    assert (await client.ask(GET))[1] == b"hi"


async def test_who_goes_away_holds_nothing(front: Front) -> None:
    over = asyncio.Event()

    async def answer(head: bytes, reader: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        await reader.read()
        over.set()
        to.close()

    front.answer = answer
    client = await front.client()
    client.writer.write(GET)
    await until(lambda: len(front.asked) == 1)
    client.close()
    async with asyncio.timeout(SECONDS):
        await over.wait()
    await until(lambda: len(front.proxy._places) == 0)


async def test_no_more_is_read_than_the_client_takes(front: Front) -> None:
    sent = 0
    whole = 32 * 1024 * 1024

    async def answer(head: bytes, reader: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        nonlocal sent
        to.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % whole)
        piece = bytes(65_536)
        while sent < whole:
            to.write(piece)
            await to.drain()
            sent += len(piece)

    front.answer = answer
    front.proxy.calls.unread_seconds = SECONDS
    client = await front.client()
    client.writer.write(GET)
    last = -1
    while sent != last or not sent:
        last = sent
        await asyncio.sleep(0.1)
    assert sent < whole / 2  # the sockets' buffers
    assert len((await client.answer())[1]) == whole
    await until(lambda: len(front.proxy._places) == 0)
    assert front.handled == 0


async def test_who_does_not_read_is_cut_off(front: Front) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        to.write(b"HTTP/1.1 200 OK\r\nContent-Length: 32000000\r\n\r\n" + bytes(32_000_000))
        await to.drain()

    front.answer = answer
    client = await front.client()
    client.writer.write(GET)
    await until(lambda: len(front.proxy._places) == 1)
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]
    await until(lambda: len(front.proxy._places) == 0)
    assert front.handled == 0
    client.close()


async def test_an_address_has_its_part_of_both_ways(front: Front) -> None:
    go = asyncio.Event()

    async def answer(head: bytes, reader: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        await go.wait()
        to.write(OK)

    front.answer = answer
    clients = [await front.client() for _ in range(3 * EACH)]
    for client in clients:
        client.writer.write(GET)
        await asyncio.sleep(0.02)  # so that another connection is ready for the next one
    assert len(front.asked) == EACH
    go.set()
    assert [(await client.answer())[1] for client in clients] == [b"hi"] * len(clients)
    assert len(front.proxy._places) == 0


async def test_a_server_that_stops_waits_for_a_call(tmp_path: Path) -> None:
    front = Front(tmp_path)
    stop = await front.start()
    await front.get_ready()

    async def answer(head: bytes, reader: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.1)
        to.write(OK)

    front.answer = answer
    client = await front.client()
    client.writer.write(GET)
    await until(lambda: len(front.asked) == 1)
    _, (_, body) = await asyncio.gather(stop(), client.answer())
    assert body == b"hi"


@pytest.mark.parametrize("who", ["client", "API"])
async def test_a_server_that_stops_waits_for_nobody_who_is_gone(front: Front, who: str) -> None:
    go = asyncio.Event()

    async def answer(head: bytes, reader: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        to.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
        await go.wait()
        to.close()

    front.answer = answer
    client = await front.client()
    client.writer.write(GET)
    await client.reader.readuntil(b"abc")
    (connection,) = front.server.connections
    stopping = asyncio.create_task(connection.shutdown(4 * SECONDS))
    await asyncio.sleep(0)
    if who == "client":
        client.writer.transport.abort()
    else:
        go.set()
    async with asyncio.timeout(SECONDS):
        await stopping
    go.set()


async def test_a_call_that_takes_its_time_is_no_idle_connection(
    front: Front, client: Client
) -> None:
    go = asyncio.Event()

    async def answer(head: bytes, reader: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        await go.wait()
        to.write(OK)

    front.answer = answer
    client.writer.write(GET)
    await until(lambda: len(front.asked) == 1)
    for connection in front.server.connections:
        connection._next_keepalive_close_time = 0.0
        connection._process_keepalive()
    go.set()
    assert (await client.answer())[1] == b"hi"


async def test_the_api_may_not_be_silent_for_ever(
    front: Front, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    front.log.enabled = True

    async def answer(head: bytes, reader: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        await reader.read()

    front.answer = answer
    with monkeypatch.context() as patch:
        patch.setattr(api_calls, "READ_TIMEOUT_SECONDS", 0.05)
        head, body = await client.ask(GET)
    assert head.startswith("http/1.1 503 ")
    for header in ("x-error: unavailable", "retry-after: ", "date: ", "cache-control: no-store"):
        assert header in head
    assert body == b"The API does not answer now; try again\n"
    front.log.write()
    assert '" 503 39 ' in (tmp_path / "access.log").read_text()
    assert (front.handled, len(front.asked)) == (0, 1), "it may be at it: it is not asked again"
    assert len(front.proxy._places) == 0
    front.answer = front.usual
    assert (await client.ask(GET))[1] == b"hi"


async def test_the_api_may_not_be_silent_within_an_answer(
    front: Front, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        monkeypatch.setattr(api_calls, "READ_TIMEOUT_SECONDS", 0.05)
        to.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
        await reader.read()

    front.answer = answer
    client.writer.write(GET)
    assert (await client.rest()).endswith((b"abc", b"reset"))
    assert front.handled == 0
    assert len(front.proxy._places) == 0


async def test_the_log_of_requests_has_them_as_it_has_others(
    front: Front, client: Client, tmp_path: Path
) -> None:
    front.log.enabled = True
    asked = GET.replace(b"streams", b"streams?token=secret")[:-2]
    asked += b'Referer: http://a/?b\r\nUser-Agent: an "agent"\r\n\r\n'
    await client.ask(asked)
    await client.ask(asked.replace(b"\r\n\r\n", b"\r\nContent-Length: 0\r\n\r\n"))
    assert front.handled == 1

    def lines() -> list[str]:
        front.log.write()
        return (tmp_path / "access.log").read_text().splitlines()

    await until(lambda: len(lines()) == 2)
    fast, slow = (re.sub(r"\[.*?\]| \d+\.\d{3} ", "", line) for line in lines())
    assert fast == slow
    assert f'"GET {PATH} HTTP/1.1" 200 2 "http://a/" ' in fast


async def test_how_many_turns_of_the_loop_a_call_takes(front: Front) -> None:
    """By a handler they are seven."""
    rounds, calls = 10, 5
    loop = asyncio.get_running_loop()
    turns = 0
    usual = loop._run_once  # type: ignore[attr-defined]

    def counted() -> None:
        nonlocal turns
        usual()
        turns += 1

    def ask() -> None:
        with socket.create_connection(("127.0.0.1", front.port), SECONDS) as way:
            for _ in range(rounds):
                before = turns
                for _ in range(calls):
                    way.sendall(GET)
                    while not (way.recv(65_536)).endswith(b"hi"):
                        pass
                taken.append((turns - before) / calls)

    loop._run_once = counted  # type: ignore[attr-defined]
    taken: list[float] = []
    try:
        await asyncio.to_thread(ask)
    finally:
        del loop._run_once  # type: ignore[attr-defined]
    assert front.handled == 0
    # Of these the API, which shares the loop here, has two: it reads, and its task goes on.
    # What a busy machine tears apart takes more, so the least counts.
    assert min(taken) < 4.5, taken
