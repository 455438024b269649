"""Backends that hang, talk nonsense, redirect for ever or never end, by real sockets."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from media_auth import http_backend
from media_auth.http_backend import HttpBackend
from media_auth.verdict import Question

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def question(**changes: str) -> Question:
    known = {"kind": "play", "name": "a", "proto": "hls", "ip": "10.0.0.7", "token": "t"}
    return Question(**{**known, **changes})  # type: ignore[arg-type]


@asynccontextmanager
async def backend(answer: Answer) -> AsyncIterator[tuple[str, list[bytes]]]:
    """The URL of a server that `answer` makes, and the requests it got."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            asked.append(await reader.readuntil(b"\r\n\r\n"))
            await answer(reader, writer)
            await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 20)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/auth", asked
    finally:
        server.close()


async def hangs(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()  # until who asks gives up


async def garbage(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(bytes(range(256)) * 64)


async def half(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nX-User")


async def long_headers(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nX-UserId: " + b"u" * 1_000_000 + b"\r\n\r\n")


async def odd_numbers(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(
        b"HTTP/1.1 200 OK\r\nX-AuthDuration: for ever\r\nX-Max-Sessions: -7\r\n"
        b"X-UserId: " + b"u" * 4000 + b"\r\nContent-Length: 0\r\n\r\n"
    )


async def endless_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n")
    while not reader.at_eof():
        writer.write(bytes(65536))
        await writer.drain()


async def to_itself(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 302 Found\r\nLocation: /auth\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize("answer", [hangs, garbage, half, long_headers])
async def test_who_does_not_answer_decides_nothing(
    answer: Answer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    if answer is hangs:
        monkeypatch.setattr(http_backend, "TIMEOUT_SECONDS", 0.2)
    async with backend(answer) as (url, asked), aiohttp.ClientSession() as http:
        verdict = await HttpBackend(http).ask(url, question(token="S3CRET"))
    assert (verdict.allowed, verdict.decided, verdict.status) == (False, False, 503)
    assert len(asked) <= 2, "aiohttp asks again once where a connection was cut"
    [line] = [record.getMessage() for record in caplog.records]
    assert line.startswith("stream a: authorisation backend http://127.0.0.1")
    assert "S3CRET" not in line
    assert len(line) < 2000


async def test_a_body_without_end_is_not_read() -> None:
    async with backend(endless_body) as (url, _), aiohttp.ClientSession() as http:
        verdict = await asyncio.wait_for(HttpBackend(http).ask(url, question()), 30)
    assert verdict.allowed


async def test_a_redirect_is_for_the_player_and_is_not_followed() -> None:
    async with backend(to_itself) as (url, asked), aiohttp.ClientSession() as http:
        verdict = await HttpBackend(http).ask(url, question())
    assert (verdict.allowed, verdict.status, verdict.location) == (False, 302, "/auth")
    assert len(asked) == 1


async def test_words_in_place_of_numbers_mean_the_usual() -> None:
    async with backend(odd_numbers) as (url, _), aiohttp.ClientSession() as http:
        verdict = await HttpBackend(http).ask(url, question())
    assert verdict.allowed
    assert verdict.auth_seconds == http_backend.DEFAULT_AUTH_SECONDS
    assert verdict.max_sessions == 0
    assert len(verdict.user_id) == 255


async def test_a_token_of_ten_kilobytes_is_handed_on_whole() -> None:
    token = "x" * 10_240
    async with backend(odd_numbers) as (url, asked), aiohttp.ClientSession() as http:
        await HttpBackend(http).ask(url, question(token=token))
    assert f"token={token}".encode() in asked[0]
