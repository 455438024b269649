"""What happens to a running stream when a part of the appliance, or a node, is taken away."""

from __future__ import annotations

import time

import pytest
from appliance import Installation, fake_stream, is_ready, resource
from local_cluster import Cluster, LocalCluster, wait_until
from viewers import SegmentViewer

pytestmark = pytest.mark.timeout(400)

SEGMENT_MS = 1000
CONTROL_PLANE = ["operator", "central", "postgresql"]
# A viewer's pause when nothing is wrong: a segment's length, and the polls of the viewer.
USUAL_GAP_S = 6.0


def watched(installation: Installation, name: str) -> str:
    """A stream of short segments that plays; the URL of its HLS."""
    installation.apply(fake_stream(name, segment_duration=SEGMENT_MS))
    installation.wait_reason("stream", name, "Running")
    url = f"{installation.media()}/{name}/index.m3u8"
    installation.wait_playing(url)
    return url


def test_killed_pod_plays_again(
    installation: Installation, record_property: pytest.RecordProperty
) -> None:
    base = watched(installation, "pod-killed").removesuffix("/index.m3u8")
    installation.wait_ready("central")
    before = installation.get("pod", "streamer-default-0")["metadata"]["uid"]
    began = time.monotonic()
    installation.kill("streamer")

    def is_replaced() -> bool:
        pod = installation.get("pod", "streamer-default-0")
        return bool(pod) and is_ready(pod) and pod["metadata"]["uid"] != before

    wait_until(is_replaced, "the pod is replaced and ready", 60)
    installation.wait_playing(f"{base}/mpegts")
    seconds = time.monotonic() - began
    record_property("seconds_until_a_picture", round(seconds, 1))
    print(f"a picture {seconds:.1f} s after the pod was killed")
    installation.wait_playing(f"{base}/index.m3u8")
    installation.wait_reason("stream", "pod-killed", "Running")


@pytest.mark.parametrize(
    "parts",
    [
        *(pytest.param([one], marks=pytest.mark.long) for one in CONTROL_PLANE),
        CONTROL_PLANE,
    ],
    ids="+".join,
)
def test_stream_goes_on_without(installation: Installation, parts: list[str]) -> None:
    url = watched(installation, "goes-on")
    with SegmentViewer(url) as viewer:
        wait_until(lambda: viewer.segments > 2, "the viewer watches", 30)
        installation.kill(*parts)
        for part in parts:
            installation.wait_ready(part)
        name = f"after-{'-'.join(parts)}"
        body = {"inputs": [{"url": "fake://fake"}]}
        assert installation.wait_call("PUT", f"streams/{name}", body)[0] == 200
        installation.wait_reason("stream", name, "Running", timeout=90)
        installation.wait_playing(f"{installation.media()}/{name}/index.m3u8")
        gap = viewer.longest_gap
    assert gap < USUAL_GAP_S
    assert installation.call("DELETE", f"streams/{name}")[0] == 204


@pytest.mark.long
def test_history_is_kept_over_a_restart_of_the_database(installation: Installation) -> None:
    watched(installation, "history")

    def events() -> int:
        status, answer = installation.wait_call("GET", "streams/history/events")
        return len(answer["events"]) if status == 200 else 0

    wait_until(lambda: events() > 0, "events of the stream are kept", 60, 1.0)
    before = events()
    installation.kill("postgresql")
    installation.wait_ready("postgresql")
    wait_until(lambda: events() >= before, "the events are still there", 60, 1.0)


@pytest.mark.long
@pytest.mark.timeout(500)
def test_streams_of_a_dead_node_run_elsewhere(
    cluster: Cluster, installation: Installation, record_property: pytest.RecordProperty
) -> None:
    if not isinstance(cluster, LocalCluster):
        pytest.skip("not the local cluster: its nodes cannot be cut off")
    url = watched(installation, "moves")
    node = _node_of(installation, "moves")
    cluster.kill_node(node)
    try:
        began = time.monotonic()
        installation.apply(fake_stream("meanwhile"))
        wait_until(
            lambda: _node_of(installation, "moves") not in ("", node),
            "the stream runs on another node",
            180,
            1.0,
            installation.describe,
        )
        installation.wait_playing(url, 60)
        seconds = time.monotonic() - began
        record_property("seconds_until_a_picture", round(seconds))
        print(f"a picture {seconds:.0f} s after the node died")
        installation.wait_reason("stream", "meanwhile", "Running", timeout=120)
    finally:
        cluster.start_node(node)
    for part in (*CONTROL_PLANE, "streamer"):
        installation.wait_ready(part)


def _node_of(installation: Installation, stream: str) -> str:
    """The node of the ready pod that runs a stream; empty if there is none."""
    pod = (installation.get("stream", stream).get("status") or {}).get("streamer", "")
    body = installation.get("pod", pod) if pod else {}
    return str(body["spec"].get("nodeName", "")) if body and is_ready(body) else ""


@pytest.mark.long
@pytest.mark.timeout(500)
def test_streams_of_a_dead_node_move_before_kubernetes_gives_it_up(
    cluster: Cluster, installation: Installation, record_property: pytest.RecordProperty
) -> None:
    """Central asks the pods itself; another pod of the pool is there to take the streams."""
    if not isinstance(cluster, LocalCluster):
        pytest.skip("not the local cluster: its nodes cannot be cut off")
    names = ("twin-a", "twin-b")
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app.kubernetes.io/instance": "twins"}},
    }
    spec = {"replicas": 2, "drainSeconds": 0, "topologySpreadConstraints": [spread]}
    installation.apply(
        resource("Streamer", "twins", spec),
        *(fake_stream(name, streamer="twins", segment_duration=SEGMENT_MS) for name in names),
    )
    installation.wait_reason("streamer", "twins", "PodsReady", timeout=120)
    for name in names:
        installation.wait_reason("stream", name, "Running")
    lost = names[0]
    home = installation.get("stream", lost)["status"]["streamer"]
    [other] = {"streamer-twins-0", "streamer-twins-1"} - {home}
    node = _node_of(installation, lost)
    _move_away(installation, node, *CONTROL_PLANE)
    url = f"http://{installation.get('pod', other)['status']['podIP']}:8080/{lost}/mpegts"
    cluster.kill_node(node)
    try:
        began = time.monotonic()
        wait_until(
            lambda: installation.get("stream", lost)["status"].get("streamer") == other,
            "the stream is placed on the other pod",
            120,
            0.1,
            installation.describe,
        )
        placed = time.monotonic() - began
        still_ready = is_ready(installation.get("pod", home))
        told = installation.condition("streamer", "twins", "Reachable")
        installation.wait_playing(url, 60)
        figures = {"placed": round(placed, 1), "picture": round(time.monotonic() - began, 1)}
        record_property("seconds_after_the_node_died", figures)
        print(f"seconds after the node died: {figures}; ready for Kubernetes: {still_ready}")
        assert home in told.get("message", "") or not still_ready, told
    finally:
        cluster.start_node(node)
    for part in (*CONTROL_PLANE, "streamer"):
        installation.wait_ready(part)
    installation.delete("stream", *names)
    installation.delete("streamer", "twins")


def _move_away(installation: Installation, node: str, *components: str) -> None:
    """Have the pods of these parts that are on a node made again on another one."""
    installation.kubectl("cordon", node)
    try:
        for component in components:
            for name in installation.pods(component):
                if installation.get("pod", name)["spec"].get("nodeName") == node:
                    installation.kubectl("delete", "pod", name, "--grace-period=1")
        for component in components:
            installation.wait_ready(component)
    finally:
        installation.kubectl("uncordon", node)
