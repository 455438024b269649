"""Central on custom resources: its API, and PostgreSQL that comes late."""

import asyncio
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from media_central import cluster
from media_central.cluster import running_in_cluster
from media_central.embedded import EmbeddedPostgres
from media_central.setting_values import Login
from media_central.settings import Settings
from media_kube import client as kube
from media_kube.client import KubeClient

from tests.support.api_server import ApiServer
from tests.support.chaos_proxy import WRITES, ChaosProxy, Fault, WatchEnd

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
    timeout = aiohttp.ClientTimeout(total=60)
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


POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "streamer-a-0"},
    "spec": {
        "serviceAccountName": "default",
        "containers": [{"name": "streamer", "image": "none"}],
    },
}


async def test_a_pod_asks_for_itself_by_its_own_token(
    settings: Settings, api_server: ApiServer, namespace: str
) -> None:
    api_server.must("create", "serviceaccount", "default", "-n", namespace)
    api_server.must("create", "-n", namespace, "-f", "-", data=POD)

    def token(audience: str, *more: str) -> str:
        words = ("create", "token", "default", "-n", namespace, "--audience", audience)
        return api_server.must(*words, *more).strip()

    bound = ("--bound-object-kind", "Pod", "--bound-object-name", "streamer-a-0")
    tokens = {
        "its own": token("media-central", *bound),
        "of no pod": token("media-central"),
        "for another audience": token("https://test", *bound),
    }
    async with running_in_cluster(settings) as central, aiohttp.ClientSession() as http:

        async def ask(whose: str, path: str, method: str = "GET") -> int:
            headers = {"Authorization": f"Bearer {tokens[whose]}"}
            url = f"{central.url}/streamer/api/v3/{path}"
            async with http.request(method, url, headers=headers, json={}) as answer:
                return answer.status

        # There is no such pool: the caller is known, and the streamer is not.
        assert await ask("its own", "streamers/streamer-a-0/streams") == 404
        assert await ask("its own", "streamers/streamer-b-0/streams") == 403
        assert await ask("its own", "streams/x", "PUT") == 403
        assert await ask("its own", "streams") == 403
        assert await ask("of no pod", "streamers/streamer-a-0/streams") == 403
        assert await ask("for another audience", "streamers/streamer-a-0/streams") == 403


def titles(answer: Any) -> dict[str, str]:
    return {item["name"]: item["title"] for item in answer["streams"]}


async def test_writes_that_the_api_server_refuses_are_not_reported_as_made(
    settings: Settings, http: aiohttp.ClientSession, api_server: ApiServer,
    kube_client: KubeClient, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    async with ChaosProxy(api_server.url) as proxy:
        (tmp_path / "kubeconfig").write_text(api_server.kubeconfig(proxy.url))
        async with running_in_cluster(settings) as central:
            streams = f"{central.url}/streamer/api/v3/streams"
            assert (await call(http, "PUT", f"{streams}/a", {"title": "first"}))[0] == 200
            for fault in (
                Fault(429, retry_after=1), Fault(500), Fault(503), Fault(), Fault(delay=5),
            ):  # fmt: skip
                limit = 1.0 if fault.delay else 15.0  # seconds
                monkeypatch.setattr(kube, "REQUEST_TIMEOUT_SECONDS", limit)
                proxy.faults = [replace(fault, methods=WRITES)]
                for method, path, body in (
                    ("PUT", "a", {"title": "second"}),
                    ("PUT", "b", {"title": "second"}),
                    ("PUT", "batch", [{"name": "a", "title": "third"}, {"name": "c"}]),
                    ("DELETE", "a", None),
                ):
                    status, answer = await call(http, method, f"{streams}/{path}", body)
                    assert (status, answer["error"]) == (503, "store_unavailable"), (fault, path)
                    assert "Traceback" not in str(answer)
                    title = answer["errors"][0]["title"]
                    assert "API server" in title
                    assert ("nothing was changed" in title) == bool(fault.status)
                assert titles((await call(http, "GET", streams))[1]) == {"a": "first"}
            items, _ = await kube_client.list(kube.STREAM, namespace)
            assert [item["spec"]["title"] for item in items] == ["first"]
            proxy.faults = []
            assert (await call(http, "PUT", f"{streams}/a", {"title": "second"}))[0] == 200


def webhook_that_is_away(namespace: str, port: int) -> dict[str, Any]:
    """Somebody's admission of all that is written here, at a port where nobody listens."""
    only_here = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    rule = {
        "apiGroups": ["media.flussonic.com"], "apiVersions": ["*"], "resources": ["streams"],
        "operations": ["CREATE", "UPDATE", "DELETE"],
    }  # fmt: skip
    hook = {
        "name": "policy.example.com", "rules": [rule], "namespaceSelector": only_here,
        "clientConfig": {"url": f"https://127.0.0.1:{port}/"}, "timeoutSeconds": 1,
        "failurePolicy": "Fail", "sideEffects": "None", "admissionReviewVersions": ["v1"],
    }  # fmt: skip
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": f"policy-{namespace}"},
        "webhooks": [hook],
    }


