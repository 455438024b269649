"""Connections that stand still, by real sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from media_process.patience import Patience

LARGE = bytes(32 * 1024 * 1024)


async def answer(request: web.BaseRequest) -> web.StreamResponse:
    if request.method == "POST":
        return web.Response(text=str(len(await request.read())))
    if request.path == "/events":  # the server waits here, not for the peer
        await asyncio.sleep(3600)
    return web.Response(body=LARGE if request.path == "/large" else b"small")


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[Patience, int]]:
    server = web.Server(answer)
    listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    try:
        yield Patience(server), listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        await server.shutdown(1)


async def connected(port: int) -> socket.socket:
    """Its reads and writes do not block."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    return sock


async def standing(patience: Patience, count: int) -> None:
    """Wait until so many connections wait for their peers."""
    async with asyncio.timeout(30):
        while len(patience._before) != count:
            await asyncio.sleep(0.01)
            patience._before.clear()
            patience.look()


async def ended(sock: socket.socket) -> bool:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(30):
            while await loop.sock_recv(sock, 1 << 20):
                pass
    except ConnectionResetError:
        pass
    return True


async def test_who_reads_nothing_and_who_sends_no_body_are_cut_off() -> None:
    async with serving() as (patience, port):
        loop = asyncio.get_running_loop()
        with await connected(port) as unread, await connected(port) as promised:
            await loop.sock_sendall(unread, b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
            await loop.sock_sendall(
                promised, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n123"
            )
            await standing(patience, 2)
            patience.look()
            assert patience.cut_off == 2
            assert await ended(unread)
            assert await ended(promised)


async def test_who_is_slow_and_who_waits_for_the_server_stay() -> None:
    async with serving() as (patience, port):
        loop = asyncio.get_running_loop()
        with (
            await connected(port) as slow,
            await connected(port) as sends,
            await connected(port) as waits,
            await connected(port),
        ):
            await loop.sock_sendall(waits, b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
            await loop.sock_sendall(slow, b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
            await loop.sock_sendall(
                sends, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1"
            )
            await standing(patience, 2)
            before = dict(patience._before)
            await loop.sock_sendall(sends, b"2")
            async with asyncio.timeout(30):
                while set(before.values()) & set(patience._before.values()):
                    await loop.sock_recv(slow, 1 << 20)
                    patience._before.clear()
                    patience.look()
            patience._before = before
            patience.look()
            assert patience.cut_off == 0
            await loop.sock_sendall(sends, b"3456789")
            assert (await loop.sock_recv(sends, 1000)).startswith(b"HTTP/1.1 200")
