"""What every adapter of the resource store must do. An adapter is added to `ADAPTERS` below.

Whether an adapter takes layouts is a capability of its own: in Kubernetes the operator places the
streams. Tests of layouts run for those that do; what the others answer has a test too.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from media_central.store.kubernetes import KubernetesStore
from media_central.store.port import (
    Condition,
    ConditionError,
    InvalidResourceError,
    Kind,
    NameTakenError,
    ResourceStore,
    StoreUnavailableError,
)
from media_central.store.postgres import PostgresStore

FAKE = {"inputs": [{"url": "fake://fake"}]}


def postgres_store(request):
    database = request.getfixturevalue("database")
    return lambda: PostgresStore(database)


def kubernetes_store(request):
    client = request.getfixturevalue("kube_client")
    namespace = request.getfixturevalue("namespace")
    return lambda: KubernetesStore(client, namespace=namespace, home=namespace, cluster_key="")


ADAPTERS = {"postgres": postgres_store, "kubernetes": kubernetes_store}
WITH_API_SERVER = [pytest.mark.kubernetes, pytest.mark.one_process("api_server")]
"""Marks that the fixture `api_server` gives, where it is seen before the test runs."""
KUBERNETES = pytest.param("kubernetes", marks=WITH_API_SERVER)
PLACING = pytest.mark.parametrize("open_store", ["postgres"], indirect=True)
NOT_PLACING = pytest.mark.parametrize("open_store", [KUBERNETES], indirect=True)


@pytest.fixture(params=["postgres", KUBERNETES])
def open_store(request):
    """`async with open_store() as store`: two of them see the same resources."""
    make = ADAPTERS[request.param](request)

    @contextlib.asynccontextmanager
    async def open_one() -> AsyncIterator[ResourceStore]:
        store = make()
        await store.start()
        try:
            yield store
        finally:
            await store.close()

    return open_one


@pytest.fixture
async def store(open_store):
    async with open_store() as opened:
        yield opened


async def test_a_written_resource_is_read_at_once(store):
    record = await store.put(Kind.STREAM, "a", FAKE)
    assert store.get(Kind.STREAM, "a") == record
    assert list(store.all(Kind.STREAM)) == [record]
    assert list(store.all(Kind.STREAMER)) == []
    assert record.config == {"name": "a", **FAKE}
    assert record.layout is None
    assert record.created_at > 1_600_000_000_000


async def test_a_change_has_a_newer_version_and_keeps_the_creation(store):
    first = await store.put(Kind.STREAM, "a", FAKE)
    second = await store.put(Kind.STREAM, "a", {"title": "A"})
    assert second.version > first.version
    assert second.created_at == first.created_at
    assert second.updated_at >= first.updated_at
    assert second.config == {"name": "a", "title": "A", **FAKE}


async def test_others_see_changes_and_are_told(store, open_store, eventually):
    async with open_store() as other:
        with other.watch() as watch:
            await store.put(Kind.STREAM, "a", FAKE)
            assert await watch.next(5) == [(Kind.STREAM, "a")]
            assert other.get(Kind.STREAM, "a") == store.get(Kind.STREAM, "a")
            await store.delete(Kind.STREAM, "a")
            await eventually(lambda: other.get(Kind.STREAM, "a") is None)


async def test_a_new_reader_sees_everything(store, open_store):
    await store.put(Kind.STREAM, "a", FAKE)
    await store.put(Kind.STREAMER, "h", {"api_url": "http://h:80"})
    async with open_store() as other:
        assert {item.key for item in other.all(Kind.STREAM)} == {"a"}
        assert other.get(Kind.STREAMER, "h") == store.get(Kind.STREAMER, "h")


async def test_delete_says_whether_there_was_one(store):
    await store.put(Kind.STREAM, "a", FAKE)
    assert await store.delete(Kind.STREAM, "a") is True
    assert await store.delete(Kind.STREAM, "a") is False
    assert store.get(Kind.STREAM, "a") is None


async def test_a_deleted_resource_stays_deleted_while_others_write(store):
    for round_ in range(30):
        await store.put(Kind.STREAM, "a", {"position": round_, **FAKE})
        await store.delete(Kind.STREAM, "a")
        await asyncio.sleep(0.002)
        assert store.get(Kind.STREAM, "a") is None


async def test_a_refused_document_changes_nothing(store):
    await store.put(Kind.STREAM, "a", FAKE)
    with pytest.raises(InvalidResourceError) as caught:
        await store.put(Kind.STREAM, "a", {"inputs": [{"url": "fake://fake", "priority": "x"}]})
    assert caught.value.pointer == "/inputs/0/priority"
    assert store.get(Kind.STREAM, "a").config == {"name": "a", **FAKE}


async def test_a_batch_is_all_or_nothing(store):
    await store.put(Kind.STREAM, "a", FAKE)
    with pytest.raises(InvalidResourceError):
        await store.put_many(
            Kind.STREAM, [("a", {"title": "new"}), ("b", FAKE), ("c", {"segment_count": "many"})]
        )
    assert [item.config for item in store.all(Kind.STREAM)] == [{"name": "a", **FAKE}]


@PLACING
async def test_a_rename_keeps_the_layout(store):
    first = await store.put(Kind.STREAM, "a", FAKE)
    await store.set_layouts({"a": (first.version, {"ingest": "h"})})
    renamed = await store.put(Kind.STREAM, "a", {"name": "b"})
    assert (renamed.key, renamed.layout) == ("b", {"ingest": "h"})


async def test_a_rename_keeps_the_creation_and_never_overwrites(store):
    first = await store.put(Kind.STREAM, "a", FAKE)
    renamed = await store.put(Kind.STREAM, "a", {"name": "b"})
    assert renamed.key == "b"
    assert store.get(Kind.STREAM, "b") == renamed
    assert renamed.created_at == first.created_at
    assert store.get(Kind.STREAM, "a") is None
    await store.put(Kind.STREAM, "c", FAKE)
    with pytest.raises(NameTakenError):
        await store.put(Kind.STREAM, "c", {"name": "b"})
    assert store.get(Kind.STREAM, "c") is not None


@NOT_PLACING
async def test_an_adapter_that_does_not_place_says_so(store):
    first = await store.put(Kind.STREAM, "a", FAKE)
    with pytest.raises(StoreUnavailableError, match="operator places"):
        await store.set_layouts({"a": (first.version, {"ingest": "h"})})


@PLACING
async def test_a_layout_is_only_written_over_the_version_that_was_read(store):
    first = await store.put(Kind.STREAM, "a", FAKE)
    second = await store.put(Kind.STREAM, "a", {"title": "T"})
    assert list(await store.set_layouts({"a": (first.version, {"ingest": "h"})})) == []
    assert store.get(Kind.STREAM, "a").layout is None
    layouts = {"a": (second.version, {"ingest": "h"}), "gone": (1, {"ingest": "h"})}
    assert list(await store.set_layouts(layouts)) == ["a"]
    placed = store.get(Kind.STREAM, "a")
    assert placed.layout == {"ingest": "h"}
    assert placed.updated_at == second.updated_at, "a placement is no change by its author"
    assert list(await store.set_layouts({"a": (placed.version, None)})) == ["a"]
    assert store.get(Kind.STREAM, "a").layout is None


async def test_concurrent_patches_are_all_kept(store, open_store, eventually):
    async with open_store() as other:
        await asyncio.gather(
            *(
                (store, other)[number % 2].put(Kind.STREAM, "a", {"meta": {f"k{number}": "v"}})
                for number in range(20)
            )
        )
        for reader in (store, other):
            await eventually(
                lambda reader=reader: len(reader.get(Kind.STREAM, "a").config["meta"]) == 20
            )


async def test_a_batch_may_rename_and_create_the_same_name(store):
    await store.put(Kind.STREAM, "a", FAKE)
    records = await store.put_many(
        Kind.STREAM, [("a", {"name": "b"}), ("a", {"title": "fresh"}), ("b", {"title": "moved"})]
    )
    assert {item.key: item.config["title"] for item in records} == {"a": "fresh", "b": "moved"}
    assert {item.key for item in store.all(Kind.STREAM)} == {"a", "b"}


OTHERS = [
    (Kind.BALANCER, {"mode": "clients", "servers": [{"name": "h"}]}, {"mode": "streams"}),
    (Kind.AUTH_BACKEND, {"allow_tokens": ["t"]}, {"allow_default": True}),
    (Kind.API_TOKEN, {"digest": "0" * 64, "role": "viewer"}, {"role": "editor"}),
]


@pytest.mark.parametrize(("kind", "body", "change"), OTHERS, ids=[kind for kind, *_ in OTHERS])
async def test_other_kinds_are_kept_alike(store, open_store, eventually, kind, body, change):
    first = await store.put(kind, "a", body)
    assert first.config == {"name": "a", **body}
    second = await store.put(kind, "a", change)
    assert second.config == {"name": "a", **body, **change}
    assert (second.before, second.created_at) == (first.config, first.created_at)
    assert second.version > first.version
    with pytest.raises(InvalidResourceError):
        await store.put_many(kind, [("b", body), ("bad name", body)])
    async with open_store() as other:
        assert other.get(kind, "a") == second
        renamed = await other.put(kind, "a", {"name": "b"})
        assert renamed.created_at == first.created_at
        await eventually(lambda: [item.key for item in store.all(kind)] == ["b"])
        await asyncio.gather(
            *((store, other)[number % 2].put(kind, f"n{number}", body) for number in range(6))
        )
        for reader in (store, other):
            await eventually(lambda reader=reader: len(reader.all(kind)) == 7)
        assert await other.delete(kind, "b") is True
        assert await other.delete(kind, "b") is False
        await eventually(lambda: store.get(kind, "b") is None)


KEPT = [Kind.STREAM, Kind.STREAMER, Kind.BALANCER]


def minimal(kind: Kind) -> dict:
    return {
        Kind.STREAM: FAKE,
        Kind.STREAMER: {"api_url": "http://h:80"},
        Kind.BALANCER: {"mode": "clients"},
    }[kind]


@pytest.mark.parametrize("kind", KEPT)
async def test_of_two_editors_the_second_is_refused_and_nothing_is_lost(store, kind):
    read = await store.put(kind, "a", minimal(kind))
    change = {"api_url": "http://other:80"} if kind is Kind.STREAMER else {"name": "a"}
    change |= {"title": "first"} if kind is Kind.STREAM else {}
    change |= {"mode": "streams"} if kind is Kind.BALANCER else {}
    condition = Condition(frozenset({read.tag}))
    won = await store.put(kind, "a", change, condition=condition)
    assert won.tag != read.tag
    with pytest.raises(ConditionError):
        await store.put(kind, "a", minimal(kind), condition=condition)
    with pytest.raises(ConditionError):
        await store.delete(kind, "a", condition=condition)
    assert store.get(kind, "a").config == won.config
    assert await store.delete(kind, "a", condition=Condition(frozenset({won.tag})))


@pytest.mark.parametrize("kind", KEPT)
async def test_a_write_may_demand_that_it_is_there_or_not(store, kind):
    with pytest.raises(ConditionError):
        await store.put(kind, "a", minimal(kind), condition=Condition(frozenset()))
    await store.put(kind, "a", minimal(kind), condition=Condition(absent=True))
    with pytest.raises(ConditionError):
        await store.put(kind, "a", minimal(kind), condition=Condition(absent=True))
    await store.put(kind, "a", minimal(kind), condition=Condition(frozenset()))


@pytest.mark.parametrize("kind", KEPT)
async def test_a_trial_answers_what_would_be_and_writes_nothing(store, kind):
    made = await store.put(kind, "a", minimal(kind), dry_run=True)
    name = {"hostname" if kind is Kind.STREAMER else "name": "a"}
    assert made.config.items() >= {**name, **minimal(kind)}.items()
    assert list(store.all(kind)) == []
    with pytest.raises(InvalidResourceError):
        await store.put(kind, "a b", minimal(kind), dry_run=True)


async def test_twenty_editors_at_once_lose_nothing(store):
    """Each reads, changes and writes under his condition until it holds."""
    await store.put(Kind.STREAM, "a", FAKE)

    async def edit(number: int) -> None:
        while True:
            read = store.get(Kind.STREAM, "a")
            meta = {**read.config.get("meta", {}), f"k{number}": "v"}
            condition = Condition(frozenset({read.tag}))
            with contextlib.suppress(ConditionError):
                await store.put(Kind.STREAM, "a", {"meta": meta}, condition=condition)
                return
            await asyncio.sleep(0.01)

    await asyncio.gather(*map(edit, range(20)))
    assert len(store.get(Kind.STREAM, "a").config["meta"]) == 20
