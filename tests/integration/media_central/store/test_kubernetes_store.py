"""What only custom resources have: owners of fields, namespaces, an API server that goes away."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from media_api.resources.meta import API_VERSION
from media_central.store.kubernetes import KubernetesStore
from media_central.store.port import (
    InvalidResourceError,
    Kind,
    OwnerConflictError,
    StoreUnavailableError,
)
from media_kube import client as kube
from media_kube.client import KubeClient

from tests.support.api_server import ApiServer, running_api_server

FAKE = {"inputs": [{"url": "fake://fake"}]}
Eventually = Callable[..., Any]
STREAMER_LABELS = {
    "app.kubernetes.io/part-of": "media-appliance",
    "app.kubernetes.io/component": "streamer",
    "app.kubernetes.io/instance": "default",
}


@contextlib.asynccontextmanager
async def opened(
    client: KubeClient, namespace: str | None, home: str = "default"
) -> AsyncIterator[KubernetesStore]:
    store = KubernetesStore(client, namespace=namespace, home=home, cluster_key="")
    await store.start()
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture
async def store(kube_client: KubeClient, namespace: str) -> AsyncIterator[KubernetesStore]:
    async with opened(kube_client, namespace) as one:
        yield one


def manifest(name: str, spec: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": "Stream",
        "metadata": {"name": name, **metadata},
        "spec": spec,
    }


@pytest.fixture
def git(api_server: ApiServer, namespace: str) -> Callable[[dict[str, Any]], str]:
    """Applies like a GitOps controller."""

    def apply(item: dict[str, Any]) -> str:
        return api_server.must(
            "apply",
            "-n",
            namespace,
            "--server-side",
            "--field-manager=argocd",
            "-f",
            "-",
            data=item,
        )

    return apply


async def test_fields_of_git_are_refused_and_others_are_free(
    store: KubernetesStore, git: Callable[..., str], kube_client: KubeClient, namespace: str,
    eventually: Eventually,
) -> None:  # fmt: skip
    git(manifest("s", {"title": "Git", "meta": {"a": "1"}, **FAKE}))
    await eventually(lambda: store.get(Kind.STREAM, "s"))
    for patch, field in (
        ({"title": "mine"}, "title"),
        ({"title": None}, "title"),
        ({"inputs": [{"url": "fake://b"}]}, "inputs"),
        ({"meta": {"a": None}}, "meta.a"),
    ):
        with pytest.raises(OwnerConflictError) as caught:
            await store.put(Kind.STREAM, "s", patch)
        assert (caught.value.field, caught.value.owner) == (field, "argocd")
    with pytest.raises(OwnerConflictError, match="argocd"):
        await store.delete(Kind.STREAM, "s")
    changed = await store.put(Kind.STREAM, "s", {"static": True, "meta": {"b": "2"}})
    assert changed.config["static"] is True
    assert changed.config["meta"] == {"a": "1", "b": "2"}
    # Git can still take its own back: Central became no owner of it.
    git(manifest("s", FAKE))
    await eventually(lambda: "title" not in store.get(Kind.STREAM, "s").config)
    assert store.get(Kind.STREAM, "s").config["meta"] == {"b": "2"}
    gone = await store.put(Kind.STREAM, "s", {"static": None, "meta": {"b": None}})
    assert "static" not in gone.config
    live = await kube_client.get(kube.STREAM, namespace, "s")
    assert "managed-by" not in str(live["metadata"].get("labels")), "not made by Central"


async def test_kubectl_apply_is_an_owner_too(
    store: KubernetesStore, api_server: ApiServer, namespace: str, eventually: Eventually
) -> None:
    item = manifest("s", {"title": "T", **FAKE})
    api_server.must("apply", "-n", namespace, "-f", "-", data=item)
    await eventually(lambda: store.get(Kind.STREAM, "s"))
    with pytest.raises(OwnerConflictError, match="kubectl-client-side-apply"):
        await store.put(Kind.STREAM, "s", {"title": "mine"})
    assert store.get(Kind.STREAM, "s").layout is None


async def test_an_owner_that_the_watch_has_not_told_yet_is_named_by_the_server(
    store: KubernetesStore, git: Callable[..., str]
) -> None:
    await store.put(Kind.STREAM, "s", FAKE)
    git(manifest("s", {"title": "Git"}))
    with pytest.raises(OwnerConflictError, match="title is owned by argocd"):
        await store.put(Kind.STREAM, "s", {"title": "mine"})


async def test_inputs_are_replaced_and_keep_their_order(store: KubernetesStore) -> None:
    await store.put(Kind.STREAM, "s", {"inputs": [{"url": "fake://a"}, {"url": "fake://b"}]})
    inputs = [{"url": "fake://c"}, {"url": "fake://b", "priority": 2}, {"url": "fake://d"}]
    record = await store.put(Kind.STREAM, "s", {"inputs": inputs})
    assert record.config["inputs"] == inputs
    record = await store.put(Kind.STREAM, "s", {"inputs": inputs[::-1], "title": "x"})
    assert record.config["inputs"] == inputs[::-1]
    record = await store.put(Kind.STREAM, "s", {"inputs": None, "meta": {"a": "1", "b": "2"}})
    record = await store.put(Kind.STREAM, "s", {"title": None, "meta": {"a": None}})
    assert record.config == {"name": "s", "meta": {"b": "2"}}
    assert (await store.put(Kind.STREAM, "s", {"meta": None})).config == {"name": "s"}
    assert (await store.put(Kind.STREAM, "s", FAKE)).config == {"name": "s", **FAKE}


async def test_labels_and_annotations_stay(
    store: KubernetesStore, api_server: ApiServer, kube_client: KubeClient, namespace: str
) -> None:
    await store.put(Kind.STREAM, "s", FAKE)
    api_server.must("label", "-n", namespace, "strm", "s", "team=news")
    api_server.must("annotate", "-n", namespace, "strm", "s", "note=x")
    await store.put(Kind.STREAM, "s", {"title": "T"})
    await store.put(Kind.STREAM, "s", {"name": "t"})
    meta = (await kube_client.get(kube.STREAM, namespace, "s"))["metadata"]
    assert meta["labels"] == {"team": "news", "app.kubernetes.io/managed-by": "central"}
    assert meta["annotations"] == {"note": "x"}
    assert await store.delete(Kind.STREAM, "t") is True


async def test_what_the_definitions_refuse_is_invalid(store: KubernetesStore) -> None:
    await store.put(Kind.STREAM, "s", FAKE)
    for patch, message in (
        ({"inputs": [{"url": "fake://a"}] * 2}, "duplicate"),
        ({"dvr": {"expiration": 60}}, "dvr needs root"),
    ):
        with pytest.raises(InvalidResourceError, match=message):
            await store.put(Kind.STREAM, "s", patch)
        with pytest.raises(InvalidResourceError, match=message):
            await store.put_many(Kind.STREAM, [("new", FAKE), ("s", patch)])
    assert [(item.key, item.config) for item in store.all(Kind.STREAM)] == [
        ("s", {"name": "s", **FAKE})
    ]


async def test_of_two_objects_with_one_name_the_older_wins(
    store: KubernetesStore, api_server: ApiServer, kube_client: KubeClient, namespace: str,
    eventually: Eventually,
) -> None:  # fmt: skip
    def make(name: str, title: str) -> None:
        item = manifest(name, {"name": "cam", "title": title})
        api_server.must("create", "-n", namespace, "-f", "-", data=item)

    def title() -> str | None:
        record = store.get(Kind.STREAM, "cam")
        return record.config["title"] if record else None

    make("first", "old")
    await asyncio.sleep(1.1)  # the API server's times are in whole seconds
    make("second", "young")
    # A later change gives the older one the higher version.
    await kube_client.merge(kube.STREAM, namespace, "first", {"spec": {"title": "old again"}})
    await eventually(lambda: title() == "old again")
    await kube_client.delete(kube.STREAM, namespace, "first")
    await eventually(lambda: title() == "young")
    await kube_client.merge(kube.STREAM, namespace, "second", {"spec": {"name": "other"}})
    await eventually(lambda: title() is None and store.get(Kind.STREAM, "other"))


async def test_a_name_of_an_object_that_has_another_stream_is_left_alone(
    store: KubernetesStore,
) -> None:
    await store.put(Kind.STREAM, "a", {"title": "first"})
    await store.put(Kind.STREAM, "a", {"name": "b"})
    again = await store.put(Kind.STREAM, "a", {"title": "second"})
    assert again.key == "a"
    titles = {item.key: item.config["title"] for item in store.all(Kind.STREAM)}
    assert titles == {"a": "second", "b": "first"}


async def test_a_create_that_others_made_first_is_a_change_of_it(
    store: KubernetesStore, kube_client: KubeClient, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The watch is behind: an apply without precondition would take the other's fields back."""
    async with opened(kube_client, namespace) as other:
        await other.put(Kind.STREAM, "a", {"title": "theirs"})
        monkeypatch.setattr(store._mirror, "stream_object", lambda name: None)
        monkeypatch.setattr(store._mirror, "stream_at", lambda key: None)
        record = await store.put(Kind.STREAM, "a", {"static": True})
        assert record.config == {"name": "a", "title": "theirs", "static": True}


