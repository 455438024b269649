"""The way to the API server: by a proxy where the environment has one, looked for once."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio.client import Configuration
from media_kube import client as kube
from media_kube.client import KubeClient, proxy_of

OBJECT = {"metadata": {"name": "one"}}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Without proxies."""
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("https://10.96.0.1:443", None),
        ("https://api.example:6443", "http://proxy:3128"),
        ("http://api.example:8001", None),
        ("https://in.cluster.local", None),
    ],
)
def test_proxy_of_the_environment(
    environment: pytest.MonkeyPatch, url: str, proxy: str | None
) -> None:
    environment.setenv("HTTPS_PROXY", "http://proxy:3128")
    environment.setenv("NO_PROXY", "10.96.0.1,.cluster.local")
    assert proxy_of(url) == proxy


@pytest.fixture
async def proxy() -> AsyncIterator[tuple[str, list[str]]]:
    """Its URL, and what it was asked for; it answers by itself."""
    asked: list[str] = []

    async def answer(request: web.BaseRequest) -> web.Response:
        asked.append(str(request.url))
        return web.json_response(OBJECT)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/"), asked


async def test_requests_go_by_the_proxy(
    environment: pytest.MonkeyPatch, proxy: tuple[str, list[str]]
) -> None:
    url, asked = proxy
    environment.setenv("http_proxy", url)
    client = KubeClient(Configuration(host="http://api.example:8001"))
    environment.delenv("http_proxy")
    try:
        assert await client.get(kube.STREAM, "media", "one") == OBJECT
        async with client.session() as session, session.get("http://api.example:8001/x") as reply:
            assert reply.status == 200
    finally:
        await client.close()
    assert asked[0].endswith("/apis/media.flussonic.com/v1alpha1/namespaces/media/streams/one")
    assert len(asked) == 2, "kopf goes the same way"
