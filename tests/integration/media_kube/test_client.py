"""The client of the Kubernetes API against a real API server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from media_kube import client as kube
from media_kube.client import KubeClient, WatchEvent
from media_kube.errors import KubeError

from tests.support.api_server import ApiServer, running_api_server
from tests.support.chaos_proxy import ChaosProxy, Fault

LIMIT_SECONDS = 20.0


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "data": data}


@contextlib.asynccontextmanager
async def watching(client: KubeClient, namespace: str) -> AsyncIterator[Callable[[], Any]]:
    """`await following()`: the next event of the ConfigMaps there."""
    events = client.watch(kube.CONFIG_MAP, namespace)

    async def following() -> WatchEvent:
        async with asyncio.timeout(LIMIT_SECONDS):
            return await anext(events)

    async with contextlib.aclosing(events):
        yield following


async def until(following: Callable[[], Any], type_: str) -> list[WatchEvent]:
    """Events up to the first of that type."""
    found: list[WatchEvent] = []
    while not found or found[-1].type != type_:
        found.append(await following())
    return found


def names(events: list[WatchEvent]) -> list[str]:
    return [event.object["metadata"]["name"] for event in events if event.type == "ADDED"]


async def test_a_list_is_read_in_chunks(
    kube_client: KubeClient, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kube, "LIST_CHUNK", 3)
    for number in range(7):
        await kube_client.create(kube.CONFIG_MAP, namespace, config_map(f"m{number}"))
    items, version = await kube_client.list(kube.CONFIG_MAP, namespace)
    assert [item["metadata"]["name"] for item in items] == [f"m{number}" for number in range(7)]
    assert int(version) >= max(int(item["metadata"]["resourceVersion"]) for item in items)


async def test_a_watch_begins_with_a_list_and_follows(
    kube_client: KubeClient, namespace: str
) -> None:
    await kube_client.create(kube.CONFIG_MAP, namespace, config_map("a"))
    async with watching(kube_client, namespace) as following:
        listed = await until(following, "SYNCED")
        assert [event.type for event in listed] == ["RELIST", "ADDED", "SYNCED"]
        assert listed[1].object["kind"] == "ConfigMap"
        made = await kube_client.create(kube.CONFIG_MAP, namespace, config_map("b"))
        assert (await following()).object["metadata"]["name"] == "b"
        assert int(made["metadata"]["resourceVersion"]) > int(
            listed[-1].object["metadata"]["resourceVersion"]
        )
        await kube_client.merge(kube.CONFIG_MAP, namespace, "b", {"data": {"x": "1"}})
        assert (await following()).type == "MODIFIED"
        await kube_client.delete(kube.CONFIG_MAP, namespace, "b")
        gone = await following()
        assert (gone.type, gone.object["metadata"]["name"]) == ("DELETED", "b")


async def test_a_watch_takes_objects_far_beyond_a_read_buffer(
    kube_client: KubeClient, namespace: str
) -> None:
    async with watching(kube_client, namespace) as following:
        await until(following, "SYNCED")
        await kube_client.create(kube.CONFIG_MAP, namespace, config_map("big", x="y" * 700_000))
        event = await following()
        assert len(event.object["data"]["x"]) == 700_000


async def test_a_watch_that_the_server_ends_resumes_without_a_list(
    kube_client: KubeClient, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kube, "WATCH_TIMEOUT_SECONDS", 1)
    async with watching(kube_client, namespace) as following:
        await until(following, "SYNCED")
        seen = []
        for number in range(3):
            waiting = asyncio.ensure_future(until(following, "ADDED"))
            await asyncio.wait([waiting], timeout=1.2)  # longer than one watch lasts
            await kube_client.create(kube.CONFIG_MAP, namespace, config_map(f"m{number}"))
            seen += await waiting
        assert names(seen) == ["m0", "m1", "m2"]
        assert {event.type for event in seen} <= {"ADDED", "ALIVE"}


async def test_a_silent_watch_is_opened_anew_and_resumes_without_a_list(
    kube_client: KubeClient, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with watching(kube_client, namespace) as following:
        await until(following, "SYNCED")
        monkeypatch.setattr(kube, "WATCH_SILENCE_SECONDS", 0.3)
        assert [event.type for event in await until(following, "ALIVE")] == ["ALIVE"]
        await kube_client.create(kube.CONFIG_MAP, namespace, config_map("a"))
        seen = await until(following, "ADDED")
        assert {event.type for event in seen} <= {"ADDED", "ALIVE"}
        assert names(seen) == ["a"]


async def test_a_silent_watch_of_a_server_that_is_gone_is_lost(
    api_server: ApiServer, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ChaosProxy(api_server.url) as proxy:
        client = api_server.client(proxy.url)
        async with watching(client, namespace) as following:
            await until(following, "SYNCED")
            monkeypatch.setattr(kube, "WATCH_SILENCE_SECONDS", 0.3)
            await until(following, "ALIVE")
            proxy.faults = [Fault()]
            await until(following, "LOST")
        await client.close()


async def test_a_list_that_expires_while_it_is_read_begins_anew(
    api_server: ApiServer, kube_client: KubeClient, namespace: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(kube, "LIST_CHUNK", 3)
    for number in range(7):
        await kube_client.create(kube.CONFIG_MAP, namespace, config_map(f"m{number}"))
    async with ChaosProxy(api_server.url) as proxy:
        client = api_server.client(proxy.url)
        proxy.faults = [Fault(410, only="continue=")]
        async with watching(client, namespace) as following:
            first = await until(following, "LOST")
            proxy.faults = []
            second = await until(following, "SYNCED")
        await client.close()
    assert names(first) == ["m0", "m1", "m2"]
    assert second[0].type == "RELIST"
    assert names(second) == [f"m{number}" for number in range(7)]


async def test_a_refusal_says_when_to_come_again(api_server: ApiServer, namespace: str) -> None:
    async with ChaosProxy(api_server.url) as proxy:
        client = api_server.client(proxy.url)
        proxy.faults = [Fault(429, retry_after=7)]
        with pytest.raises(KubeError) as caught:
            await client.get(kube.CONFIG_MAP, namespace, "a")
        await client.close()
    assert (caught.value.is_transient, caught.value.retry_after_seconds) == (True, 7.0)


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_refusal_is_told_at_once_and_not_tried_again_in_silence(
    api_server: ApiServer, namespace: str, status: int
) -> None:
    async with ChaosProxy(api_server.url) as proxy:
        client = api_server.client(proxy.url)
        proxy.faults = [Fault(status)]
        for request in (
            client.list(kube.CONFIG_MAP, namespace),
            client.delete(kube.CONFIG_MAP, namespace, "a"),
            client.create(kube.CONFIG_MAP, namespace, config_map("a")),
            client.replace(kube.CONFIG_MAP, namespace, config_map("a")),
        ):
            with pytest.raises(KubeError) as caught:
                await request
            assert caught.value.status == status
        await client.close()
    assert proxy.failed[status] == 4


async def test_errors_are_told_apart(kube_client: KubeClient, namespace: str) -> None:
    await kube_client.create(kube.CONFIG_MAP, namespace, config_map("a"))
    with pytest.raises(KubeError) as caught:
        await kube_client.create(kube.CONFIG_MAP, namespace, config_map("a"))
    assert (caught.value.status, caught.value.reason) == (409, "AlreadyExists")
    with pytest.raises(KubeError) as caught:
        await kube_client.get(kube.CONFIG_MAP, namespace, "nothing")
    assert caught.value.is_gone
    with pytest.raises(KubeError) as caught:
        await kube_client.create(kube.CONFIG_MAP, namespace, config_map("Not A Name"))
    assert (caught.value.status, caught.value.is_transient) == (422, False)
    await kube_client.delete(kube.CONFIG_MAP, namespace, "nothing")


async def test_a_conflict_names_fields_and_owners(kube_client: KubeClient, namespace: str) -> None:
    body = {"metadata": {"name": "s"}, "spec": {"title": "git"}}
    await kube_client.apply(kube.STREAM, namespace, body, manager="argocd")
    body["spec"] = {"title": "mine"}
    with pytest.raises(KubeError) as caught:
        await kube_client.apply(kube.STREAM, namespace, body, manager="central")
    assert caught.value.is_conflict
    assert caught.value.owners == ((".spec.title", "argocd"),)


async def test_a_replace_is_a_compare_and_swap(kube_client: KubeClient, namespace: str) -> None:
    first = await kube_client.create(kube.CONFIG_MAP, namespace, config_map("a", x="1"))
    await kube_client.merge(kube.CONFIG_MAP, namespace, "a", {"data": {"x": "2"}})
    with pytest.raises(KubeError) as caught:
        await kube_client.replace(kube.CONFIG_MAP, namespace, first)
    assert caught.value.is_conflict
    assert caught.value.owners == ()


async def test_a_server_that_does_not_answer_is_a_time_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from kubernetes.aio.client import Configuration

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    monkeypatch.setattr(kube, "REQUEST_TIMEOUT_SECONDS", 0.3)
    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    configuration = Configuration(host=f"http://127.0.0.1:{port}")
    configuration.retries = None
    client = KubeClient(configuration)
    try:
        with pytest.raises(TimeoutError):
            await client.get(kube.CONFIG_MAP, "default", "a")
    finally:
        await client.close()
        server.close()
        await server.wait_closed()


@pytest.fixture
def own_server(tmp_path_factory: pytest.TempPathFactory, api_server: ApiServer) -> Any:
    """One to be killed; `api_server` decides whether there can be one."""
    with running_api_server(tmp_path_factory.mktemp("killed-api-server")) as server:
        yield server


async def test_a_killed_server_is_lost_and_found(own_server: ApiServer) -> None:
    client = own_server.client()
    try:
        async with watching(client, "default") as following:
            await until(following, "SYNCED")
            await asyncio.to_thread(own_server.kill_server)
            assert (await until(following, "LOST"))[-1].type == "LOST"
            with pytest.raises(KubeError) as caught:
                await client.get(kube.CONFIG_MAP, "default", "a")
            assert caught.value.is_transient
            restarting = asyncio.create_task(asyncio.to_thread(own_server.start_server))
            async with asyncio.timeout(90):
                await until(following, "SYNCED")
            await restarting
            await client.create(kube.CONFIG_MAP, "default", config_map("after"))
            assert "after" in names(await until(following, "ADDED"))
        # The new process has no events of that time: 410 Gone, and it must end for a fresh list.
        async with asyncio.timeout(LIMIT_SECONDS):
            old = client._watch_from(kube.CONFIG_MAP, "default", "", "1", "")
            assert [event async for event in old] == []
    finally:
        await client.close()
