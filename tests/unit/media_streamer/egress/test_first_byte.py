"""A port that two protocols have together."""

import asyncio
import socket

import pytest
from media_streamer.egress.first_byte import FirstByte


class Says(asyncio.Protocol):
    """Answers with its name and what it was sent."""

    def __init__(self, name: bytes) -> None:
        self._name = name

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(self._name + data)


class HandsOn(Says):
    """Chooses another one, as that of TLS does."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        chosen = Says(self._name)
        transport.set_protocol(chosen)
        chosen.connection_made(transport)


async def answer(sent: bytes, seconds: float = 30.0) -> bytes:
    loop = asyncio.get_running_loop()
    others = {3: lambda: Says(b"rtmp ")}
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    await loop.connect_accepted_socket(
        lambda: FirstByte(lambda: HandsOn(b"http "), others, seconds), theirs
    )
    with ours:
        if sent:
            await loop.sock_sendall(ours, sent)
        async with asyncio.timeout(30):
            try:
                return await loop.sock_recv(ours, 100)
            except ConnectionResetError:
                return b""


@pytest.mark.parametrize(("sent", "told"), [(b"GET /", b"http GET /"), (b"\3ab", b"rtmp \3ab")])
async def test_the_first_byte_tells(sent: bytes, told: bytes) -> None:
    assert await answer(sent) == told


async def test_who_says_nothing_is_closed() -> None:
    assert await answer(b"", seconds=0.01) == b""
