"""Rows of the API's table, and where their handlers find the server that they work on."""

from collections.abc import Awaitable, Callable
from typing import Literal

from aiohttp import web
from media_rest.route import Route as Route

from media_streamer.api.port import Server

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Need = Literal["open", "view", "edit"]

SERVER = web.AppKey("server", Server)


def server_of(request: web.Request) -> Server:
    return request.app[SERVER]