async def test_pods_of_one_name_in_two_namespaces_are_two_streamers(
    kube_client: KubeClient, namespace: str, api_server: ApiServer, eventually: Eventually
) -> None:
    other = f"{namespace}-other"
    api_server.must("create", "namespace", other)
    for number, space in enumerate((namespace, other)):
        body = {
            "metadata": {"name": "streamer-default-0", "labels": STREAMER_LABELS},
            "spec": {"schedulerName": "nobody", "containers": [{"name": "c", "image": "none"}]},
        }
        await kube_client.create(kube.POD, space, body)
        address = f"192.0.2.{number + 1}"
        status = {"status": {"podIP": address, "podIPs": [{"ip": address}]}}
        await kube_client.merge(kube.POD, space, "streamer-default-0", status, "status")

    def address_of(store: KubernetesStore, hostname: str) -> str:
        record = store.get(Kind.STREAMER, hostname)
        return record.config["api_url"] if record else ""

    async with opened(kube_client, None) as store:
        first, second = (f"streamer-default-0.{space}" for space in (namespace, other))
        await eventually(lambda: address_of(store, first) == "http://192.0.2.1:8080")
        await eventually(lambda: address_of(store, second) == "http://192.0.2.2:8080")
        await kube_client.delete(kube.POD, other, "streamer-default-0", grace_seconds=0)
        await eventually(lambda: not address_of(store, second))
        assert address_of(store, first)
    async with opened(kube_client, namespace) as store:
        assert [record.key for record in store.all(Kind.STREAMER)] == ["streamer-default-0"]


