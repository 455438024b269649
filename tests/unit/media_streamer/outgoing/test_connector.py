"""What the supervisor asks by aiohttp goes nowhere else either."""

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from media_streamer.outgoing.addresses import Reach
from media_streamer.outgoing.connector import guarded_connector


async def _redirect(request: web.Request) -> web.Response:
    raise web.HTTPFound("http://169.254.169.254/latest/meta-data/")


@pytest.mark.parametrize("where", ["direct", "redirect"])
async def test_metadata_is_refused(where: str) -> None:
    app = web.Application()
    app.router.add_get("/redirect", _redirect)
    async with (
        TestServer(app) as server,
        aiohttp.ClientSession(connector=guarded_connector(Reach(), 10)) as session,
    ):
        url = "http://169.254.169.254/" if where == "direct" else server.make_url("/redirect")
        with pytest.raises(aiohttp.ClientConnectorError, match="STREAMER_LINK_LOCAL_ALLOWED"):
            await session.get(url)


async def test_others_are_asked() -> None:
    app = web.Application()

    async def answer(request: web.Request) -> web.Response:
        return web.Response(text="x")

    app.router.add_get("/", answer)
    async with (
        TestServer(app) as server,
        aiohttp.ClientSession(connector=guarded_connector(Reach(), 10)) as session,
        session.get(server.make_url("/")) as response,
    ):
        assert await response.text() == "x"
