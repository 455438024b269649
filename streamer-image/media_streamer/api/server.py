"""The API's server on api.sock."""

import asyncio
import logging
import re
import socket
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import cast

from aiohttp import web
from media_process.seldom import Seldom
from media_rest.document import Document

from media_streamer.api import (
    collections,
    config,
    dvr,
    episodes,
    events,
    exports,
    files,
    history,
    legacy,
    sessions,
    storages,
    streams,
    text,
)
from media_streamer.api.answers import MAX_BODY_BYTES
from media_streamer.api.guard import guarded
from media_streamer.api.middleware import api_middleware
from media_streamer.api.port import Server
from media_streamer.api.route import SERVER, Need, Route
from media_streamer.api.ui import add_ui
from media_streamer.api.unserved import LEGACY_UNSERVED, UNSERVED, Unserved
from media_streamer.version import server_version
from media_streamer.wire.channel import credentials_of

log = logging.getLogger(__name__)

BASES = ("/streamer/api/v3", "/flussonic/api/v3")
LEGACY_BASE = "/flussonic/api"
STOP_TIMEOUT_SECONDS = 2.0
BACKLOG = 128
ACCEPT_PAUSE_SECONDS = 1.0
"""Until connections are taken again where there was no descriptor for one."""
_PARAMETER = re.compile(r"\{(\w+)\}")


DOCUMENT = web.AppKey("document", Document)


async def _openapi(request: web.Request) -> web.Response:
    return await request.app[DOCUMENT].answer(request)


ROUTES: tuple[Route, ...] = (
    *storages.ROUTES,
    *events.ROUTES,
    *history.ROUTES,
    *dvr.ROUTES,
    *exports.ROUTES,
    *episodes.ROUTES,
    *files.ROUTES,
    *streams.ROUTES,
    *sessions.ROUTES,
    *config.ROUTES,
    *text.ROUTES,
    *collections.ROUTES,
    Route("GET", "/openapi.json", _openapi, "This document", need="open"),
)


def make_app(server: Server) -> web.Application:
    """The application; `server` is what its handlers work on."""
    app = web.Application(middlewares=[api_middleware], client_max_size=MAX_BODY_BYTES)
    app[SERVER] = server
    version = server_version()
    app[DOCUMENT] = Document(ROUTES, title="Streamer API", version=version, bases=BASES)
    for base in BASES:
        _refuse(app, base, UNSERVED)  # before what takes any path for a name
        _add(app, base, ROUTES)
    _refuse(app, LEGACY_BASE, LEGACY_UNSERVED)
    _add(app, LEGACY_BASE, legacy.ROUTES)
    add_ui(app)
    return app


def _path(base: str, path: str) -> str:
    # A name in the path may hold slashes, encoded or as they are; the rest decides.
    return base + _PARAMETER.sub(r"{\1:.+}", path)


def _refuse(app: web.Application, base: str, rows: Iterable[Unserved]) -> None:
    for row in rows:
        for method in row.methods:
            app.router.add_route(method, _path(base, row.path), guarded(row.handle, "view"))


def _add(app: web.Application, base: str, routes: Iterable[Route]) -> None:
    for route in routes:
        path = _path(base, route.path)
        handler = guarded(route.handler, cast(Need, route.right))
        app.router.add_route(route.method, path, handler)
        if route.method == "GET":
            app.router.add_route("HEAD", path, handler)


class ApiServer:
    """Listens on api.sock; the egress workers are its only clients, by what the kernel says.

    Who a request is of, they say: any other process could pretend to be anybody.
    """

    def __init__(self, server: Server, path: Path, is_worker: Callable[[int], bool]) -> None:
        self._server = server
        self._path = path
        self._is_worker = is_worker
        self._runner: web.AppRunner | None = None
        self._listening: socket.socket | None = None
        self._coming: set[asyncio.Task[object]] = set()
        self._complaints = Seldom()

    async def start(self) -> None:
        self._path.unlink(missing_ok=True)
        self._runner = web.AppRunner(
            make_app(self._server),
            access_log=None,
            auto_decompress=False,  # nothing is unpacked before the login, and then refused
            shutdown_timeout=STOP_TIMEOUT_SECONDS,
            max_line_size=16_384,
            max_field_size=16_384,
        )
        await self._runner.setup()
        listening = self._listening = socket.socket(socket.AF_UNIX)
        listening.bind(str(self._path))
        self._path.chmod(0o600)
        listening.listen(BACKLOG)
        listening.setblocking(False)
        asyncio.get_running_loop().add_reader(listening, self._accept)

    def _accept(self) -> None:
        assert self._listening is not None
        assert self._runner is not None
        assert self._runner.server is not None
        try:
            way, _ = self._listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:  # no descriptors: it stays in the queue, and would wake us at once
            if (tail := self._complaints.tail()) is not None:
                log.error("api.sock: %s%s", error, tail)
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._listening)
            loop.call_later(ACCEPT_PAUSE_SECONDS, self._listen_again)
            return
        try:
            pid = credentials_of(way).pid
            if not self._is_worker(pid):
                log.warning("process %d asks the API and is no egress worker: not answered", pid)
                way.close()
                return
            way.setblocking(False)
        except OSError:  # it has gone
            way.close()
            return
        loop = asyncio.get_running_loop()
        coming = loop.create_task(loop.connect_accepted_socket(self._runner.server, way))
        self._coming.add(coming)
        coming.add_done_callback(self._coming.discard)

    def _listen_again(self) -> None:
        if self._listening is not None and self._listening.fileno() >= 0:
            asyncio.get_running_loop().add_reader(self._listening, self._accept)

    async def close(self) -> None:
        if self._listening is not None:
            asyncio.get_running_loop().remove_reader(self._listening)
            self._listening.close()
        await asyncio.gather(*self._coming, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()
        self._path.unlink(missing_ok=True)
