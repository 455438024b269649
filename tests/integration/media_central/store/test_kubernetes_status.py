"""Central's conditions: on transitions only, by one of several Centrals, never from old data."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from media_api.resources.conditions import ASLEEP, WANTED
from media_central.store.kubernetes import KubernetesStore, status
from media_central.store.kubernetes.heartbeat import ReadyPod
from media_central.store.kubernetes.status import LEASE_NAME, StatusWriter
from media_central.store.kubernetes.wake import Waker
from media_central.store.port import Kind
from media_kube import client as kube
from media_kube import election
from media_kube.client import KubeClient
from media_kube.election import Election
from media_operator.objects import StreamObject

from tests.support.api_server import ApiServer
from tests.support.chaos_proxy import WRITES, ChaosProxy, Fault

Eventually = Callable[..., Any]
_numbers = itertools.count(1)
PLACED = {
    "type": "Scheduled", "status": "True", "reason": "Placed", "message": "on h",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}  # fmt: skip


class CountingClient:
    """The real client; counts the writes of statuses."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self.writes = 0
        self.go_on = asyncio.Event()
        """Cleared: the answers of writes are under way."""
        self.go_on.set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def apply(self, *args: Any, **options: Any) -> Any:
        self.writes += options.get("subresource") == "status"
        written = await self._client.apply(*args, **options)
        await self.go_on.wait()
        return written


class Replica:
    """A store and a status writer, and polls that the test makes up."""

    def __init__(self, client: KubeClient, namespace: str) -> None:
        self.client = CountingClient(client)
        self.store = KubernetesStore(
            self.client, namespace=namespace, home=namespace, cluster_key=""
        )
        identity = f"central-{next(_numbers)}"
        self.writer = StatusWriter(
            self.client, self.store, Election(client, namespace, LEASE_NAME, identity)
        )
        self._listeners: list[Callable[[Any], None]] = []
        self.streamer_alive = True

    async def start(self) -> None:
        await self.store.start()
        self.writer.start(
            SimpleNamespace(
                on_poll=self._listeners.append,
                is_alive=lambda _: self.streamer_alive,
                link=lambda hostname: hostname,
            )
        )

    async def leads(self) -> None:
        async with asyncio.timeout(60):
            while not self.writer.leads:  # noqa: ASYNC110 - as a Lease: nobody tells
                await asyncio.sleep(0.02)

    async def close(self) -> None:
        await self.writer.close()
        await self.store.close()

    def poll(self, **stats: Any) -> None:
        """The streamer h answered so about the stream s; without statistics: it did not."""
        self.poll_all({"s": stats} if stats else None)

    def poll_all(self, streams: dict[str, Any] | None) -> None:
        """Statistics by stream; None: the streamer did not answer."""
        inputs = [{"url": "fake://fake"}]
        told = {
            name: {"inputs": inputs, **found.pop("config", {}), "stats": found}
            for name, stats in (streams or {}).items()
            for found in [dict(stats)]
        }
        observed = None if streams is None else SimpleNamespace(streams=told)
        link = SimpleNamespace(hostname="h", observed=observed, error="refused")
        for listener in self._listeners:
            listener(link)

    def condition(self, type_: str = "InputActive") -> tuple[str, str] | None:
        status = (self.store.stream_object("s") or {}).get("status") or {}
        found = [c for c in status.get("conditions") or [] if c["type"] == type_]
        return (found[0]["status"], found[0]["reason"]) if found else None


