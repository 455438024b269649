"""A key server as operators have one: keys by `?file=&number=`, and where players get them."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator

from aiohttp import web
from aiohttp.test_utils import TestServer


def key_of(name: str, number: str) -> bytes:
    return hashlib.sha256(f"{name}.{number}".encode()).digest()[:16]


class KeyServer:
    """`url` is for the streamer; players are sent to `/players` of the same server."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[tuple[str, str]] = []
        self.played: list[tuple[str, str]] = []
        self.status = 200
        self.body: bytes | None = None
        """In place of a key."""
        self.told: str | None = None
        """In place of where players get it; empty: nothing is said."""
        self.slow: asyncio.Event | None = None
        """Nobody is answered before."""
        self.most_at_once = self._now = 0

    async def _key(self, request: web.Request) -> web.Response:
        name, number = request.query["file"], request.query["number"]
        self.asked.append((name, number))
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        await (self.slow.wait() if self.slow is not None else asyncio.sleep(0.01))
        self._now -= 1
        place = f"{self.url.removesuffix('/cas')}/players?name={name}&number={number}"
        headers = {"X-Key-Url": place if self.told is None else self.told}
        body = key_of(name, number).hex().encode() if self.body is None else self.body
        return web.Response(
            status=self.status, body=body, headers=headers if headers["X-Key-Url"] else {}
        )

    async def _player(self, request: web.Request) -> web.Response:
        name, number = request.query["name"], request.query["number"]
        self.played.append((name, number))
        headers = {"Access-Control-Allow-Origin": "*"}
        return web.Response(body=key_of(name, number), headers=headers)

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator["KeyServer"]:
        app = web.Application()
        app.router.add_get("/cas", self._key)
        app.router.add_get("/players", self._player)
        async with TestServer(app) as server:
            self.url = str(server.make_url("/cas"))
            yield self
