"""Central on custom resources: its API, and PostgreSQL that comes late."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from media_api import kube
from media_api.kube import KubeClient
from media_central import cluster
from media_central.cluster import running_in_cluster
from media_central.embedded import EmbeddedPostgres
from media_central.settings import Login, Settings

from tests.support.api_server import ApiServer

pytestmark = pytest.mark.timeout(150)  # the first test starts an API server

API_KEY = "test-api-key"
AWAY = "postgresql://central@127.0.0.1:9/central?connect_timeout=1"


@pytest.fixture
def settings(
    api_server: ApiServer, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    free_port: Any,
) -> Settings:  # fmt: skip
    path = tmp_path / "kubeconfig"
    path.write_text(api_server.kubeconfig())
    monkeypatch.setenv("KUBECONFIG", str(path))
    monkeypatch.setattr(cluster, "DATABASE_RETRY_SECONDS", 0.3)
    port = free_port()
    return Settings(
        store="kubernetes",
        database_url=AWAY,
        watch_namespace=namespace,
        pod_namespace=namespace,
        api_key=API_KEY,
        edit_auth=Login("admin", "admin"),
        http_address="127.0.0.1",
        http_port=port,
        api_url=f"http://127.0.0.1:{port}",
    )


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"Authorization": f"Bearer {API_KEY}"}
    timeout = aiohttp.ClientTimeout(total=20)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
        yield session


async def call(
    http: aiohttp.ClientSession, method: str, url: str, body: Any = None
) -> tuple[int, Any]:
    async with http.request(method, url, json=body) as response:
        is_json = response.content_type == "application/json"
        return response.status, await response.json() if is_json else await response.text()


async def test_the_api_writes_and_reads_resources(
    settings: Settings, http: aiohttp.ClientSession, api_server: ApiServer,
    kube_client: KubeClient, namespace: str, eventually: Any,
) -> None:  # fmt: skip
    async with running_in_cluster(settings) as central:
        streams = f"{central.url}/streamer/api/v3/streams"
        body = {"inputs": [{"url": "fake://fake"}], "title": "T"}
        status, answer = await call(http, "PUT", f"{streams}/news/one", body)
        assert (status, answer["name"], answer["title"]) == (200, "news/one", "T")
        items, _ = await kube_client.list(kube.STREAM, namespace)
        assert [item["spec"]["name"] for item in items] == ["news/one"]
        assert (await call(http, "GET", f"{streams}/news/one"))[0] == 200
        status, answer = await call(http, "PUT", f"{streams}/news/one", {"name": "two"})
        assert (status, answer["name"]) == (200, "two")
        assert (await call(http, "GET", f"{streams}/news/one"))[0] == 404
        await call(http, "PUT", f"{streams}/three", body)
        status, answer = await call(http, "PUT", f"{streams}/three", {"name": "two"})
        assert (status, answer["errors"][0]["code"]) == (409, "name_taken")
        item = {
            "apiVersion": kube.MEDIA_API, "kind": "Stream", "metadata": {"name": "git"},
            "spec": {"title": "Git"},
        }  # fmt: skip
        apply = ("apply", "-n", namespace, "--server-side", "--field-manager=argocd", "-f", "-")
        await asyncio.to_thread(api_server.must, *apply, data=item)
        await eventually(lambda: central.context.store.get("streams", "git"))
        status, answer = await call(http, "PUT", f"{streams}/git", {"title": "mine"})
        error = answer["errors"][0]
        assert (status, error["code"]) == (409, "owned_by_other")
        assert error["meta"] == {"owner": "argocd", "field": "title"}
        assert (await call(http, "DELETE", f"{streams}/git"))[0] == 409
        status, answer = await call(http, "PUT", f"{streams}/three", {"dvr": {"expiration": 60}})
        assert status == 400
        assert "dvr needs root" in str(answer)
        assert (await call(http, "DELETE", f"{streams}/two"))[0] == 204
        assert (await call(http, "DELETE", f"{streams}/two"))[0] == 404
        items, _ = await kube_client.list(kube.STREAM, namespace)
        assert sorted(item["metadata"]["name"] for item in items) == ["git", "three"]


async def test_the_history_begins_when_postgresql_comes(
    settings: Settings, http: aiohttp.ClientSession, tmp_path: Path, eventually: Any
) -> None:
    with tempfile.TemporaryDirectory(prefix="pg-") as short:  # a socket's path is below 107 bytes
        place = Path(short) / "socket"
        url = f"postgresql://central@/central?host={place}"
        async with running_in_cluster(replace(settings, database_url=url)) as central:
            streams = f"{central.url}/streamer/api/v3/streams"
            body = {"inputs": [{"url": "fake://fake"}]}
            assert (await call(http, "PUT", f"{streams}/a", body))[0] == 200
            assert (await call(http, "GET", f"{streams}/a"))[0] == 200
            status, _ = await call(http, "GET", f"{streams}/a/events")
            assert status == 503, "said clearly while it is away"
            async with EmbeddedPostgres(tmp_path / "data", options=["fsync=off"]) as server:
                parts = urlsplit(server.url)
                assert (parts.path, parts.username or "central") == ("/central", "central")
                place.symlink_to(parse_qs(parts.query)["host"][0])

                async def has_history() -> bool:
                    status, answer = await call(http, "GET", f"{streams}/a/events")
                    return bool(status == 200 and answer["events"] == [])

                await eventually(has_history, 30)
