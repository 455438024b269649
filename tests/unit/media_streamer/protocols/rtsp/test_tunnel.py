"""RTSP over HTTP whose halves come to two workers, to one, or find nobody."""

import asyncio
import base64
import socket
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.egress.context import Egress
from media_streamer.egress.hub import Hub
from media_streamer.egress.reading import Turns
from media_streamer.protocols.rtsp.connection import TIMES, RtspConnection
from media_streamer.protocols.rtsp.tunnel import Decoder, TunnelBroken, Tunnels
from media_streamer.wire.homes import make_home

OPTIONS = b"OPTIONS rtsp://h/cam RTSP/1.0\r\nCSeq: 5\r\n\r\n"


class NoHub:
    def __init__(self) -> None:
        self.turns = Turns()


@pytest.fixture
async def workers(tmp_path: Path) -> AsyncIterator[list[int]]:
    """TCP ports of two workers that share one RTSP port, as far as tunnels go."""
    servers, ports = [], []
    for number in range(2):
        sock = socket.socket()
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        ports.append(sock.getsockname()[1])
        make_home(tmp_path, "egress", str(number))
        tunnels = Tunnels(tmp_path, 554, number)
        await tunnels.listen()
        egress = Egress(cast(Hub, NoHub()), number)
        make = partial(RtspConnection, egress, tunnels, TIMES)
        servers.append((egress.door.serve(make, sock, None), tunnels))
    yield ports
    for server, tunnels in servers:
        server.close()
        tunnels.close()


Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def half(port: int, method: str, cookie: str) -> Pair:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{method} /cam HTTP/1.0\r\nx-sessioncookie: {cookie}\r\n\r\n".encode())
    return reader, writer


async def head(reader: asyncio.StreamReader) -> str:
    async with asyncio.timeout(20):
        return (await reader.readuntil(b"\r\n\r\n")).decode()


@pytest.mark.parametrize(("first", "second"), [(0, 0), (0, 1), (1, 0)])
async def test_a_request_by_one_half_is_answered_by_the_other(
    workers: list[int], first: int, second: int
) -> None:
    out = await half(workers[first], "GET", "c00kie")
    assert "200 OK" in await head(out[0])
    into = await half(workers[second], "POST", "c00kie")
    text = base64.b64encode(OPTIONS)
    for piece in (text[:5], text[5:31], text[31:]):
        into[1].write(piece)
        await into[1].drain()
    answer = await head(out[0])
    assert "CSeq: 5" in answer
    assert "DESCRIBE" in answer
    # One half takes the other with it.
    into[1].close()
    async with asyncio.timeout(20):
        assert await out[0].read() == b""
    out[1].close()


async def test_a_second_half_without_a_first_one_is_told_so(workers: list[int]) -> None:
    reader, writer = await half(workers[0], "POST", "nobody")
    assert "404" in await head(reader)
    writer.close()


async def test_what_is_no_base64_ends_both(workers: list[int]) -> None:
    for second in (0, 1):
        out = await half(workers[0], "GET", f"c{second}")
        await head(out[0])
        into = await half(workers[second], "POST", f"c{second}")
        into[1].write(b"\xff\xfe!!!!" * 10)
        async with asyncio.timeout(20):
            assert await out[0].read() == b""
            await into[0].read()
        for _, writer in (out, into):
            writer.close()


def test_a_first_half_does_not_wait_for_ever(tmp_path: Path) -> None:
    now = [0.0]
    tunnels = Tunnels(tmp_path, 554, 0, lambda: now[0])
    one, other = cast(RtspConnection, object()), cast(RtspConnection, object())
    assert tunnels.offer("a", one)
    assert not tunnels.offer("a", other)
    now[0] = 30.0
    assert tunnels.offer("a", other)
    assert tunnels.take("a") is other
    assert tunnels.take("a") is None
    tunnels.offer("b", one)
    tunnels.forget(one)
    assert tunnels.take("b") is None


@given(st.lists(st.binary(max_size=50)), st.integers(1, 7))
def test_pieces_of_base64_are_read_whatever_they_are_cut_into(
    requests: list[bytes], size: int
) -> None:
    text = b"\r\n".join(base64.b64encode(one) for one in requests)
    decoder = Decoder()
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    assert b"".join(map(decoder.decode, pieces)) == b"".join(requests)


@given(st.binary(max_size=40))
def test_garbage_is_refused_or_read(data: bytes) -> None:
    try:
        Decoder().decode(data)
    except TunnelBroken:
        return
