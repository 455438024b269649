"""The HTTP server at the other end of options: a backend of access, a sink of events and of pushes,
a peer without streams, a source that has nothing.

Everybody may watch and publish, but by `/may/no`; it remembers what it was asked and told.
"""

import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from media_rest.credentials import cluster_digest

END_SECONDS = 0.5
"""Pushes have no end of their own."""


class Backend:
    def __init__(self) -> None:
        self.url = ""
        self.asked: list[dict[str, str]] = []
        """Queries of `/may`: about viewers."""
        self.publishers: list[tuple[str, dict[str, Any]]] = []
        """Methods and bodies of `/may/{says}`: about publishers."""
        self.batches: dict[str, list[list[dict[str, Any]]]] = {}
        """Events by the name of the sink, `/events/{name}`, as they were sent together."""
        self.is_away = True
        """The sink `away` takes nothing."""
        self.pushed: dict[str, int] = {}
        """Bytes by the name behind `/sink/`."""
        self.read_with: list[dict[str, str]] = []
        """Headers of who read `/source`."""
        self.polled: dict[str, list[float]] = {"of-peer": [], "of-source": []}
        """When it was asked for its streams, by the key of the cluster that was shown."""

    @property
    def push_url(self) -> str:
        """Of a push as MPEG-TS."""
        return f"{self.url.replace('http', 'tshttp')}/sink"

    def asked_of(self, name: str) -> list[dict[str, str]]:
        return [one for one in self.asked if one["name"] == name]

    def told(self, sink: str) -> list[tuple[str, str]]:
        """Events and the streams that they are about."""
        every = [one for batch in self.batches.get(sink, []) for one in batch]
        return [(one["event"], one.get("media", "")) for one in every]

    async def _may(self, request: web.Request) -> web.Response:
        self.asked.append(dict(request.query))
        return web.Response()

    async def _judge(self, request: web.Request) -> web.Response:
        self.publishers.append((request.method, await request.json()))
        return web.Response(status=200 if request.match_info["says"] == "yes" else 403)

    async def _events(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name == "away" and self.is_away:
            return web.Response(status=503)
        self.batches.setdefault(name, []).append(await request.json())
        return web.Response()

    async def _take(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        async for piece in request.content.iter_any():
            self.pushed[name] = self.pushed.get(name, 0) + len(piece)
        return web.Response()

    async def _source(self, request: web.Request) -> web.Response:
        self.read_with.append(dict(request.headers))
        return web.Response(status=404)

    async def _streams(self, request: web.Request) -> web.Response:
        shown = request.headers.get("Authorization", "").removeprefix("Cluster ")
        moment, _, digest = shown.partition(":")
        for key, times in self.polled.items():
            if digest == cluster_digest(int(moment), key):
                times.append(time.monotonic())
        return web.json_response({"streams": [], "estimated_count": 0})

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator["Backend"]:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_get("/may", self._may)
        app.router.add_route("*", "/may/{says}", self._judge)
        app.router.add_post("/events/{name}", self._events)
        app.router.add_route("*", "/sink/{name:.*}", self._take)
        app.router.add_get("/source", self._source)
        app.router.add_get("/{tail:.*}", self._streams)
        server = TestServer(app)
        await server.start_server(shutdown_timeout=END_SECONDS)
        try:
            self.url = str(server.make_url("")).rstrip("/")
            yield self
        finally:
            await server.close()
