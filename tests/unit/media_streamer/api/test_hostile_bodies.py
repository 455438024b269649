"""Bodies that no program writes get an answer in words, soon, and change nothing."""

import io
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer
from media_rest.credentials import basic_header
from media_streamer.api.server import make_app
from media_streamer.supervisor.settings import Settings
from media_streamer.supervisor.supervisor import Supervisor

from tests.support.hostile_json import REFUSED

API = "/streamer/api/v3"
HEADERS = {
    "Authorization": basic_header("admin", "secret"),
    "Content-Type": "application/json",
}
CPU_SECONDS = 2.0
"""Of the supervisor, which decides about viewers meanwhile; 100,000 inputs took twelve."""


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[TestClient[Any, Any]]:
    """The API of a supervisor without workers."""
    path = tmp_path / "flussonic.conf"
    films = tmp_path / "films"
    films.mkdir()
    path.write_text(f"http 8080; edit_auth admin secret; vod vod {{ storage {films}; }}\n")
    settings = Settings(path, tmp_path, tmp_path, tmp_path, 1, 1, "host1")
    async with aiohttp.ClientSession() as http:
        server = Supervisor(settings, {}, http).facade
        await server.configuration.start()
        async with TestClient(TestServer(make_app(server))) as one:
            yield one


async def test_bodies_of_json(
    client: TestClient[Any, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = (tmp_path / "flussonic.conf").read_text()
    for what, body in REFUSED.items():
        began = time.process_time()
        async with client.put(f"{API}/streams/a", data=io.BytesIO(body), headers=HEADERS) as answer:
            told = await answer.json()
        assert answer.status == 400, (what, told)
        assert told["errors"][0]["title"], what
        assert time.process_time() - began < CPU_SECONDS, what
    assert (tmp_path / "flussonic.conf").read_text() == before
    assert not [one for one in caplog.records if one.exc_info]


async def test_uploads_are_whole_files(client: TestClient[Any, Any], tmp_path: Path) -> None:
    """Neither a part with its place nor a form becomes a film."""
    url = f"{API}/vods/vod/storages/0/files/a.mp4"
    login = {"Authorization": HEADERS["Authorization"]}
    for where in ("bytes 5-9/10", "bytes 0-4/10", "bytes */10", "bytes 9223372036854775807-0/1"):
        headers = login | {"Content-Range": where}
        async with client.put(url, data=b"abcde", headers=headers) as answer:
            assert answer.status == 400
            assert "not resumed" in (await answer.json())["errors"][0]["title"]
    form = aiohttp.FormData()
    form.add_field("file", b"abcde", filename="a.mp4")
    async with client.put(url, data=form, headers=login) as answer:
        assert answer.status == 415
    assert not list((tmp_path / "films").iterdir())
    async with client.put(url, data=b"abcde", headers=login) as answer:
        assert answer.status == 200
    assert (tmp_path / "films" / "a.mp4").read_bytes() == b"abcde"