@pytest.fixture(autouse=True)
def no_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most tests know the streamer by its polls only."""
    monkeypatch.setattr(status, "SWEEP_SECONDS", 3600.0)
    monkeypatch.setattr(election, "RETRY_SECONDS", 0.5)


@pytest.fixture
async def replicas(
    kube_client: KubeClient, namespace: str, eventually: Eventually
) -> AsyncIterator[tuple[Replica, Replica]]:
    """Two Centrals that know the stream s, which the operator placed on h; the first one leads."""
    both = Replica(kube_client, namespace), Replica(kube_client, namespace)
    await both[0].start()
    await both[0].leads()
    await both[1].start()
    await both[0].store.put(Kind.STREAM, "s", {"inputs": [{"url": "fake://fake"}]})
    body = {"metadata": {"name": "s"}, "status": {"streamer": "h", "conditions": [PLACED]}}
    await kube_client.apply(kube.STREAM, namespace, body, manager="operator", subresource="status")
    for replica in both:
        await eventually(lambda one=replica: (one.store.get(Kind.STREAM, "s") or {}).layout)
    yield both
    for replica in both:
        await replica.close()


async def test_written_on_transitions_only(
    replicas: tuple[Replica, Replica], kube_client: KubeClient, namespace: str,
    eventually: Eventually,
) -> None:  # fmt: skip
    one, other = replicas
    for replica in replicas:
        replica.poll(alive=True, url="rtsp://u:p@cam/1", bitrate=1000)
    await eventually(lambda: one.condition() == other.condition() == ("True", "FramesArrive"))
    live = await kube_client.get(kube.STREAM, namespace, "s")
    assert live["status"]["activeStreamer"] == "h"
    assert "u:p" not in live["status"]["input"]
    assert len(live["status"]["conditions"]) == 2, "the operator's stays"
    for number in range(50):
        for replica in replicas:
            replica.poll(alive=True, url="rtsp://u:p@cam/1", bitrate=number)
    # A write that was wrongly queued would come before this one of the other direction.
    one.poll(alive=False, source_error="refused")
    await eventually(lambda: one.condition() == other.condition() == ("False", "NoFrames"))
    assert (one.client.writes, other.client.writes) == (2, 0)
    live = await kube_client.get(kube.STREAM, namespace, "s")
    assert "activeStreamer" not in live["status"]


async def test_what_changes_while_a_write_is_under_way_is_written_after_it(
    replicas: tuple[Replica, Replica], eventually: Eventually
) -> None:
    one, other = replicas
    one.client.go_on.clear()
    one.poll(alive=True)
    await eventually(lambda: other.condition() == ("True", "FramesArrive"))
    one.poll(alive=True)
    one.poll(alive=False)
    one.client.go_on.set()
    await eventually(lambda: other.condition() == ("False", "NoFrames"))
    assert one.client.writes == 2


async def test_a_stream_that_nothing_can_come_of_is_said_to_be_one(
    replicas: tuple[Replica, Replica], eventually: Eventually
) -> None:
    one, _ = replicas
    one.poll(status="waiting")
    await eventually(lambda: one.condition() == ("Unknown", "Waiting"))
    one.poll(status="waiting", config={"inputs": []})
    await eventually(lambda: one.condition() == ("False", "NoInput"))


async def test_what_is_not_recorded_is_said_beside_what_arrives(
    replicas: tuple[Replica, Replica], eventually: Eventually
) -> None:
    one, _ = replicas
    one.poll(alive=True, dvr_enabled=True)
    await eventually(lambda: one.condition() == ("True", "FramesArrive"))
    assert one.condition("Recording") is None  # nobody asked for it
    await one.store.put(Kind.STREAM, "s", {"dvr": {"root": "/srv"}})
    await eventually(lambda: "dvr" in one.store.get(Kind.STREAM, "s").config)
    one.poll(alive=True, dvr_enabled=True)
    await eventually(lambda: one.condition("Recording") == ("True", "Recorded"))
    one.poll(alive=True, dvr_enabled=False, dvr_write={"error": "No space left on device"})
    await eventually(lambda: one.condition("Recording") == ("False", "NotRecorded"))
    assert one.condition() == ("True", "FramesArrive")


async def test_centrals_that_see_different_things_do_not_fight(
    replicas: tuple[Replica, Replica], eventually: Eventually
) -> None:
    """What the holder of the Lease sees is said; its successor says what it sees itself."""
    one, other = replicas
    for _ in range(20):
        other.poll(alive=False)
        one.poll(alive=True)
    await eventually(lambda: other.condition() == ("True", "FramesArrive"))
    for _ in range(20):
        other.poll(alive=False)
        one.poll(alive=True)
        assert not one.writer._wanted
        assert not other.writer._wanted
    assert (one.client.writes, other.client.writes) == (1, 0)
    await one.writer.close()
    await other.leads()
    one.poll(alive=True)
    other.poll(alive=False)
    await eventually(lambda: one.condition() == ("False", "NoFrames"))
    assert (one.client.writes, other.client.writes) == (1, 1)


async def test_an_error_nobody_thought_of_is_not_the_end_of_it(
    replicas: tuple[Replica, Replica], monkeypatch: pytest.MonkeyPatch, eventually: Eventually,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    one, _ = replicas
    monkeypatch.setattr(status, "RESTART_SECONDS", 0.0)
    with monkeypatch.context() as broken:
        broken.setattr(one.client, "apply", lambda *_, **__: {}["odd"])
        one.poll(alive=True)
        await eventually(lambda: "begins anew" in caplog.text)
    await one.leads()
    one.poll(alive=True)
    await eventually(lambda: one.condition() == ("True", "FramesArrive"))


async def test_nothing_is_written_from_old_data(
    replicas: tuple[Replica, Replica], monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    one, _ = replicas
    monkeypatch.setitem(one.store._mirror._in_sync, "streams", False)
    one.poll(alive=True)
    assert not one.writer._wanted
    monkeypatch.setitem(one.store._mirror._in_sync, "streams", True)
    one.poll(alive=True)
    await eventually(lambda: one.condition() == ("True", "FramesArrive"))


async def test_a_server_in_trouble_is_asked_less_and_told_later(
    api_server: ApiServer, kube_client: KubeClient, namespace: str, eventually: Eventually,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    names = [f"s{number}" for number in range(60)]
    for name in names:
        body = {"metadata": {"name": name}, "spec": {"inputs": [{"url": "fake://fake"}]}}
        await kube_client.create(kube.STREAM, namespace, body)
        await kube_client.merge(
            kube.STREAM, namespace, name, {"status": {"streamer": "h", "conditions": [PLACED]}},
            "status",
        )  # fmt: skip
    async with ChaosProxy(api_server.url) as proxy:
        client = api_server.client(proxy.url)
        replica = Replica(client, namespace)
        await replica.start()
        await replica.leads()
        proxy.faults = [Fault(503, methods=WRITES)]
        told = {name: {"alive": True} for name in names}
        replica.poll_all(told)
        await eventually(lambda: [r for r in caplog.records if "statuses were not" in r.message])
        for _ in range(20):  # a storm of polls is no storm of requests
            replica.poll_all(told)
        refused = proxy.failed[503]
        assert 0 < refused < 2 * (status.TROUBLE_IN_A_ROW + status.PARALLEL_WRITES)
        assert len([r for r in caplog.records if "statuses were not" in r.message]) == 1
        proxy.faults = []

        async def all_active() -> bool:
            replica.poll_all(told)
            items, _ = await kube_client.list(kube.STREAM, namespace)
            return all(item["status"].get("activeStreamer") == "h" for item in items)

        await eventually(all_active, 30)
        await replica.close()
        await client.close()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"streamer": None}, "NotPlaced"),
        ({"streamer": "gone"}, "StreamerGone"),
        ({}, "StreamerSilent"),
    ],
)
async def test_frames_of_a_stream_that_nobody_runs_are_unknown(
    kube_client: KubeClient, namespace: str, eventually: Eventually,
    monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], reason: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(status, "SWEEP_SECONDS", 0.05)
    replica = Replica(kube_client, namespace)
    await replica.start()
    await replica.leads()
    await replica.store.put(Kind.STREAMER, "h", {"api_url": "http://h:80"})
    await replica.store.put(Kind.STREAM, "s", {"inputs": [{"url": "fake://fake"}]})
    placed = {"status": {"streamer": "h", "conditions": [PLACED]}}
    await kube_client.merge(kube.STREAM, namespace, "s", placed, "status")

    def is_active() -> bool:
        replica.poll(alive=True)
        return replica.condition() == ("True", "FramesArrive")

    await eventually(is_active)
    for _ in range(3):  # sweeps say nothing while it is polled
        before = replica.client.writes
        await asyncio.sleep(status.SWEEP_SECONDS)
        assert replica.client.writes == before
    replica.streamer_alive = False
    await eventually(lambda: replica.condition() == ("Unknown", "StreamerSilent"))
    await kube_client.merge(kube.STREAM, namespace, "s", {"status": change}, "status")
    await eventually(lambda: replica.condition() == ("Unknown", reason))
    live = await kube_client.get(kube.STREAM, namespace, "s")
    assert "activeStreamer" not in live["status"]
    await replica.close()


async def test_external_streamers_are_reachable_or_not(
    replicas: tuple[Replica, Replica], eventually: Eventually
) -> None:
    one, _ = replicas
    await one.store.put(Kind.STREAMER, "h", {"api_url": "http://h:80"})

    def reachable() -> str | None:
        status = one.store.external_object("h").get("status") or {}
        return next((c["status"] for c in status.get("conditions") or []), None)

    one.poll()
    await eventually(lambda: reachable() == "False")
    one.poll(alive=True)
    await eventually(lambda: reachable() == "True")
    await eventually(lambda: one.condition() == ("True", "FramesArrive"))
    writes = one.client.writes
    one.poll(alive=True)
    assert (one.client.writes, one.writer._wanted) == (writes, {})


async def test_pods_that_are_silent_are_told_of_their_pool(
    replicas: tuple[Replica, Replica], kube_client: KubeClient, namespace: str,
    eventually: Eventually,
) -> None:  # fmt: skip
    one, _ = replicas
    await kube_client.create(kube.STREAMER, namespace, {"metadata": {"name": "pool"}, "spec": {}})
    key = namespace, "pool"
    await eventually(lambda: one.store.object_at(kube.STREAMER, *key))
    pod = ReadyPod(key, "streamer-pool-0", "node-1", "10.0.0.1", "http://10.0.0.1:8080")

    def told() -> tuple[str | None, list[str] | None, str]:
        status = one.store.object_at(kube.STREAMER, *key).get("status") or {}
        found = next((c for c in status.get("conditions") or [] if c["type"] == "Reachable"), {})
        return found.get("status"), status.get("silentAddresses"), found.get("message", "")

    one.writer._judge_pods({key: []}, {key})
    assert one.writer._wanted == {}, "nothing is said of a pool that answers"
    one.writer._judge_pods({key: [pod]}, {key})
    await eventually(lambda: told()[:2] == ("False", ["10.0.0.1"]))
    assert "streamer-pool-0 (node-1)" in told()[2]
    writes = one.client.writes
    one.writer._judge_pods({key: [pod]}, {key})
    assert (one.client.writes, one.writer._wanted) == (writes, {}), "it says so already"
    one.writer._judge_pods({key: []}, {key})
    await eventually(lambda: told()[:2] == ("True", []))
    # Its last pod falls silent, and is not ready any more: there is nobody left to be silent.
    one.writer._judge_pods({key: [pod]}, {key})
    await eventually(lambda: told()[0] == "False")
    one.writer._judge_pods({}, {key})
    assert one.writer._wanted == {}, (
        "of a pod that is ready and not known yet nothing is taken back"
    )
    one.writer._judge_pods({}, set())
    await eventually(lambda: told()[:2] == ("Unknown", []))
    writes = one.client.writes
    one.writer._judge_pods({}, set())
    assert (one.client.writes, one.writer._wanted) == (writes, {})


async def test_a_stream_that_sleeps_is_asked_for_once(
    replicas: tuple[Replica, Replica], kube_client: KubeClient, namespace: str,
    eventually: Eventually,
) -> None:  # fmt: skip
    one, _ = replicas
    waker = Waker(one.client, one.store)
    assert not waker.sleeps("s")
    assert not waker.sleeps("unknown")
    asleep = {**PLACED, "type": "Ready", "reason": ASLEEP}
    body = {"metadata": {"name": "s"}, "status": {"conditions": [asleep]}}
    await kube_client.apply(kube.STREAM, namespace, body, manager="operator", subresource="status")
    await eventually(lambda: waker.sleeps("s"))
    writes = one.client.writes
    await asyncio.gather(*(waker.wake("s") for _ in range(20)), waker.wake("unknown"))
    assert one.client.writes == writes + 1
    live = await kube_client.get(kube.STREAM, namespace, "s")
    seen = StreamObject.parse(live)
    assert seen.wanted_at is not None
    assert {c["type"] for c in live["status"]["conditions"]} == {"Ready", WANTED}
