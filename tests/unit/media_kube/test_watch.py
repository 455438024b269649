"""Answers that are no lists and lines that are no events: the watch says so and goes on."""

import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio.client import Configuration
from media_kube import client as kube
from media_kube.client import KubeClient

LIST: dict[str, Any] = {
    "items": [{"metadata": {"name": "a", "resourceVersion": "1"}}],
    "metadata": {"resourceVersion": "1"},
}


class Server:
    """Answers each list and each watch with the next of what it was given."""

    def __init__(self) -> None:
        self.lists: list[Any] = []
        self.lines: list[Any] = []

    async def answer(self, request: web.Request) -> web.Response:
        if "watch" in request.query:
            lines = "".join(f"{json.dumps(line)}\n" for line in self.lines)
            self.lines = []
            return web.Response(text=lines)
        return web.json_response(self.lists.pop(0) if len(self.lists) > 1 else self.lists[0])


@pytest.fixture
async def api(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Server, KubeClient]]:
    monkeypatch.setattr(kube, "RETRY_SECONDS", (0.01,))
    monkeypatch.setattr(kube, "TLS_CLOSE_SECONDS", 0.0)
    server, app = Server(), web.Application()
    app.router.add_get("/{path:.*}", server.answer)
    async with TestServer(app) as running:
        configuration = Configuration()
        configuration.host = str(running.make_url("")).rstrip("/")
        client = KubeClient(configuration)
        yield server, client
        await client.close()


async def types(client: KubeClient, count: int) -> list[str]:
    found: list[str] = []
    async with aclosing(client.watch(kube.CONFIG_MAP, "ns")) as events:
        async for event in events:
            found.append(event.type)
            if len(found) == count:
                return found
    raise AssertionError("a watch never ends")


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"items": []},
        {"items": {}, "metadata": {"resourceVersion": "1"}},
        {"items": [], "metadata": {}},
        {"items": [], "metadata": []},
        {"items": ["a"], "metadata": {"resourceVersion": "1"}},
        {"items": [{"metadata": {}}], "metadata": {"resourceVersion": "1"}},
    ],
)
async def test_an_answer_that_is_no_list_is_not_a_list_of_nothing(
    api: tuple[Server, KubeClient], answer: Any
) -> None:
    server, client = api
    server.lists = [answer, LIST]
    assert await types(client, 5) == ["RELIST", "LOST", "RELIST", "ADDED", "SYNCED"]


@pytest.mark.parametrize(
    "line",
    [
        {},
        [],
        7,
        {"type": "ADDED"},
        {"type": "NEWS", "object": {"metadata": {"name": "a", "resourceVersion": "2"}}},
        {"type": "ADDED", "object": {"metadata": {"name": "a"}}},
        {"type": "ADDED", "object": {"metadata": {"resourceVersion": "2"}}},
        {"type": "BOOKMARK", "object": {"metadata": []}},
        {"type": "ERROR", "object": []},
    ],
)
async def test_a_line_that_is_no_event_ends_in_a_fresh_list(
    api: tuple[Server, KubeClient], line: Any
) -> None:
    server, client = api
    server.lists, server.lines = [LIST], [line]
    assert await types(client, 5) == ["RELIST", "ADDED", "SYNCED", "LOST", "RELIST"]
