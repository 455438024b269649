"""Paths of the published API that are not served are never taken for names."""

import json
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer
from media_rest.credentials import basic_header
from media_streamer.api.server import BASES, make_app
from media_streamer.supervisor.settings import Settings
from media_streamer.supervisor.supervisor import Supervisor
from yarl import URL

ADMIN = {"Authorization": basic_header("admin", "secret")}
CONFIG = (
    "http 8080; edit_auth admin secret;\nstream demo { disabled; }\nvod films { storage /srv; }\n"
)
PATHS = (
    "/logos/x", "/transponders/x", "/iptv",
)  # fmt: skip
READ_ONLY = (
    "/vods/opened_files",
    "/vods/films/storages/0/files",
    "/dvrs/d/disks",
    "/dvrs/d/disks/x",
    "/event_sinks/s/events",
)
"""What cannot be changed, though it is read."""
LEGACY = ("/modify_config", "/dvr_enable/demo", "/dvr/lock")


@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE"])
async def test_answered_with_words_and_nothing_is_made(method: str, tmp_path: Path) -> None:
    path = tmp_path / "flussonic.conf"
    path.write_text(CONFIG)
    body = {"title": "T", "inputs": [{"url": "fake://fake"}]}
    refused = PATHS if method == "GET" else PATHS + READ_ONLY
    paths = [base + one for base in BASES for one in refused]
    paths += [f"/flussonic/api{one}" for one in LEGACY]
    settings = Settings(path, tmp_path, tmp_path, tmp_path, 1, 1, "host1")
    async with aiohttp.ClientSession() as http:
        server = Supervisor(settings, {}, http).facade
        await server.configuration.start()
        async with TestClient(TestServer(make_app(server))) as client:
            for one in paths:
                async with client.request(method, one, headers=ADMIN, json=body) as answer:
                    assert answer.status == 501, one
                    told = json.loads(await answer.text())
                    assert told["error"] == "not_implemented"
                    assert told["errors"][0]["title"], one
                async with client.request(method, one, json=body) as answer:
                    assert answer.status == 401, one
    assert path.read_text() == CONFIG


async def test_a_stream_that_is_called_so_is_reached_by_its_encoded_name(tmp_path: Path) -> None:
    path = tmp_path / "flussonic.conf"
    path.write_text(CONFIG)
    settings = Settings(path, tmp_path, tmp_path, tmp_path, 1, 1, "host1")
    async with aiohttp.ClientSession() as http:
        server = Supervisor(settings, {}, http).facade
        await server.configuration.start()
        async with TestClient(TestServer(make_app(server))) as client:
            root = str(client.make_url("/streamer/api/v3/streams/demo%2Fdvr%2Flocks"))
            url = URL(root.replace("demo/dvr/locks", "demo%2Fdvr%2Flocks"), encoded=True)
            async with client.session.put(url, headers=ADMIN, json={"title": "T"}) as answer:
                assert answer.status == 200
                assert (await answer.json())["name"] == "demo/dvr/locks"
