"""Statistics by the names and types of the published API, without workers."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer
from media_rest.credentials import basic_header
from media_streamer.api.server import make_app
from media_streamer.supervisor.facade import ServerFacade
from media_streamer.supervisor.settings import Settings
from media_streamer.supervisor.supervisor import Supervisor

from tests.support.published_fields import COLLECTIONS, wrong_types

BASE = "/streamer/api/v3"
ADMIN = {"Authorization": basic_header("admin", "secret")}
CONFIG = """
http 8080; rtmp 1935; edit_auth admin secret;
stream a { input rtsp://user:SECRET@192.0.2.1/x; }
vod films { storage /srv; }
dvr disks { root /storage; disk d1; disk d2 mode=readonly; }
event_sink sink { url http://192.0.2.1/; }
"""


class World:
    def __init__(self, server: ServerFacade, client: TestClient[Any, Any]) -> None:
        self.server, self.client = server, client

    async def get(self, path: str) -> Any:
        async with self.client.get(path, headers=ADMIN) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json(content_type=None)

    async def get_text(self, path: str) -> str:
        async with self.client.get(path, headers=ADMIN) as answer:
            return await answer.text()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    path = tmp_path / "flussonic.conf"
    path.write_text(CONFIG)
    settings = Settings(path, tmp_path, tmp_path, tmp_path, 1, 1, "host1")
    async with aiohttp.ClientSession() as http:
        supervisor = Supervisor(settings, {}, http)
        await supervisor.facade.configuration.start()
        async with TestClient(TestServer(make_app(supervisor.facade))) as client:
            yield World(supervisor.facade, client)


async def test_every_collection_answers(world: World) -> None:
    for path, key in COLLECTIONS.items():
        if path.endswith("/files"):
            continue  # there is no such folder
        # A stream without an archive has no ranges, which is no error.
        name = "a" if "/streams/" in path else "sink" if "event_sinks" in path else "disks"
        answer = await world.get(BASE + path.replace("{name}", name))
        assert isinstance(answer[key], list), path
        assert isinstance(answer["estimated_count"], int)


async def test_disks_of_a_storage_are_told_as_they_are_configured(world: World) -> None:
    answer = await world.get(f"{BASE}/dvrs/disks/disks")
    assert answer["disks"] == [
        {"path": "d1", "mode": "normal"}, {"path": "d2", "mode": "readonly"},
    ]  # fmt: skip


async def test_one_disk_of_a_storage(world: World) -> None:
    assert await world.get(f"{BASE}/dvrs/disks/disks/d2") == {"path": "d2", "mode": "readonly"}
    for method, path, status in (
        ("GET", "disks/disks/d3", 404),
        ("GET", "none/disks/d1", 404),
        ("PUT", "disks/disks/d1", 501),
    ):
        async with world.client.request(method, f"{BASE}/dvrs/{path}", headers=ADMIN) as answer:
            assert answer.status == status, path


async def test_a_stream_that_was_never_alive_has_its_fields(world: World) -> None:
    state = await world.get(f"{BASE}/streams/a")
    stats = state["stats"]
    assert not list(wrong_types("stream_stats", stats))
    wanted = {"alive", "running", "dvr_enabled", "running_transcoder", "transcoder_overloaded"}
    assert [stats[name] for name in wanted] == [False] * len(wanted)
    assert (state["title"], stats["input_error_rate"], stats["lifetime"]) == ("", 0, 0)
    assert stats["url"].startswith("rtsp://")
    assert "SECRET" not in stats["url"]


async def test_a_dead_stream_keeps_its_times(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = world.server.streams.get("a")
    assert stream is not None
    monkeypatch.setattr("time.time", lambda: 1_000.0)
    stream.stats = {"status": "waiting", "alive": False, "started_at": 900_000}
    stream.stats["last_dts_at"] = 980_000
    stats = world.server.stream_statistics(stream)
    assert (stats["lifetime"], stats["ts_delay"]) == (100_000, 20_000)
    assert (stats["last_dts_at"], stats["start_running_at"]) == (980_000, 900_000)


async def test_answers_over_http_are_counted_by_protocol_and_status(world: World) -> None:
    world.server.sessions.answered("a", "hls", 200, 2)
    world.server.sessions.answered("a", "hls", 200, 1)
    world.server.sessions.answered("a", "hls", 404, 1)
    play = (await world.get(f"{BASE}/streams/a"))["stats"]["play"]
    assert (play["play_hls_http_200"], play["play_hls_http_404"]) == (3, 1)


async def test_the_server_has_its_fields(world: World) -> None:
    stats = await world.get(f"{BASE}/config/stats")
    assert not list(wrong_types("server_stats", stats))
    assert (stats["scheduler_load"], stats["transcoder_devices"]) == (0, [])
    text = await world.get_text(f"{BASE}/config/stats?format=openmetrics")
    assert "server_scheduler_load{" in text


async def test_the_older_api_has_them_too(world: World) -> None:
    server = await world.get("/flussonic/api/server")
    assert (server["scheduler_load"], server["transcoder_devices"], server["rtmp"]) == (0, [], 1935)
    [entry] = await world.get("/flussonic/api/media?name=a")
    stats = entry["value"]["stats"]
    assert next(key for key in stats if key.endswith("url")) == "url"
    assert next(iter(stats)) == "url"
    assert stats["dvr_enabled"] is False


async def test_events_of_a_sink(world: World) -> None:
    assert (await world.get(f"{BASE}/event_sinks/sink/events"))["events"] == []
    async with world.client.get(f"{BASE}/event_sinks/none/events", headers=ADMIN) as answer:
        assert answer.status == 404
