"""The operator's process while the API server refuses, hangs, cuts and forgets."""

import asyncio
import itertools
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from media_kube import client as kube
from media_kube.client import KubeClient
from media_operator.apply import PARALLEL_WRITES, TROUBLE_IN_A_ROW, Writer
from media_operator.picture import ClusterPicture
from media_operator.planner.actions import Note, Plan, WriteStatus
from media_operator.watch.follow import Follower

from tests.support import proc
from tests.support.api_server import ApiServer
from tests.support.chaos_proxy import READS, WRITES, ChaosProxy, Fault, WatchEnd

PODS = 2
STREAMS = 60
LIMIT_SECONDS = 60.0
REFUSED_SECONDS = 5.0
RANDOM_SECONDS = float(os.environ.get("STORM_SECONDS", "600"))
BREAK_SECONDS = 5.0
"""Between two ends of all watches."""
MAX_REQUESTS_A_SECOND = 80.0
"""Of one operator in a storm, mean. One plan of this test writes more than STREAMS objects."""
MAX_LINES_A_MINUTE = 120
"""Of one operator: eight kinds are watched, and each end of a watch may be told."""
MAX_GROWTH_MIB = 30
"""Of one operator, from a minute into the storm to its end."""
CHILDREN = (kube.CONFIG_MAP, kube.SERVICE, kube.STATEFUL_SET, kube.DISRUPTION_BUDGET)