async def test_a_webhook_that_is_away_is_named(
    settings: Settings, http: aiohttp.ClientSession, api_server: ApiServer, namespace: str,
    free_port: Any, eventually: Any,
) -> None:  # fmt: skip
    hook = webhook_that_is_away(namespace, free_port())
    name = f"validatingwebhookconfiguration/{hook['metadata']['name']}"
    async with running_in_cluster(settings) as central:
        streams = f"{central.url}/streamer/api/v3/streams"
        assert (await call(http, "PUT", f"{streams}/a", {"title": "first"}))[0] == 200
        api_server.must("apply", "-f", "-", data=hook)
        try:

            async def is_asked() -> bool:
                return (await call(http, "PUT", f"{streams}/probe", {"title": "x"}))[0] != 200

            await eventually(is_asked, 20)
            for method, path, body in (
                ("PUT", "a", {"title": "second"}), ("PUT", "b", {"title": "second"}),
                ("DELETE", "a", None),
            ):  # fmt: skip
                status, answer = await call(http, method, f"{streams}/{path}", body)
                assert (status, answer["error"]) == (503, "store_unavailable"), answer
                assert "policy.example.com" in answer["errors"][0]["title"]
            kept = titles((await call(http, "GET", streams))[1])
            assert kept["a"] == "first"
            assert "b" not in kept
        finally:
            api_server.must("delete", name)

        async def is_taken() -> bool:
            return (await call(http, "PUT", f"{streams}/a", {"title": "second"}))[0] == 200

        await eventually(is_taken, 20)


def policy_of_titles(namespace: str) -> list[dict[str, Any]]:
    """Somebody's policy that refuses with 403, as webhooks do too."""
    name = f"titles-{namespace}"
    rule = {
        "apiGroups": ["media.flussonic.com"], "apiVersions": ["*"], "resources": ["streams"],
        "operations": ["CREATE", "UPDATE"],
    }  # fmt: skip
    words = {
        "expression": "!has(object.spec.title) || object.spec.title != 'bad'",
        "message": "titles must be good",
        "reason": "Forbidden",
    }
    binding = {
        "policyName": name,
        "validationActions": ["Deny"],
        "matchResources": {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
        },
    }
    spec = {"matchConstraints": {"resourceRules": [rule]}, "validations": [words]}
    return [
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": kind,
            "metadata": {"name": name},
            "spec": body,
        }
        for kind, body in (
            ("ValidatingAdmissionPolicy", spec),
            ("ValidatingAdmissionPolicyBinding", binding),
        )
    ]


async def test_who_is_refused_by_a_policy_need_not_come_again(
    settings: Settings, http: aiohttp.ClientSession, api_server: ApiServer, namespace: str,
    eventually: Any,
) -> None:  # fmt: skip
    policy = {"apiVersion": "v1", "kind": "List", "items": policy_of_titles(namespace)}
    api_server.must("apply", "-f", "-", data=policy)
    try:
        async with running_in_cluster(settings) as central:
            streams = f"{central.url}/streamer/api/v3/streams"

            async def is_asked() -> bool:
                return (await call(http, "PUT", f"{streams}/probe", {"title": "bad"}))[0] != 200

            await eventually(is_asked, 20)
            status, answer = await call(http, "PUT", f"{streams}/a", {"title": "bad"})
            assert (status, answer["error"]) == (400, "validation_error"), answer
            assert "titles must be good" in answer["errors"][0]["title"]
            assert (await call(http, "PUT", f"{streams}/a", {"title": "good"}))[0] == 200
    finally:
        api_server.must("delete", "-f", "-", data=policy)


async def test_what_was_reported_as_made_in_a_storm_is_there_afterwards(
    settings: Settings, http: aiohttp.ClientSession, api_server: ApiServer,
    kube_client: KubeClient, namespace: str, tmp_path: Path, eventually: Any,
) -> None:  # fmt: skip
    async with ChaosProxy(api_server.url) as proxy:
        (tmp_path / "kubeconfig").write_text(api_server.kubeconfig(proxy.url))
        no_wait = replace(settings, layouter_enabled=False)  # nobody places them here
        async with running_in_cluster(no_wait) as central:
            streams = f"{central.url}/streamer/api/v3/streams"
            proxy.faults = [Fault(429, share=0.1), Fault(500, share=0.1), Fault(share=0.1)]
            made: dict[str, str] = {}
            answers: Counter[int] = Counter()
            ends: list[WatchEnd] = ["half an event", "cut", "410", "500"]

            async def write(name: str) -> None:
                for number in range(8):
                    body = {"title": f"{number}"}
                    status, _ = await call(http, "PUT", f"{streams}/{name}", body)
                    answers[status] += 1
                    if status == 200:
                        made[name] = body["title"]
                    elif name in made:
                        del made[name]  # it may have been made: the answer was cut
                    assert (await call(http, "GET", streams))[0] == 200

            async def break_watches() -> None:
                for end in ends:
                    await eventually(lambda wanted=end: proxy.break_watches(wanted))

            await asyncio.gather(break_watches(), *(write(f"s{index}") for index in range(10)))
            assert set(answers) == {200, 503}, "never a crash"
            proxy.faults = []

            async def as_the_server_has_it() -> bool:
                items, _ = await kube_client.list(kube.STREAM, namespace)
                there = {item["metadata"]["name"]: item["spec"]["title"] for item in items}
                assert made.items() <= there.items()
                return titles((await call(http, "GET", streams))[1]) == there

            await eventually(as_the_server_has_it, 30)


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
