"""An HTTP server that takes files by PUT, as one with WebDAV does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web


class FileServer:
    """Takes files by PUT, as a server with WebDAV does, and gives them back."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.deleted: list[str] = []
        self.status = 201
        self.port = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        name = request.path
        login = aiohttp.encode_basic_auth("me", "pa55word")
        if request.method != "GET" and request.headers.get("Authorization") != login:
            return web.Response(status=401)
        if request.method == "PUT":
            self.files[name] = await request.read()
            return web.Response(status=self.status)
        if request.method == "DELETE":
            self.deleted.append(name)
            return web.Response(status=204 if self.files.pop(name, None) is not None else 404)
        body = self.files.get(name)
        return web.Response(body=body) if body is not None else web.Response(status=404)


@asynccontextmanager
async def serving() -> AsyncIterator[FileServer]:
    """One, at its `port`."""
    made = FileServer()
    runner = web.ServerRunner(web.Server(made.handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.port = runner.addresses[0][1]
    try:
        yield made
    finally:
        await runner.cleanup()