class Operator:
    """One replica as a process; its log is in a file."""

    def __init__(self, name: str, log: Path, environ: dict[str, str]) -> None:
        self.name = name
        self._log = log
        self._environ = environ
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "media_operator", "--health-port=0",
                env={**os.environ, **self._environ}, stdout=log, stderr=log,
            )  # fmt: skip

    async def stop(self) -> int:
        """Exit status after SIGTERM."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            return await asyncio.wait_for(self._process.wait(), 20)
        except TimeoutError:
            self._process.kill()
            raise

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.returncode is None

    def resident_mib(self) -> float:
        assert self._process is not None
        return proc.resident_mib(self._process.pid)

    def lines(self) -> list[str]:
        return self._log.read_text().splitlines()


@pytest.fixture
async def proxy(api_server: ApiServer) -> AsyncIterator[ChaosProxy]:
    async with ChaosProxy(api_server.url) as one:
        yield one


@pytest.fixture
async def start(
    api_server: ApiServer, proxy: ChaosProxy, namespace: str, tmp_path: Path
) -> AsyncIterator[Callable[[str], Any]]:
    (tmp_path / "kubeconfig").write_text(api_server.kubeconfig(proxy.url))
    started: list[Operator] = []

    async def begin(name: str) -> Operator:
        environ = {
            "KUBECONFIG": str(tmp_path / "kubeconfig"),
            "WATCH_NAMESPACE": namespace,
            "POD_NAMESPACE": namespace,
            "POD_NAME": name,
        }
        started.append(Operator(name, tmp_path / f"{name}.log", environ))
        await started[-1].start()
        return started[-1]

    yield begin
    proxy.faults = []
    assert [await one.stop() for one in started] == [0] * len(started)


async def until(condition: Callable[[], Any], within: float = LIMIT_SECONDS) -> None:
    deadline = time.monotonic() + within
    while not await condition():
        assert time.monotonic() < deadline, "the condition did not become true"
        await asyncio.sleep(0.2)


class Cluster:
    """What users, the StatefulSet controller and the kubelets do, past the proxy."""

    def __init__(self, client: KubeClient, namespace: str) -> None:
        self.client = client
        self.namespace = namespace

    async def pool(self) -> None:
        body = {"metadata": {"name": "pool"}, "spec": {"replicas": PODS}}
        await self.client.create(kube.STREAMER, self.namespace, body)

    async def run_pods(self) -> bool:
        """The pods of the StatefulSet, all ready; False while there is none."""
        sets, _ = await self.client.list(kube.STATEFUL_SET, self.namespace)
        for one in sets:
            template = one["spec"]["template"]["metadata"]
            said = {part: template[part] for part in ("labels", "annotations")}
            for index in range(PODS):
                await self._pod({"name": f"streamer-pool-{index}", **said})
        return bool(sets)

    async def _pod(self, metadata: dict[str, Any]) -> None:
        name = metadata["name"]
        body = {
            "metadata": metadata,
            "spec": {"schedulerName": "nobody", "containers": [{"name": "c", "image": "none"}]},
        }
        await self.client.create(kube.POD, self.namespace, body)
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
        status = {"status": {"phase": "Running", "conditions": [ready], "hostIP": "192.0.2.1"}}
        await self.client.merge(kube.POD, self.namespace, name, status, "status")

    async def stream(self, name: str) -> None:
        body = {"metadata": {"name": name}, "spec": {"inputs": [{"url": "fake://fake"}]}}
        await self.client.create(kube.STREAM, self.namespace, body)

    async def streams(self) -> list[dict[str, Any]]:
        return (await self.client.list(kube.STREAM, self.namespace))[0]

    async def homes(self) -> Counter[str]:
        return Counter((s.get("status") or {}).get("streamer", "") for s in await self.streams())

    async def children(self) -> list[tuple[str, str]]:
        """Objects of the pool, without what the API server puts into each namespace."""
        selector = "app.kubernetes.io/managed-by=media-operator"
        return [
            (kind.kind, item["metadata"]["name"])
            for kind in CHILDREN
            for item in (await self.client.list(kind, self.namespace, selector))[0]
        ]


@pytest.fixture
def cluster(kube_client: KubeClient, namespace: str) -> Cluster:
    return Cluster(kube_client, namespace)


def says(stream: dict[str, Any], type_: str) -> str:
    conditions = (stream.get("status") or {}).get("conditions") or []
    return next((c["status"] for c in conditions if c["type"] == type_), "")


@pytest.mark.long
@pytest.mark.timeout(RANDOM_SECONDS + 300)
async def test_two_operators_in_a_storm(
    start: Callable[[str], Any], proxy: ChaosProxy, cluster: Cluster
) -> None:
    """`STORM_SECONDS` says for how long; ten minutes."""
    await cluster.pool()
    first = await start("operator-a")
    await until(cluster.run_pods)
    await until(lambda: is_ready(cluster))

    # All writes are refused while there is much to write, and the second one starts.
    proxy.faults = [
        Fault(429, share=0.4, methods=WRITES, retry_after=1),
        Fault(500, share=0.5, methods=WRITES),
        Fault(503, methods=WRITES),
    ]
    began = time.monotonic()
    second = await start("operator-b")
    for index in range(STREAMS):
        await cluster.stream(f"s{index}")
    await asyncio.sleep(max(0.0, began + REFUSED_SECONDS - time.monotonic()))
    assert await cluster.homes() == {"": STREAMS}
    refused = proxy.count(WRITES, began) / (time.monotonic() - began)
    assert 0 < refused < MAX_REQUESTS_A_SECOND, "writes a second while all are refused"

    # Then all sorts of failures by chance, for reads and writes, and the watches break.
    proxy.faults = [
        Fault(429, share=0.08, retry_after=1),
        Fault(500, share=0.08),
        Fault(503, share=0.08),
        Fault(share=0.05),
        Fault(delay=20.0, share=0.01),
    ]
    began = time.monotonic()
    memory: dict[str, float] = {}
    for number in itertools.count():
        await asyncio.sleep(min(BREAK_SECONDS, RANDOM_SECONDS / 6))
        passed = time.monotonic() - began
        if passed >= RANDOM_SECONDS:
            break
        ends: tuple[WatchEnd, ...] = ("500", "410", "cut", "half an event")
        proxy.break_watches(ends[number % len(ends)])
        if number % 12 == 2:
            # One goes, another comes, and one of the pods is gone for good.
            await cluster.client.delete(kube.STREAM, cluster.namespace, f"s{number // 12}")
            await cluster.stream(f"late{number // 12}")
            if number == 2:
                await cluster.client.delete(
                    kube.POD, cluster.namespace, "streamer-pool-0", grace_seconds=0
                )
        if number % 12 == 8:
            # And one is replaced by another one of the same name, while the watches are away.
            name = f"s{STREAMS - 1 - number // 12 % 10}"
            await cluster.client.delete(kube.STREAM, cluster.namespace, name)
            await cluster.stream(name)
        if not memory and passed > 60:
            memory = {one.name: one.resident_mib() for one in (first, second)}
    asked = proxy.count(WRITES | READS, began) / (time.monotonic() - began)
    grown = [one.resident_mib() - memory[one.name] for one in (first, second) if memory]

    # Calm: everything is as the resources say, once, and nothing else is written.
    proxy.faults = []
    calm = time.monotonic()
    try:
        await until(lambda: all_placed(cluster, {"streamer-pool-1": STREAMS}))
    finally:
        print(f"calm for {time.monotonic() - calm:.1f} s: {await cluster.homes()}")
        for one in (first, second):
            print(f"--- {one.name}", *one.lines()[-60:], sep="\n")
    names = [name for _, name in await cluster.children()]
    assert Counter(names) == {"streamer-pool": 4, "streamer-pool-pods": 1, "media-default-pool": 1}
    pool = await cluster.client.get(kube.STREAMER, cluster.namespace, "pool")
    assert pool["status"]["readyReplicas"] == 1
    print(f"{asked:.1f} requests a second, MiB more: {grown}")
    assert asked < MAX_REQUESTS_A_SECOND, "requests a second in the storm"
    assert all(growth < MAX_GROWTH_MIB for growth in grown), grown
    for one in (first, second):
        assert one.runs, "no restart"
        lines = one.lines()
        bound = MAX_LINES_A_MINUTE * (1 + RANDOM_SECONDS / 60)
        print(f"{one.name}: {len(lines)} lines")
        assert len(lines) < bound, "\n".join(lines[:200])
        assert not [line for line in lines if "Traceback" in line], "\n".join(lines)
    rest = time.monotonic()
    await asyncio.sleep(3)
    assert proxy.count(WRITES, rest) == 0, "at rest"


@pytest.fixture
async def writer(api_server: ApiServer, proxy: ChaosProxy) -> AsyncIterator[Writer]:
    client = api_server.client(proxy.url)
    yield Writer(client)
    await client.close()


def status(namespace: str, name: str, reason: str, transition: str = "2026-01-01") -> WriteStatus:
    condition = {
        "type": "Ready", "status": "True", "reason": reason, "message": "m",
        "lastTransitionTime": f"{transition}T00:00:00Z",
    }  # fmt: skip
    return WriteStatus("Stream", namespace, name, {"conditions": [condition]})


async def test_a_server_in_trouble_is_not_asked_for_all_of_a_plan(
    writer: Writer, proxy: ChaosProxy, namespace: str, caplog: pytest.LogCaptureFixture
) -> None:
    proxy.faults = [Fault(429, retry_after=3)]
    plan = Plan(statuses=[status(namespace, f"s{index}", "Running") for index in range(2000)])
    plan.notes = [Note("Stream", namespace, "s0", "uid", "Normal", "Running", "m")]
    outcome = await writer.carry_out(plan)
    assert (outcome.done, outcome.failed, outcome.server_asks_seconds) == (0, 2000, 3.0)
    assert len(proxy.requests) < TROUBLE_IN_A_ROW + PARALLEL_WRITES
    [line] = [r for r in caplog.records if r.name.startswith("media_operator")]
    assert "429 TooManyRequests" in line.getMessage()
    assert not [path for _, _, path in proxy.requests if path.endswith("/events")], "not written"


async def test_a_write_refused_for_what_it_says_waits_until_it_says_something_else(
    writer: Writer, proxy: ChaosProxy, cluster: Cluster
) -> None:
    await cluster.stream("s")
    wrong = Plan(statuses=[status(cluster.namespace, "s", "no word")])
    outcome = await writer.carry_out(wrong)
    assert (outcome.failed, outcome.held) == (0, 1)
    assert 4 < (outcome.held_seconds or 0) <= 5
    asked = len(proxy.requests)
    # What a plan of a second later says.
    again = Plan(statuses=[status(cluster.namespace, "s", "no word", transition="2026-01-02")])
    assert (await writer.carry_out(again)).held == 1
    assert len(proxy.requests) == asked
    other = Plan(statuses=[status(cluster.namespace, "s", "Running")])
    assert (await writer.carry_out(other)).done == 1


@pytest.fixture
async def follower(
    api_server: ApiServer, proxy: ChaosProxy, namespace: str
) -> AsyncIterator[tuple[Follower, ClusterPicture]]:
    """What the operator sees, through the proxy."""
    client = api_server.client(proxy.url)
    picture = ClusterPicture(lambda: None)
    one = Follower(client, namespace, picture)
    running = asyncio.create_task(one.run())
    yield one, picture
    proxy.faults = []
    running.cancel()
    await asyncio.wait([running], timeout=LIMIT_SECONDS)
    assert running.cancelled()
    await client.close()


async def test_an_api_server_that_is_away_is_no_reason_for_a_restart(
    proxy: ChaosProxy, follower: tuple[Follower, ClusterPicture]
) -> None:
    one, picture = follower
    proxy.faults = [Fault(503)]
    picture.last_event = 0.0

    async def is_excused() -> bool:
        return picture.last_event > 0.0

    await until(is_excused)
    assert not one.synced.is_set(), "nothing is planned from half a cluster"
    proxy.faults = []
    await asyncio.wait_for(one.synced.wait(), LIMIT_SECONDS)


@pytest.mark.parametrize("end", ["half an event", "cut", "410", "500", "404 at the next list"])
async def test_what_was_missed_is_known_whatever_ends_a_watch(
    proxy: ChaosProxy, follower: tuple[Follower, ClusterPicture], cluster: Cluster, end: str
) -> None:
    """Deleted, changed and made while nobody watched: no ghost stays, and nothing is missed."""
    one, picture = follower
    for name in ("gone", "changed", "same"):
        await cluster.stream(name)
    await asyncio.wait_for(one.synced.wait(), LIMIT_SECONDS)

    async def is_known(*names: str) -> bool:
        return {name for _, name in picture.snapshot.streams} == set(names)

    async def is_watched() -> bool:
        return proxy.watches("/streams")

    await until(lambda: is_known("gone", "changed", "same"))
    await until(is_watched)
    gap = Fault(404 if end.startswith("404") else 503, methods=READS, only="/streams")
    proxy.faults = [gap]
    proxy.break_watches("410" if end.startswith("404") else end)  # type: ignore[arg-type]
    await cluster.client.delete(kube.STREAM, cluster.namespace, "gone")
    await cluster.stream("new")
    change = {"spec": {"disabled": True}}
    await cluster.client.merge(kube.STREAM, cluster.namespace, "changed", change)

    async def met_the_fault() -> bool:
        return proxy.failed[gap.status] > 0

    await until(met_the_fault)
    assert await is_known("gone", "changed", "same"), "nothing is forgotten meanwhile"
    proxy.faults = []
    await until(lambda: is_known("changed", "new", "same"))

    async def is_changed() -> bool:  # a watch tells one after another
        return picture.snapshot.streams[cluster.namespace, "changed"].disabled

    await until(is_changed)


async def is_ready(cluster: Cluster) -> bool:
    pool = await cluster.client.get(kube.STREAMER, cluster.namespace, "pool")
    return bool((pool.get("status") or {}).get("ready"))


async def all_placed(cluster: Cluster, wanted: dict[str, int]) -> bool:
    streams = await cluster.streams()
    ready = all(says(s, "Ready") == says(s, "Scheduled") == "True" for s in streams)
    return ready and await cluster.homes() == wanted
