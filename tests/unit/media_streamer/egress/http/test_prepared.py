"""Answers that are bytes already, through a real server and socket."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from media_streamer.egress.http import prepared
from media_streamer.egress.http.prepared import Message, Prepared
from media_streamer.egress.http.server import http_server

BODY = b"#EXTM3U\n" * 20
MESSAGE = Message(BODY, "text/plain", "public, max-age=1", Content_Encoding="x")
BIG = Message(b"x" * 300_000, "text/plain", "no-store")


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        return Prepared(MESSAGE)

    server = http_server(handle)
    listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    yield listening.sockets[0].getsockname()[1]
    listening.close()
    await server.shutdown(0.1)


async def answers(port: int, sent: bytes, count: int = 1) -> tuple[list[bytes], bool]:
    """Heads of `count` answers, and whether the server then closes; the bodies are checked."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    heads = []
    for _ in range(count):
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        heads.append(head)
        if not sent.startswith(b"HEAD"):
            assert await asyncio.wait_for(reader.readexactly(len(BODY)), 10) == BODY
    closes = False
    with contextlib.suppress(TimeoutError):
        closes = await asyncio.wait_for(reader.read(1), 0.2) == b""
    writer.close()
    return heads, closes


async def test_the_head_says_all_and_the_connection_stays(port: int) -> None:
    request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    heads, closes = await answers(port, request * 3, 3)
    assert not closes
    head = heads[0].decode()
    assert head.startswith("HTTP/1.1 200 OK\r\n")
    for line in (
        "Access-Control-Allow-Origin: *",
        "Content-Type: text/plain",
        "Cache-Control: public, max-age=1",
        "Content-Encoding: x",
        f"Content-Length: {len(BODY)}",
    ):
        assert f"\r\n{line}\r\n" in head
    assert "\r\nDate: " in head
    assert head.count("\r\n\r\n") == 1


@pytest.mark.parametrize(
    ("request_line", "header", "closes", "said"),
    [
        (b"GET / HTTP/1.1", b"Connection: close\r\n", True, "close"),
        (b"GET / HTTP/1.0", b"", True, ""),
        (b"GET / HTTP/1.0", b"Connection: keep-alive\r\n", False, "keep-alive"),
        (b"HEAD / HTTP/1.1", b"", False, ""),
    ],
)
async def test_what_the_client_can_do_is_heeded(
    port: int, request_line: bytes, header: bytes, closes: bool, said: str
) -> None:
    heads, closed = await answers(port, request_line + b"\r\nHost: x\r\n" + header + b"\r\n")
    assert closed is closes
    assert (f"\r\nConnection: {said}\r\n" in heads[0].decode()) is bool(said)


async def test_a_client_that_asks_and_does_not_read_gets_no_more() -> None:
    asked: list[int] = []

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        asked.append(request.transport.get_write_buffer_size())
        return Prepared(BIG)

    server = http_server(handle)
    listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    _reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    writer.write(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n" * 200)
    before = -1
    async with asyncio.timeout(20):
        while len(asked) != before or not asked:
            before = len(asked)
            await asyncio.sleep(0.1)
    assert len(asked) < 100, "the kernel's buffers took what was answered"
    assert max(asked) <= 2 * len(BIG.body)
    writer.close()
    listening.close()
    await server.shutdown(0.1)


def test_the_whole_is_made_once_a_second_for_each_end_of_a_head(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    date = b"Thu, 26 Nov 2026 12:00:00 GMT"
    monkeypatch.setattr(prepared, "date_bytes", lambda: date)
    first = MESSAGE.whole(b"\r\n\r\n")
    assert first == MESSAGE.bytes(b"\r\n\r\n", True)
    assert MESSAGE.whole(b"\r\n\r\n") is first
    assert MESSAGE.whole(b"\r\nConnection: close\r\n\r\n") != first
    date = b"Thu, 26 Nov 2026 12:00:01 GMT"
    assert date in MESSAGE.whole(b"\r\n\r\n")