async def test_objects_of_all_namespaces_are_changed_where_they_are(
    kube_client: KubeClient, api_server: ApiServer, namespace: str, eventually: Eventually
) -> None:
    second = f"{namespace}-b"
    api_server.must("create", "namespace", second)
    try:
        async with opened(kube_client, second) as theirs:
            await theirs.put(Kind.STREAM, f"{namespace}-cam", FAKE)
            await theirs.put(Kind.STREAMER, "edge", {"api_url": "http://h:80"})
        async with opened(kube_client, None, namespace) as wide:
            await wide.put(Kind.STREAM, f"{namespace}-cam", {"title": "T"})
            await wide.put(Kind.STREAM, f"{namespace}-new", FAKE)
            await wide.put(Kind.STREAMER, "edge", {"public_payload_url": "http://p"})
            found = await kube_client.get(kube.STREAM, second, f"{namespace}-cam")
            assert found["spec"]["title"] == "T"
            await kube_client.get(kube.STREAM, namespace, f"{namespace}-new")
            edge = await kube_client.get(kube.STREAMER, second, "edge")
            assert edge["spec"]["apiUrl"] == "http://h:80"
            assert edge["spec"]["publicUrl"] == "http://p"
            assert await wide.delete(Kind.STREAMER, "edge") is True
    finally:
        await kube_client.delete(kube.STREAMER, second, "edge")


