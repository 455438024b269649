"""What episodes keep of an archive: those of the server, and those of a backend that is asked by
HTTP when something would be deleted."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from media_api.server import ServerConfig
from media_api.stream import StreamConfig
from media_rest.credentials import basic_header
from media_streamer.api.server import make_app
from media_streamer.archive.declared import Declared, declared
from media_streamer.archive.episodes import EPISODES_FILE
from media_streamer.archive.keeper import Kept, keep_limits
from media_streamer.archive.places import HOUR_MS, file_path, files_between
from media_streamer.archive.ranges import Range
from media_streamer.supervisor.archive_errors import ArchiveError
from media_streamer.supervisor.episodes import EpisodeBackends, EpisodeDesk
from media_streamer.supervisor.settings import Settings
from media_streamer.supervisor.supervisor import Supervisor

NOW = 1_700_000_000_000
ADMIN = {"Authorization": basic_header("admin", "secret")}
OLD = {"expiration": 2 * 3600}
LARGE = {"storage_limit": 25}
FOUR_HOURS_AGO = NOW - 4 * HOUR_MS


class Backend:
    """Answers `/episodes` in pages of one."""

    def __init__(self) -> None:
        self.url = ""
        self.episodes: list[Any] = []
        self.status = 200
        self.asked: list[dict[str, str]] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(dict(request.query))
        assert request.headers["Authorization"] == "Bearer KEY"
        at = int(request.query.get("cursor", "0"))
        more = str(at + 1) if at + 1 < len(self.episodes) else None
        text = json.dumps({"episodes": self.episodes[at : at + 1], "next": more})
        return web.Response(status=self.status, text=text, content_type="application/json")


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    one = Backend()
    app = web.Application()
    app.router.add_get("/base/episodes", one.answer)
    async with TestServer(app) as server:
        one.url = str(server.make_url("/base")).replace("http://", "http://KEY@")
        yield one


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def archive(root: Path, name: str, dvr: dict[str, Any]) -> Declared:
    """Six files of an hour and ten bytes, the last one begins now."""
    stream = StreamConfig.model_validate({"name": name, "dvr": {"root": str(root), **dvr}})
    one = declared(stream, ServerConfig())
    assert one is not None
    for hour in range(6):
        path = file_path(one.folder, NOW - hour * HOUR_MS)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 10)
    return one


def ages(one: Declared) -> list[int]:
    """Of the files that are left, in hours."""
    return [(NOW - file.start_ms) // HOUR_MS for file in files_between(one.folder)]


def episode(name: str, hours_ago: float, **more: Any) -> dict[str, Any]:
    opened = NOW - int(hours_ago * HOUR_MS)
    given = {"episode_id": int(hours_ago * 100) + 1, "media": name, "opened_at": opened}
    return {**given, "updated_at": opened + 60_000, **more}


async def keep(
    http: aiohttp.ClientSession, url: str, root: Path, streams: Mapping[str, Declared]
) -> Kept:
    async def on_disk(_: Path, work: Any) -> Any:
        return await asyncio.to_thread(work)

    async def look(kept: Mapping[str, list[Range]], unasked: frozenset[str]) -> Kept:
        return keep_limits(root, streams, NOW, (), kept, unasked)

    backends = EpisodeBackends(http, lambda: url, lambda: "host1")
    desk = EpisodeDesk(backends, streams.__getitem__, on_disk)
    found = await desk.keep(streams, look)
    assert not found.asks
    return found


@pytest.mark.parametrize("dvr", [OLD, LARGE], ids=["age", "size"])
async def test_what_a_backend_keeps_stays(
    http: aiohttp.ClientSession, backend: Backend, tmp_path: Path, dvr: dict[str, Any]
) -> None:
    one, other = archive(tmp_path, "cam/1", dvr), archive(tmp_path, "b", {})
    backend.episodes = [episode("cam/1", 3.98), episode("cam/1", 4.98), episode("b", 5)]
    await keep(http, backend.url, tmp_path, {"cam/1": one, "b": other})
    assert {5, 4} <= set(ages(one)), "their files, and no others"
    assert 3 not in ages(one)
    assert ages(other) == [5, 4, 3, 2, 1, 0]
    assert {query["media"] for query in backend.asked} == {"cam/1"}, "nothing of b would go"
    assert backend.asked[0]["name"] == "cam/1"
    assert backend.asked[0]["host"] == "host1"


async def test_nobody_is_asked_while_nothing_is_due(
    http: aiohttp.ClientSession, backend: Backend, tmp_path: Path
) -> None:
    await keep(http, backend.url, tmp_path, {"a": archive(tmp_path, "a", {"expiration": 86400})})
    assert backend.asked == []


@pytest.mark.parametrize(
    ("status", "episodes"), [(501, []), (500, []), (200, [{"media": "a"}]), (200, ["x"])]
)
async def test_without_an_answer_nothing_is_deleted(
    http: aiohttp.ClientSession, backend: Backend, tmp_path: Path, status: int, episodes: list[Any]
) -> None:
    one, other = archive(tmp_path, "a", OLD), archive(tmp_path, "b", LARGE)
    backend.status, backend.episodes = status, episodes
    await keep(http, backend.url, tmp_path, {"a": one, "b": other})
    assert ages(one) == ages(other) == [5, 4, 3, 2, 1, 0]


async def test_a_stream_may_have_a_backend_of_its_own(
    http: aiohttp.ClientSession, backend: Backend, tmp_path: Path
) -> None:
    """And an old episode keeps nothing."""
    own = {"episodes_url": f"{backend.url}/episodes", "episodes_expiration": 3600}
    one, other = archive(tmp_path, "a", OLD | own), archive(tmp_path, "b", OLD)
    backend.episodes = [episode("a", 4.5)]
    await keep(http, "", tmp_path, {"a": one, "b": other})
    # It is compared with the clock, which is later than NOW.
    assert ages(one) == ages(other) == [2, 1, 0]
    assert len(backend.asked) == 1


async def test_what_others_keep_makes_the_next_stream_give_way(
    http: aiohttp.ClientSession, backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the share of the disk the oldest file of all goes: streams are asked for one by one."""
    dvr = {"disk_usage_limit": 50}
    streams = {name: archive(tmp_path, name, dvr) for name in "abc"}
    backend.episodes = [episode(name, hour + 0.5) for name in "ab" for hour in range(-1, 6)]
    for number, one in enumerate(backend.episodes):
        one["episode_id"] = number + 1
        one["closed_at"] = one["opened_at"] + HOUR_MS
    usage = type("Usage", (), {"f_frsize": 1, "f_blocks": 200, "f_bfree": 70, "f_bavail": 70})
    monkeypatch.setattr("os.statvfs", lambda _: usage)
    await keep(http, backend.url, tmp_path, streams)
    assert ages(streams["a"]) == ages(streams["b"]) == [5, 4, 3, 2, 1, 0]
    assert ages(streams["c"]) == [2, 1, 0]


