"""The client of config_external against a real HTTP backend."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from media_streamer.supervisor import config_backend
from media_streamer.supervisor.catalog import Catalog, Changes
from media_streamer.supervisor.config_backend import (
    BackendError,
    ConfigBackend,
    base_and_authorization,
    headers_of,
)
from media_streamer.supervisor.external import ExternalConfig

HOST = {"host": "host1", "client_host": "host1"}


class Backend:
    """Serves `listed` in pages of two and `hidden` by name."""

    def __init__(self) -> None:
        self.listed: list[Any] = []
        self.hidden: dict[str, Any] = {}
        self.headers: dict[str, str] = {"X-Config-Server-Separate-Endpoints": "true"}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.raw: tuple[int, str] | None = None
        self.tagged = False
        self.refuse_names = False
        self.not_modified = 0

    async def answer(self, request: web.Request) -> web.Response:
        self.requests.append((request.match_info["what"], dict(request.query)))
        assert request.headers["Authorization"] == "Bearer APIKEY"
        if self.raw is not None:
            return web.Response(status=self.raw[0], text=self.raw[1])
        if names := request.query.get("name"):
            if self.refuse_names:
                return web.Response(status=500)
            found = [self.hidden[name] for name in names.split(",") if name in self.hidden]
            return self._page(request, found, None)
        start = int(request.query.get("cursor", "0"))
        more = str(start + 2) if start + 2 < len(self.listed) else None
        return self._page(request, self.listed[start : start + 2], more)

    def _page(self, request: web.Request, streams: list[Any], more: str | None) -> web.Response:
        text = json.dumps({"streams": streams, "next": more})
        headers = dict(self.headers)
        if self.tagged:
            headers["ETag"] = f'"{hash(text)}"'
            if request.headers.get("If-None-Match") == headers["ETag"]:
                self.not_modified += 1
                return web.Response(status=304, headers=headers)
        return web.Response(text=text, content_type="application/json", headers=headers)


class World:
    def __init__(self, http: aiohttp.ClientSession, base: str, state: Path) -> None:
        self.url = base.replace("http://", "http://APIKEY@")
        self.http, self.state = http, state
        self.in_use: set[str] = set()
        self.changes: list[Changes] = []
        self.errors: list[dict[str, Any]] = []
        self.catalog, self.external = self.start()

    def start(self, url: str | None = None) -> tuple[Catalog, ExternalConfig]:
        catalog, url = Catalog(), url or self.url
        external = ExternalConfig(
            ConfigBackend(self.http, url, "host1"),
            url,
            catalog,
            self.state,
            self.changes.append,
            self.in_use.__contains__,
            self.errors.append,
        )
        return catalog, external


@pytest.fixture
def backend() -> Backend:
    return Backend()


@pytest.fixture
async def world(backend: Backend, tmp_path: Path) -> AsyncIterator[World]:
    app = web.Application()
    app.router.add_get("/api/{what}", backend.answer)
    async with TestServer(app) as server, aiohttp.ClientSession() as http:
        yield World(http, str(server.make_url("/api")), tmp_path / "state.json")


def streams(*names: str) -> list[dict[str, Any]]:
    return [{"name": name, "inputs": [{"url": "fake://fake"}]} for name in names]


async def test_pages_are_followed_and_differences_applied(world: World, backend: Backend) -> None:
    backend.listed = streams("a", "b", "c", "d/e")
    assert await world.external.refresh()
    assert set(world.catalog.streams) == {"a", "b", "c", "d/e"}
    assert {item.named_by for item in world.catalog.streams.values()} == {"external"}
    assert all(query["host"] == "host1" for _, query in backend.requests)
    backend.listed = streams("a", "c")
    backend.listed[0]["title"] = "new"
    assert await world.external.refresh()
    assert world.changes[-1] == Changes(frozenset(), frozenset({"b", "d/e"}), frozenset({"a"}))
    assert world.external.status == {"status": "loaded"}


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ((500, ""), "invalid_request"),
        ((403, ""), "invalid_request"),
        ((200, "no json"), "malformed_json"),
        ((200, "[" * 100_000), "malformed_json"),
        ((200, '{"streams": 7}'), "malformed_json"),
        ((200, "[]"), "malformed_json"),
    ],
)
async def test_a_failing_backend_changes_nothing(
    world: World, backend: Backend, raw: tuple[int, str], reason: str
) -> None:
    backend.listed = streams("a")
    await world.external.refresh()
    backend.raw = raw
    assert not await world.external.refresh()
    assert set(world.catalog.streams) == {"a"}
    assert world.external.status is not None
    assert (world.external.status["status"], world.external.status["reason"]) == ("error", reason)
    backend.raw = None
    assert await world.external.refresh()
    assert world.external.status == {"status": "loaded"}


async def test_one_wrong_stream_costs_that_stream_only(world: World, backend: Backend) -> None:
    backend.listed = streams("a", "b")
    await world.external.refresh()
    backend.listed = [*streams("a"), {"name": "b", "inputs": [{"url": "http://u:PASS@h/"}]}, "?"]
    backend.listed += streams("c")
    await world.external.refresh()
    assert set(world.catalog.streams) == {"a", "b", "c"}, "b keeps what it had"
    assert world.external.status is not None
    assert world.external.status["reason"] == "validation_error"
    assert "PASS" not in json.dumps(world.external.status)


@pytest.mark.parametrize("tagged", [True, False])
async def test_a_list_that_is_the_same_is_not_read_again(
    world: World, backend: Backend, tagged: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.tagged = tagged
    backend.listed = streams("a", "b", "c")
    await world.external.refresh()
    read: list[Any] = []
    validate = config_backend.StreamConfig.model_validate
    monkeypatch.setattr(
        config_backend.StreamConfig,
        "model_validate",
        lambda item: read.append(item) or validate(item),
    )
    world.changes.clear()
    saved = world.state.stat().st_mtime_ns
    for _ in range(3):
        assert await world.external.refresh()
    assert (read, world.changes) == ([], [])
    assert world.state.stat().st_mtime_ns == saved
    assert backend.not_modified == (6 if tagged else 0)
    backend.listed[1]["title"] = "new"
    await world.external.refresh()
    assert {item["name"] for item in read} == {"b"}, "only what differs is read"
    assert world.changes == [Changes(changed=frozenset({"b"}))]
    world.state.unlink()
    restarted, again = world.start()
    await again.restore()
    assert not restarted.streams
    assert await again.refresh()
    assert set(restarted.streams) == {"a", "b", "c"}


async def test_a_list_that_is_the_same_is_used_after_a_failure_between(
    world: World, backend: Backend
) -> None:
    backend.tagged = True
    backend.listed = streams("a", "b")
    await world.external.refresh()
    backend.listed = streams("a", "c")
    backend.hidden = {"b": streams("b")[0]}
    world.in_use.add("b")
    backend.refuse_names = True
    assert not await world.external.refresh(), "the list came, the question about b did not"
    assert set(world.catalog.streams) == {"a", "b"}
    backend.refuse_names = False
    assert await world.external.refresh()
    assert set(world.catalog.streams) == {"a", "b", "c"}


async def test_a_304_that_nobody_asked_for_is_no_answer(world: World, backend: Backend) -> None:
    backend.raw = (304, "")
    assert not await world.external.refresh()


async def test_dynamic_streams(world: World, backend: Backend) -> None:
    backend.listed = streams("a")
    backend.hidden = {"x/y": streams("x/y")[0]}
    await world.external.refresh()
    assert await world.external.find("x/y")
    assert backend.requests[-1] == ("dynamic-streams", {**HOST, "name": "x/y"})
    assert not await world.external.find("unknown")
    count = len(backend.requests)
    assert not await world.external.find("unknown")
    assert len(backend.requests) == count, "a player that insists is not passed on each time"
    world.in_use.add("x/y")
    await world.external.refresh()
    assert backend.requests[-1] == ("update-streams", {**HOST, "name": "x/y"})
    assert "x/y" in world.catalog.streams
    del backend.hidden["x/y"]
    await world.external.refresh()
    assert "x/y" not in world.catalog.streams, "a name asked for and not returned is stopped"


async def test_headers_switch_the_behaviour(world: World, backend: Backend) -> None:
    backend.headers = {}
    backend.hidden = {"x": streams("x")[0]}
    await world.external.refresh()
    assert await world.external.find("x")
    assert backend.requests[-1] == ("streams", {**HOST, "name": "x"})
    backend.headers = {"X-Config-Server-Dynamic-Streams": "false"}
    await world.external.refresh()
    count = len(backend.requests)
    assert not await world.external.find("z")
    assert len(backend.requests) == count


async def test_the_last_answer_outlives_a_restart(world: World, backend: Backend) -> None:
    backend.listed = streams("a", "b", "c")
    await world.external.refresh()
    assert world.state.stat().st_mode & 0o777 == 0o600
    backend.raw = (500, "")
    catalog, external = world.start()
    await external.restore()
    assert not await external.refresh()
    assert set(catalog.streams) == {"a", "b", "c"}
    other, stranger = world.start("http://OTHER@127.0.0.1:1/api")
    await stranger.restore()
    assert not other.streams, "another backend's streams are not ours"


async def test_a_broken_state_file_is_no_obstacle(world: World) -> None:
    for text in ("{", "[]", '{"backend": 1}', "", "[" * 100_000):
        world.state.write_text(text)
        catalog, external = world.start()
        await external.restore()
        assert not catalog.streams


def test_credentials_of_the_url() -> None:
    assert base_and_authorization("http://KEY@h:80/a/") == ("http://h:80/a", "Bearer KEY")
    assert base_and_authorization("http://h/a") == ("http://h/a", None)
    base, authorization = base_and_authorization("https://u:p%40@h/a")
    assert (base, authorization) == ("https://h/a", "Basic dTpwQA==")


def test_the_token_of_a_file_is_shown_where_the_url_says_nothing(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("one\n")
    assert headers_of(None, token) == {"Authorization": "Bearer one"}
    token.write_text("two")
    assert headers_of(None, token) == {"Authorization": "Bearer two"}
    assert headers_of("Bearer KEY", token) == {"Authorization": "Bearer KEY"}
    assert headers_of(None, None) == {}


async def test_a_token_that_cannot_be_read_is_told(world: World, tmp_path: Path) -> None:
    backend = ConfigBackend(world.http, "http://127.0.0.1:1/api", "h", tmp_path / "none")
    with pytest.raises(BackendError, match="none"):
        await backend.list_all()