async def test_external_streamers(store: KubernetesStore) -> None:
    first = {"api_url": "http://h:80", "public_payload_url": "http://p", "channel_limit": 5}
    record = await store.put(Kind.STREAMER, "h", first)
    labels = {"app.kubernetes.io/managed-by": "central"}
    assert record.config == {"hostname": "h", "labels": labels, **first}
    change = {"public_payload_url": None, "channel_limit": None, "labels": labels}
    record = await store.put(Kind.STREAMER, "h", change)
    assert "public_payload_url" not in record.config
    assert record.config["channel_limit"] == 6000, "the default of the definition"
    with pytest.raises(InvalidResourceError, match="cpu_limit"):
        await store.put(Kind.STREAMER, "h", {"cpu_limit": 50})
    with pytest.raises(InvalidResourceError, match="cannot be renamed"):
        await store.put(Kind.STREAMER, "h", {"hostname": "i"})
    assert store.get(Kind.STREAMER, "h") == record


async def test_pods_are_streamers_and_not_changed_here(
    store: KubernetesStore, kube_client: KubeClient, namespace: str, eventually: Eventually
) -> None:
    labels = {
        "app.kubernetes.io/part-of": "media-appliance",
        "app.kubernetes.io/component": "streamer",
        "app.kubernetes.io/instance": "pool",
    }
    pool = {"metadata": {"name": "pool"}, "spec": {"channelLimit": 7}}
    await kube_client.create(kube.STREAMER, namespace, pool)
    pod = {
        "metadata": {"name": "streamer-pool-0", "labels": labels},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }
    await kube_client.create(kube.POD, namespace, pod)
    address = {"status": {"podIP": "10.1.2.3", "podIPs": [{"ip": "10.1.2.3"}], "phase": "Running"}}
    await kube_client.merge(kube.POD, namespace, "streamer-pool-0", address, "status")
    found = await eventually(lambda: store.get(Kind.STREAMER, "streamer-pool-0"))
    assert (found.config["api_url"], found.config["channel_limit"]) == ("http://10.1.2.3:8080", 7)
    for key in ("streamer-pool-0", "pool"):
        with pytest.raises(InvalidResourceError, match="change its Streamer resource"):
            await store.put(Kind.STREAMER, key, {"api_url": "http://x"})
    with pytest.raises(InvalidResourceError, match="is a pod"):
        await store.delete(Kind.STREAMER, "streamer-pool-0")
    await kube_client.merge(kube.STREAMER, namespace, "pool", {"spec": {"channelLimit": 8}})
    await eventually(
        lambda: store.get(Kind.STREAMER, "streamer-pool-0").config["channel_limit"] == 8
    )
    await kube_client.delete(kube.POD, namespace, "streamer-pool-0", grace_seconds=0)
    await eventually(lambda: store.get(Kind.STREAMER, "streamer-pool-0") is None)


async def test_reads_go_on_while_the_api_server_is_away(
    api_server: ApiServer, tmp_path_factory: pytest.TempPathFactory, eventually: Eventually
) -> None:
    with running_api_server(tmp_path_factory.mktemp("killed-store")) as server:
        client = server.client()
        try:
            async with opened(client, "default") as store:
                await store.put(Kind.STREAM, "a", FAKE)
                await store.put(Kind.STREAM, "b", FAKE)
                # A fresh server ends watches of definitions once more when it has settled.
                await eventually(lambda: store.available)
                await asyncio.to_thread(server.kill_server)
                await eventually(lambda: not store.available)
                assert store.get(Kind.STREAM, "a").config == {"name": "a", **FAKE}
                for write in (
                    store.put(Kind.STREAM, "a", {"title": "x"}),
                    store.put_many(Kind.STREAM, [("a", {"title": "x"}), ("c", FAKE)]),
                    store.delete(Kind.STREAM, "a"),
                ):
                    with pytest.raises(StoreUnavailableError):
                        await write
                await asyncio.to_thread(server.start_server)
                server.must("delete", "strm", "b")
                await eventually(lambda: store.available, 30)
                await eventually(lambda: store.get(Kind.STREAM, "b") is None)
                assert (await store.put(Kind.STREAM, "a", {"title": "x"})).config["title"] == "x"
        finally:
            await client.close()
