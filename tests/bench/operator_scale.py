"""The operator with 10,000 Streams on 100 simulated streamers, against a real API server.

The streamers are pods without a kubelet: objects whose status says that they are ready. Takes the
cluster of KUBECONFIG, such as the one of `make cluster-up`, applies our definitions to it and
removes the namespace made for the run at its end; without KUBECONFIG, an API server on etcd of its
own. `REST_SECONDS` says how long writes at rest are counted (default 30; the promise is 600).

What bounds the cold start is the CPU time of the status writes, most of it the API server's, by
whatever verb. Each run says what a write cost the API server and the operator, and how soon the
cores of this machine could have been done with that alone.
"""

import asyncio
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from media_kube import client as kube
from media_kube.client import KubeClient
from media_kube.errors import KubeError

from tests.bench.figure import Figure, Skipped
from tests.support import proc
from tests.support.api_server import SKIP_REASON, running_api_server

STREAMS = 10_000
STREAMERS = 100
NAMESPACE = f"scale-{secrets.token_hex(4)}"
DEFINITIONS = Path(__file__).parents[2] / "crds"
DEFINITIONS_TIMEOUT_SECONDS = 60
REMOVAL_TIMEOUT_SECONDS = 300
PLACED_TIMEOUT_SECONDS = 600
METRICS_TIMEOUT_SECONDS = 30
REST_SECONDS = float(os.environ.get("REST_SECONDS", "30"))
GROUP = "media.flussonic.com"
WRITE_VERBS = {"APPLY", "DELETE", "DELETECOLLECTION", "PATCH", "POST", "PUT"}
PARALLEL = 32
LABELS = {
    "app.kubernetes.io/part-of": "media-appliance",
    "app.kubernetes.io/component": "streamer",
    "app.kubernetes.io/instance": "pool",
}
NAMESPACES = kube.Kind("v1", "Namespace", "namespaces")


def run() -> list[Figure]:
    if not os.environ.get("KUBECONFIG"):
        if SKIP_REASON:
            raise Skipped(f"{SKIP_REASON}, or set KUBECONFIG")
        return _on_own_server()
    # Server-side: as an annotation, the definitions are too large.
    define = ["kubectl", "apply", "--server-side", "--force-conflicts", "-k", str(DEFINITIONS)]
    subprocess.run(
        define, check=True, stdout=subprocess.DEVNULL, timeout=DEFINITIONS_TIMEOUT_SECONDS
    )
    return asyncio.run(measure(STREAMS, STREAMERS, removes=True))


def _on_own_server() -> list[Figure]:
    with (
        tempfile.TemporaryDirectory() as directory,
        running_api_server(Path(directory)) as server,
    ):
        file = Path(directory) / "kubeconfig"
        file.write_text(server.kubeconfig())
        os.environ["KUBECONFIG"] = str(file)
        try:
            return asyncio.run(measure(STREAMS, STREAMERS, removes=False))
        finally:
            del os.environ["KUBECONFIG"]


async def measure(streams: int, streamers: int, *, removes: bool) -> list[Figure]:
    """Fill a namespace, run the operator cold, then restart it at rest.

    `removes`: the namespace at the end, for which the cluster must have controllers.
    """
    client = await KubeClient.connect()
    try:
        await _fill(client, streams, streamers)
        figures = await _cold(client, streams)
        figures += await _restart(client, streams)
    finally:
        if removes:
            await _remove(client)
        await client.close()
    return figures


async def _remove(client: KubeClient) -> None:
    """Delete the namespace and wait: ten thousand deletions would disturb what runs next."""
    path = f"/api/v1/namespaces/{NAMESPACE}"
    async with asyncio.timeout(REMOVAL_TIMEOUT_SECONDS):
        while True:
            try:
                await client._request("DELETE", path)
            except KubeError as error:  # 409 while it is being emptied
                if error.is_gone:
                    return
            await asyncio.sleep(2)


async def _fill(client: KubeClient, streams: int, streamers: int) -> None:
    await client._request("POST", "/api/v1/namespaces", body={"metadata": {"name": NAMESPACE}})
    pool = {"metadata": {"name": "pool"}, "spec": {"replicas": 0}}
    await client.create(kube.STREAMER, NAMESPACE, pool)
    # Without a number at its end a pod is none that is there for the time of an upgrade only.
    await _parallel(streamers, lambda i: _pod(client, f"simulated-{i}x"))
    await _parallel(streams, lambda i: _stream(client, f"stream-{i}"))


async def _parallel(count: int, make: Callable[[int], Any]) -> None:
    slots = asyncio.Semaphore(PARALLEL)

    async def one(index: int) -> None:
        async with slots:
            await make(index)

    await asyncio.gather(*(one(index) for index in range(count)))


async def _stream(client: KubeClient, name: str) -> None:
    body = {"metadata": {"name": name}, "spec": {"inputs": [{"url": "fake://fake"}]}}
    await client.create(kube.STREAM, NAMESPACE, body)


async def _pod(client: KubeClient, name: str) -> None:
    body = {
        "metadata": {"name": name, "labels": LABELS},
        "spec": {"schedulerName": "nobody", "containers": [{"name": "c", "image": "none"}]},
    }
    await client.create(kube.POD, NAMESPACE, body)
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    status = {"status": {"phase": "Running", "conditions": [ready], "hostIP": "192.0.2.1"}}
    await client.merge(kube.POD, NAMESPACE, name, status, "status")


