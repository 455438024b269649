"""Bodies that the kernel sends out of a file, over real sockets."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.egress.http.gathered import GatheredResponse, can_gather
from media_streamer.egress.http.server import http_server
from media_streamer.egress.near_files import NearFile
from media_streamer.files.gathered import LARGE_BYTES, LAST_BYTES, Gathered, in_parts
from media_streamer.files.names import open_below
from media_streamer.files.samples import Span
from media_streamer.files.storages import LocalContent

SIZE = 6_000_000
DATA = os.urandom(1000) * (SIZE // 1000)
HEAD = b"head" * 10
SPANS = [
    *(Span(at * 12_000, 7_000 + at) for at in range(60)),
    Span(1_000_000, 3_000_000),
    *(Span(4_500_000 + at * 40_000, 33_000) for at in range(30)),
    Span(0, 5),
]
BODY = HEAD + b"".join(DATA[span.offset : span.offset + span.size] for span in SPANS)
Server = Callable[[NearFile], Awaitable[tuple[str, int]]]


@pytest.fixture
def file(tmp_path: Path) -> NearFile:
    (tmp_path / "a").write_bytes(DATA)
    opened = open_below(str(tmp_path), "a")
    assert opened is not None
    return NearFile(LocalContent(opened))


@pytest.fixture
async def serve() -> AsyncIterator[Server]:
    servers: list[tuple[asyncio.Server, web.Server]] = []

    async def start(file: NearFile) -> tuple[str, int]:
        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            assert can_gather(request)
            body = Gathered(HEAD, in_parts(SPANS), len(BODY), file)
            return GatheredResponse(request, body, "video/mp4", "no-cache", counted.append)

        server = http_server(handle)
        listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
        servers.append((listening, server))
        address: tuple[str, int] = listening.sockets[0].getsockname()
        return address

    counted: list[int] = []
    yield start
    for listening, server in servers:
        listening.close()
        await server.shutdown(1)


async def fetch(address: tuple[str, int], *, slow: bool) -> bytes:
    """The whole answer; a slow client has a small window and pauses."""
    loop = asyncio.get_running_loop()
    client = socket.socket()
    client.setblocking(False)
    if slow:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    await loop.sock_connect(client, address)
    await loop.sock_sendall(client, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    found = bytearray()
    async with asyncio.timeout(60):
        while data := await loop.sock_recv(
            client, 3000 if slow and len(found) < 300_000 else 1 << 20
        ):
            found += data
    client.close()
    return bytes(found)


@pytest.mark.parametrize("slow", [False, True])
async def test_the_body_is_what_lies_in_the_file(file: NearFile, serve: Server, slow: bool) -> None:
    answer = await fetch(await serve(file), slow=slow)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(BODY)}".encode() in head
    assert body == BODY


async def test_several_at_once_do_not_mix(file: NearFile, serve: Server) -> None:
    address = await serve(file)
    answers = await asyncio.gather(*(fetch(address, slow=n % 2 == 0) for n in range(6)))
    assert all(answer.endswith(BODY) for answer in answers)


async def test_a_file_that_changes_ends_the_connection(
    file: NearFile, serve: Server, tmp_path: Path
) -> None:
    address = await serve(file)
    with (tmp_path / "a").open("r+b") as opened:
        opened.truncate(2_000_000)
    try:
        answer = await fetch(address, slow=False)
    except ConnectionResetError:
        return
    assert len(answer) < len(BODY)


@given(st.lists(st.tuples(st.integers(0, 1 << 40), st.integers(1, 1 << 20)), min_size=1))
def test_parts_are_the_spans_in_their_order(spans: list[tuple[int, int]]) -> None:
    wanted = [Span(*one) for one in spans]
    *parts, end = in_parts(wanted)
    assert not isinstance(end, Span)
    (last,) = end
    assert 0 < last.size <= LAST_BYTES
    found = [s for p in parts for s in ([p] if isinstance(p, Span) else p)]
    if last != wanted[-1]:
        split = found.pop()
        assert split.offset + split.size == last.offset
        last = Span(split.offset, split.size + last.size)
    assert [*found, last] == wanted
    for part in parts:
        sizes = [part.size] if isinstance(part, Span) else [span.size for span in part]
        assert all((size >= LARGE_BYTES) == isinstance(part, Span) for size in sizes)
