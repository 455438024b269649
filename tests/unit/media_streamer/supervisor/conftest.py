"""What tests of access decisions begin with."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from .access_world import Backend, World


@pytest.fixture
async def world() -> AsyncIterator[World]:
    backend = Backend()
    app = web.Application()
    app.router.add_route("*", "/auth", backend.answer)
    async with TestServer(app) as server, aiohttp.ClientSession() as http:
        yield World(http, backend, str(server.make_url("/auth")))
