"""Connections that are asked the very same again: what is repeated, and what never is."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from media_streamer.egress.http.access_log import AccessLog
from media_streamer.egress.http.prepared import Message, Prepared
from media_streamer.egress.http.server import http_server

GET = b"GET /list HTTP/1.1\r\nHost: x\r\n\r\n"


class Service:
    """Answers everything with its text, and counts."""

    def __init__(self) -> None:
        self.text = b"one"
        self.handled: list[str] = []
        self.repeated = 0
        self.log = AccessLog(None)
        self.port = 0

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        await request.read()
        self.handled.append(request.path)
        text = self.text

        def again() -> bool:
            self.repeated += text == self.text
            return text == self.text

        return Prepared(Message(text, "text/plain", "no-cache"), again)


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    made = Service()
    server = http_server(made.handle, made.log)
    listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    made.port = listening.sockets[0].getsockname()[1]
    yield made
    listening.close()
    await server.shutdown(1)


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def ask(self, *pieces: bytes) -> str:
        """Send and read one answer; its body."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0.01)
        return await self.answer()

    async def answer(self, *, with_body: bool = True) -> str:
        async with asyncio.timeout(30):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
            assert head.startswith("http/1.1 200 ok\r\n")
            size = int(head.partition("content-length: ")[2].partition("\r\n")[0])
            return (await self._reader.readexactly(size if with_body else 0)).decode()

    async def at_end(self) -> bool:
        async with asyncio.timeout(30):
            return await self._reader.read() == b""


@pytest.fixture
async def client(service: Service) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    yield Client(reader, writer)
    writer.close()


async def test_the_very_same_request_gets_the_very_same_answer(
    service: Service, client: Client
) -> None:
    assert [await client.ask(GET) for _ in range(4)] == ["one"] * 4
    assert service.handled == ["/list"]
    assert service.repeated == 3


async def test_what_has_changed_is_worked_out_anew(service: Service, client: Client) -> None:
    await client.ask(GET)
    service.text = b"another"
    assert [await client.ask(GET) for _ in range(2)] == ["another"] * 2
    assert (len(service.handled), service.repeated) == (2, 1)


async def test_requests_in_turns(service: Service, client: Client) -> None:
    other = GET.replace(b"list", b"other")
    for _ in range(3):
        await client.ask(GET)
        await client.ask(other)
    assert service.handled == ["/list", "/other"]


async def test_another_request_is_another_one(service: Service, client: Client) -> None:
    await client.ask(GET)
    await client.ask(GET.replace(b"Host: x", b"Host: y"))
    await client.ask(GET.replace(b"/list", b"/last"))
    await client.ask(GET)
    assert len(service.handled) == 4, "the first one left for the third"


async def test_where_each_request_has_to_be_seen_nothing_is_repeated(
    service: Service, client: Client
) -> None:
    await client.ask(GET)
    service.log.enabled = True
    await client.ask(GET)
    assert len(service.handled) == 2


async def test_requests_that_come_together_are_answered_in_order(
    service: Service, client: Client
) -> None:
    await client.ask(GET)
    client.writer.write(GET * 3)
    assert [await client.answer() for _ in range(3)] == ["one"] * 3
    assert [await client.ask(GET) for _ in range(2)] == ["one"] * 2
    assert service.repeated == 0, "it cannot be known any more where a request begins"


async def test_a_request_in_pieces(service: Service, client: Client) -> None:
    await client.ask(GET)
    body = b"POST /list HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(GET)
    assert await client.ask(body, GET) == "one"
    assert await client.ask(GET[:9], GET[9:]) == "one"
    assert await client.ask(GET) == "one"
    assert service.repeated == 0
    assert len(service.handled) == 4


async def test_a_head_has_no_body(service: Service, client: Client) -> None:
    for _ in range(2):
        client.writer.write(GET.replace(b"GET", b"HEAD"))
        await client.answer(with_body=False)
    assert await client.ask(GET) == "one"
    assert service.handled == ["/list"] * 2


async def test_a_connection_that_is_to_be_closed_is(service: Service, client: Client) -> None:
    await client.ask(GET)
    assert await client.ask(GET.replace(b"Host", b"Connection: close\r\nHost")) == "one"
    assert await client.at_end()
