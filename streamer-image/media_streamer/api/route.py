"""Rows of the API's table, and where their handlers find the server that they work on."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal

from aiohttp import web
from media_rest.route import Route as Route

from media_streamer.api.port import Server

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Need = Literal["open", "view", "edit"]

SERVER = web.AppKey("server", Server)
LIMIT = web.RequestKey("limit", asyncio.Timeout)
"""Ends a request that takes too long; one that is a body of any length sets another limit."""


def server_of(request: web.Request) -> Server:
    return request.app[SERVER]
