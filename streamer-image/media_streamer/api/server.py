"""The API's server on api.sock."""

import asyncio
import logging
import re
from collections.abc import Iterable
from pathlib import Path
from typing import cast

from aiohttp import web
from media_rest.openapi import openapi

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
from media_streamer.api.answers import MAX_BODY_BYTES, json_answer
from media_streamer.api.guard import guarded
from media_streamer.api.middleware import api_middleware
from media_streamer.api.port import Server
from media_streamer.api.route import SERVER, Need, Route
from media_streamer.api.ui import add_ui
from media_streamer.api.unserved import LEGACY_UNSERVED, UNSERVED, Unserved
from media_streamer.version import server_version

log = logging.getLogger(__name__)

BASES = ("/streamer/api/v3", "/flussonic/api/v3")
LEGACY_BASE = "/flussonic/api"
STOP_TIMEOUT_SECONDS = 2.0
_PARAMETER = re.compile(r"\{(\w+)\}")


async def _openapi(request: web.Request) -> web.Response:
    version = server_version()
    return json_answer(
        await asyncio.to_thread(openapi, ROUTES, title="Streamer API", version=version, bases=BASES)
    )


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
    """Listens on api.sock; the egress workers are its only clients."""

    def __init__(self, server: Server, path: Path) -> None:
        self._server = server
        self._path = path
        self._runner: web.AppRunner | None = None

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
        await web.UnixSite(self._runner, str(self._path)).start()
        self._path.chmod(0o600)

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        self._path.unlink(missing_ok=True)