async def test_episodes_of_the_server_keep_their_files_over_a_restart(tmp_path: Path) -> None:
    root, config = tmp_path / "archive", tmp_path / "flussonic.conf"
    config.write_text(
        "http 8080; edit_auth admin secret;\n"
        f"stream cam {{ disabled; dvr {root} 2h; }}\nstream plain {{ disabled; }}\n"
    )
    settings = Settings(config, tmp_path, tmp_path, tmp_path, 1, 1, "host1")
    path = "/streamer/api/v3/episodes"
    async with aiohttp.ClientSession() as http:
        supervisor = Supervisor(settings, {}, http)
        server = supervisor.facade
        await server.configuration.start()
        async with TestClient(TestServer(make_app(server))) as client:

            async def ask(method: str, rest: str, body: Any = None) -> tuple[int, Any]:
                async with client.request(method, path + rest, headers=ADMIN, json=body) as answer:
                    text = await answer.text()
                    return answer.status, json.loads(text) if text else None

            begun = {"media": "cam", "opened_at": FOUR_HOURS_AGO, "closed_at": FOUR_HOURS_AGO + 5}
            for _ in range(600):
                server.archives.tick(0.0)
                if (await ask("PUT", "/5", begun))[0] == 200:
                    break
                await asyncio.sleep(0.05)  # the folder is claimed by a thread
            status, told = await ask("PUT", "/5", {"comment": "a bicycle"})
            assert (status, told["comment"], told["media"]) == (200, "a bicycle", "cam")
            assert (await ask("GET", "/5"))[1] == told
            found = (await ask("GET", "?media=cam"))[1]["episodes"]
            assert [one["episode_id"] for one in found] == [5]
            assert (await ask("GET", "?media=plain"))[1]["episodes"] == []
            assert (await ask("PUT", "/5", {"closed_at": NOW}))[0] == 409
            assert (await ask("PUT", "/6", {"media": "plain", "opened_at": 1}))[0] == 404
            assert (await ask("PUT", "/6", {"media": "cam"}))[0] == 400
            assert (await ask("PUT", "/x", {"media": "cam", "opened_at": 1}))[0] == 404
            assert (await ask("POST", "", {}))[0] == 501
            assert (root / EPISODES_FILE).exists()
            assert (await ask("PUT", "/7", {"media": "cam", "opened_at": 1}))[0] == 200
            assert (await ask("DELETE", "/7"))[0] == 204
            assert (await ask("DELETE", "/7"))[0] == 404
        server.archives.close()

    stream = StreamConfig.model_validate({"name": "cam", "dvr": {"root": str(root), **OLD}})
    one = declared(stream, ServerConfig())
    assert one is not None
    archive(root, "cam", OLD)
    async with aiohttp.ClientSession() as http:
        await keep(http, "", root, {"cam": one})
        assert ages(one) == [4, 2, 1, 0], "the file of the episode stays"
        (root / EPISODES_FILE).write_text("broken")
        with pytest.raises((ValueError, ArchiveError)):
            await keep(http, "", root, {"cam": one})
    assert ages(one) == [4, 2, 1, 0]
