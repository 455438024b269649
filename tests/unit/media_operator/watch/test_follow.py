"""kopf itself, between a server on loopback and the picture."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web
from kubernetes.aio.client import Configuration
from media_kube.client import Kind, KubeClient
from media_operator.picture import ClusterPicture
from media_operator.watch import follow as module
from media_operator.watch.follow import Follower
from media_operator.watch.kinds import SELECTORS
from media_operator.watch.shell import Life

LIMIT_SECONDS = 60.0
BOOKMARK_SECONDS = 0.2
SERVED = (
    *SELECTORS,
    # Without these kopf does not begin.
    Kind("v1", "Namespace", "namespaces"),
    Kind("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions"),
)


class Api:
    """Serves all kinds that are watched, and Streams as the test says."""

    def __init__(self) -> None:
        self.streams: list[dict[str, Any]] = []
        self.events: list[tuple[str, dict[str, Any]]] = []
        """Told to the watches of Streams that are open; a list has the outcome."""
        self.told = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        if path == "/api":
            return web.json_response({"versions": ["v1"]})
        if path == "/apis":
            return web.json_response({"groups": self._groups()})
        kinds = [kind for kind in SELECTORS if path == kind.path(None)]
        if not kinds:
            return web.json_response({"resources": self._resources(path)})
        streams = kinds[0].kind == "Stream"
        if "watch" in request.query:
            return await self._watch(request, streams=streams)
        items = self.streams if streams else []
        return web.json_response(
            {"kind": f"{kinds[0].kind}List", "items": items, "metadata": {"resourceVersion": "1"}}
        )

    async def _watch(self, request: web.Request, *, streams: bool) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            lines = [{"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "2"}}}]
            if streams and self.events:
                lines += [{"type": type_, "object": body} for type_, body in self.events]
                self.events = []
            await response.write(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
            await asyncio.sleep(BOOKMARK_SECONDS)

    @staticmethod
    def _groups() -> list[dict[str, Any]]:
        found = sorted({kind.api_version for kind in SERVED if "/" in kind.api_version})
        return [
            {"name": group, "versions": [version], "preferredVersion": version}
            for group, _, number in (name.partition("/") for name in found)
            for version in [{"version": number}]
        ]

    @staticmethod
    def _resources(path: str) -> list[dict[str, Any]]:
        def is_here(kind: Kind) -> bool:
            return path.partition("/")[2].partition("/")[2] == kind.api_version

        return [
            {
                "name": kind.plural, "singularName": kind.kind.lower(), "kind": kind.kind,
                "namespaced": True, "verbs": ["list", "watch"],
            }
            for kind in SERVED
            if is_here(kind)
        ]  # fmt: skip


@pytest.fixture
async def api() -> Api:
    return Api()


@pytest.fixture
def lives(monkeypatch: pytest.MonkeyPatch) -> list[Life]:
    """Those that began."""
    began: list[Life] = []

    class Noted(Life):
        def __init__(self, *options: Any) -> None:
            super().__init__(*options)
            began.append(self)

    monkeypatch.setattr(module, "Life", Noted)
    return began


@pytest.fixture
async def picture(api: Api, lives: list[Life]) -> AsyncIterator[ClusterPicture]:
    """As a Follower keeps it; everything is listed."""
    app = web.Application()
    app.router.add_get("/{path:.*}", api.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    configuration = Configuration(host=f"http://127.0.0.1:{runner.addresses[0][1]}")
    configuration.retries = None
    client = KubeClient(configuration)
    found = ClusterPicture(lambda: None)
    follower = Follower(client, None, found)
    running = asyncio.create_task(follower.run())
    await asyncio.wait_for(follower.synced.wait(), LIMIT_SECONDS)
    yield found
    running.cancel()
    await asyncio.wait([running], timeout=LIMIT_SECONDS)
    await client.close()
    await runner.cleanup()


def stream(name: str, uid: str, version: int) -> dict[str, Any]:
    metadata = {
        "namespace": "ns", "name": name, "uid": uid, "resourceVersion": str(version),
        "generation": version,
    }  # fmt: skip
    return {"apiVersion": "media.flussonic.com/v1alpha1", "kind": "Stream", "metadata": metadata}


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT_SECONDS):
        while not condition():  # noqa: ASYNC110 - what it looks at tells nobody
            await asyncio.sleep(0.02)


async def test_who_comes_after_a_deletion_under_the_same_name_is_not_lost(
    api: Api, picture: ClusterPicture
) -> None:
    """As a watch tells after a break: all that was missed in one go."""
    names = [f"s{number}" for number in range(50)]
    told = []
    for name in names:
        told += [("ADDED", stream(name, "old", 1))]
        told += [("MODIFIED", stream(name, "old", version)) for version in range(2, 6)]
        told += [("DELETED", stream(name, "old", 6)), ("ADDED", stream(name, "new", 7))]
    told.append(("ADDED", stream("last", "last", 8)))
    api.events = told
    await until(lambda: ("ns", "last") in picture.snapshot.streams)
    await until(lambda: len(picture.snapshot.streams) == len(names) + 1)
    assert {s.uid for s in picture.snapshot.streams.values()} == {"new", "last"}


async def test_a_watcher_that_died_alone_is_noticed(
    api: Api, picture: ClusterPicture, lives: list[Life], monkeypatch: pytest.MonkeyPatch
) -> None:
    """kopf goes on without it, and the bookmarks of all other kinds say that all is well."""
    monkeypatch.setattr(module, "SILENT_SECONDS", 1.5)
    monkeypatch.setattr(module, "CHECK_SECONDS", 0.2)
    monkeypatch.setattr(module, "END_SECONDS", 0.5)
    loop = lives[0]._loop
    [watcher] = [
        task
        for task in asyncio.all_tasks(loop)
        if task.get_name().startswith("watcher for streams.")
    ]
    loop.call_soon_threadsafe(watcher.cancel)
    await until(watcher.done)
    api.streams = [stream("later", "u", 9)]
    await until(lambda: ("ns", "later") in picture.snapshot.streams)
    assert len(lives) > 1