class Operator:
    """The operator as a process of its own."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self.started = 0.0
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port: int = free.getsockname()[1]

    async def __aenter__(self) -> "Operator":
        self.started = time.monotonic()
        environ = {**os.environ, "WATCH_NAMESPACE": NAMESPACE, "POD_NAMESPACE": NAMESPACE}
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "media_operator",
            "--log-level=warning",
            f"--health-port={self._port}",
            env={**environ, "POD_NAME": f"operator-{time.time_ns()}"},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(self._process.wait(), 20)
            except TimeoutError:
                self._process.kill()
                raise

    def cpu_seconds(self) -> float:
        assert self._process is not None
        return proc.cpu_seconds(self._process.pid)

    def rss_mib(self) -> float:
        """Peak resident memory."""
        assert self._process is not None
        with open(f"/proc/{self._process.pid}/status") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) / 1024
        return 0.0

    async def until(self, reached: Callable[[dict[str, float]], bool], limit: float) -> float:
        """Seconds since the start until the metrics say so; raises TimeoutError."""
        async with asyncio.timeout(limit):
            while True:
                self._check_alive()
                if reached(await asyncio.to_thread(self.metrics)):
                    return time.monotonic() - self.started
                await asyncio.sleep(0.25)

    def metrics(self) -> dict[str, float]:
        """Samples of the operator by name with labels; empty while it does not answer."""
        url = f"http://127.0.0.1:{self._port}/metrics"
        try:
            with urllib.request.urlopen(url, timeout=5) as reply:
                lines = reply.read().decode().splitlines()
        except OSError:
            return {}
        pairs = (line.rpartition(" ") for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, _, value in pairs}

    def _check_alive(self) -> None:
        assert self._process is not None
        if self._process.returncode is not None:
            raise RuntimeError(f"the operator ended with {self._process.returncode}")


def _total(samples: dict[str, float], prefix: str) -> float:
    return sum(value for name, value in samples.items() if name.startswith(prefix))


def _at_rest(samples: dict[str, float]) -> bool:
    """Leading, has planned at least once, and nothing is left to write."""
    planned = samples.get("media_operator_plan_seconds_count", 0) >= 1
    idle = samples.get("media_operator_pending_writes", 1) == 0
    return bool(samples.get("media_operator_leader")) and planned and idle


async def _cold(client: KubeClient, streams: int) -> list[Figure]:
    server_before = await _server_cpu_seconds(client)
    async with Operator() as operator:
        written = 'media_operator_writes_total{kind="Stream",verb="WriteStatus"}'
        seconds = await operator.until(
            lambda s: s.get(written, 0) >= streams, PLACED_TIMEOUT_SECONDS
        )
        of_operator = operator.cpu_seconds()
        of_server = await _server_cpu_seconds(client) - server_before
        await operator.until(_at_rest, 60)
        patches = operator.metrics().get(written, 0) / streams
        rss = operator.rss_mib()
    cores = os.cpu_count() or 1
    note = (
        f"a Stream cost the API server {1000 * of_server / streams:.1f} ms of CPU, the operator"
        f" {1000 * of_operator / streams:.1f} with its start: {cores} cores cannot in less than"
        f" {(of_server + of_operator) / cores:.0f} s, etcd and all else left out"
    )
    items, _ = await client.list(kube.STREAM, NAMESPACE)
    homes = Counter(item["status"].get("streamer") for item in items)
    spread = max(homes.values()) - min(homes.values())
    return [
        Figure(f"all {streams} Streams placed, from cold", seconds, "s", "< 15 s", note),
        Figure("status writes a Stream", patches, "", "<= 1"),
        Figure("most less least Streams on a streamer", spread, "", "<= 1"),
        Figure("peak memory of the operator", rss, "MiB", "< 256 MiB"),
        Figure("Streams without a streamer", homes.get(None, 0), "", "0"),
    ]


async def _server_cpu_seconds(client: KubeClient) -> float:
    """CPU time of the API server that answers, from its own metrics."""
    reply = await client._open("GET", "/metrics", timeout=METRICS_TIMEOUT_SECONDS)
    for line in (await reply.text()).splitlines():
        if line.startswith("process_cpu_seconds_total "):
            return float(line.split()[1])
    raise RuntimeError("the API server does not tell its CPU time")


async def _requests(client: KubeClient) -> Counter[tuple[str, str]]:
    """Writes by group and resource since the API server started, from its own metrics."""
    reply = await client._open("GET", "/metrics", timeout=METRICS_TIMEOUT_SECONDS)
    found: Counter[tuple[str, str]] = Counter()
    for line in (await reply.text()).splitlines():
        if line.startswith("apiserver_request_total{"):
            labels = dict(re.findall(r'(\w+)="([^"]*)"', line))
            if labels["verb"] in WRITE_VERBS:
                found[labels["group"], labels["resource"]] += int(float(line.rpartition(" ")[2]))
    return found


async def _restart(client: KubeClient, streams: int) -> list[Figure]:
    async with Operator() as operator:
        seconds = await operator.until(_at_rest, 120)
        before = await _requests(client)
        await asyncio.sleep(REST_SECONDS)
        during = await _requests(client) - before
        writes = _total(operator.metrics(), "media_operator_writes_total")
        rss = operator.rss_mib()
    ours = sum(count for (group, _), count in during.items() if group == GROUP)
    leases = sum(count for (_, resource), count in during.items() if resource == "leases")
    return [
        Figure(f"restart with {streams} Streams: ready", seconds, "s", "< 60 s"),
        Figure("writes that the operator counted since the restart", writes, "", "0"),
        Figure(
            f"writes to {GROUP} in {REST_SECONDS:.0f} s at rest",
            ours,
            "",
            "0",
            f"as the API server counts them; Leases: {leases}",
        ),
        Figure("peak memory after the restart", rss, "MiB", "< 256 MiB"),
    ]
