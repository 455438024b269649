"""Viewers watch while pods are replaced: by a changed spec, an image, a restart, a drained node."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from appliance import Installation, fake_stream, resource, split_tag
from local_cluster import Cluster, wait_until
from viewers import Audience, watched

pytestmark = pytest.mark.timeout(400)

HLS_GAP_S = 15.0
RTMP_GAP_S = 8.0
"""Upper bounds, for a busy machine; the figures are in docs/reliability.md."""
DRAIN_S = 8
PODS = ("streamer-roll-0", "streamer-roll-1")
STREAMS = ("rolling", "second")


@pytest.fixture
def pool(installation: Installation) -> Iterator[str]:
    """A pool of two with two streams; the base URL of its media."""
    installation.cluster.need_addresses()
    installation.apply(
        resource("Streamer", "roll", {"replicas": 2, "drainSeconds": DRAIN_S}),
        *(fake_stream(name, streamer="roll", segment_duration=1000) for name in STREAMS),
    )
    installation.wait_reason("streamer", "roll", "PodsReady", timeout=90)
    url = installation.media("roll")
    for name in STREAMS:
        installation.wait_reason("stream", name, "Running")
        installation.wait_playing(f"{url}/{name}/index.m3u8")
    yield url
    installation.delete("stream", *STREAMS)
    installation.delete("streamer", "roll")


@pytest.fixture
def next_image(cluster: Cluster, images: dict[str, str], tmp_path: Path) -> str:
    """The streamer with a further layer, so another image."""
    if "next" in images:
        return images["next"]
    (tmp_path / "Dockerfile").write_text(
        "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nLABEL org.opencontainers.image.version=next\n"
    )
    tag = f"{split_tag(images['streamer'])[0]}:next"
    built_from = {"BASE_IMAGE": images["streamer"]}
    cluster.build_image(tag, tmp_path / "Dockerfile", tmp_path, built_from)
    return tag


def check(audience: Audience, record_property: pytest.RecordProperty) -> None:
    """Every viewer still gets media, was refused nothing, and never waited long."""
    audience.wait_for_more()
    figures = audience.figures()
    record_property("viewers", figures)
    print(f"viewers: {figures}")
    assert figures["failed"] == []
    assert max(figures[f"{name}_gap"] for name in ("new_connections", "hls", "llhls")) < HLS_GAP_S
    assert figures["rtmp_gap"] < RTMP_GAP_S


def wait_replaced(installation: Installation, before: dict[str, str]) -> None:
    """Wait until the pool is said to be ready: every pod is another one then."""
    wait_until(
        lambda: is_ready_as_now(installation.get("streamer", "roll")),
        "the pool is ready as its spec is now",
        240,
        1.0,
        installation.describe,
    )
    after = uids(installation)
    assert all(after[name] not in ("", uid) for name, uid in before.items()), after


def is_ready_as_now(streamer: dict[str, Any]) -> bool:
    """As `kubectl wait` and Argo CD judge: the present generation was seen, and is ready."""
    conditions = streamer["status"]["conditions"]
    ready = next(condition for condition in conditions if condition["type"] == "Ready")
    seen = streamer["status"]["observedGeneration"] == streamer["metadata"]["generation"]
    return seen and ready["status"] == "True"


def ready_uid(installation: Installation, pod: str) -> str:
    """The identity of a ready pod; empty if there is none."""
    body = installation.get("pod", pod)
    statuses = (body.get("status") or {}).get("containerStatuses") or [{}]
    return str(body["metadata"]["uid"]) if body and statuses[0].get("ready") else ""


def uids(installation: Installation) -> dict[str, str]:
    """Pod -> its identity."""
    return {name: ready_uid(installation, name) for name in PODS}


def test_changed_spec_under_viewers(
    installation: Installation, pool: str, record_property: pytest.RecordProperty
) -> None:
    before = uids(installation)
    with watched(pool, STREAMS) as audience:
        installation.patch("streamer", "roll", {"env": [{"name": "TZ", "value": "Etc/UTC"}]})
        wait_replaced(installation, before)
        check(audience, record_property)


@pytest.mark.long
def test_new_image_under_viewers(
    installation: Installation,
    next_image: str,
    pool: str,
    record_property: pytest.RecordProperty,
) -> None:
    before = uids(installation)
    with watched(pool, STREAMS) as audience:
        installation.patch("streamer", "roll", {"image": next_image})
        wait_replaced(installation, before)
        check(audience, record_property)
    for name in PODS:
        container = installation.get("pod", name)["status"]["containerStatuses"][0]
        assert container["image"].endswith(next_image)


@pytest.mark.long
def test_image_that_cannot_be_pulled_leaves_the_old_pods(
    installation: Installation,
    images: dict[str, str],
    pool: str,
    record_property: pytest.RecordProperty,
) -> None:
    before = uids(installation)
    image = f"{split_tag(images['streamer'])[0]}:not-there"
    with watched(pool, STREAMS) as audience:
        installation.patch("streamer", "roll", {"image": image})
        problem = installation.wait_reason("streamer", "roll", "PodProblem", timeout=90)
        assert image in problem["message"]
        # The new pod is one more than the pool has: no old one went for it.
        serving = [name for name, uid in uids(installation).items() if uid == before.get(name)]
        assert serving == sorted(before), installation.describe()
        installation.patch("streamer", "roll", {"image": None})
        installation.wait_reason("streamer", "roll", "PodsReady", timeout=120)
        assert [ready_uid(installation, name) for name in serving] == list(before.values())
        check(audience, record_property)


def restart(installation: Installation) -> None:
    """`kubectl rollout restart` of the pool, until all of its pods are others."""
    before = uids(installation)
    installation.kubectl("rollout", "restart", "statefulset/streamer-roll")
    wait_until(
        lambda: installation.condition("streamer", "roll").get("reason") == "RollingOut",
        "the operator sees the restart",
        60,
    )
    wait_replaced(installation, before)


@pytest.mark.long
def test_rollout_restart_under_viewers(
    installation: Installation, pool: str, record_property: pytest.RecordProperty
) -> None:
    with watched(pool, STREAMS) as audience:
        restart(installation)
        check(audience, record_property)


@pytest.mark.long
def test_addresses_of_a_node_port_stay_in_a_rollout(
    installation: Installation, pool: str, record_property: pytest.RecordProperty
) -> None:
    """Viewers come by the URLs that the stream's status tells: a node and ports of the Service,
    which any pod answers. A `hostPort` is answered by the pod of that node only."""
    installation.patch("streamer", "roll", {"service": {"type": "NodePort"}})

    def told(stream: str = STREAMS[0]) -> dict[str, Any]:
        """`urls` of its status."""
        status = installation.get("stream", stream).get("status") or {}
        return dict(status.get("urls") or {})

    outside = [f"http://{address}:" for address in installation.cluster.nodes.values()]
    wait_until(
        lambda: str(told().get("hls")).startswith(tuple(outside)), "the node port is told", 60
    )
    hls, rtmp = told()["hls"], urllib.parse.urlsplit(told()["rtmp"])
    base = hls.removesuffix(f"/{STREAMS[0]}/index.m3u8")
    with watched(base, STREAMS, rtmp.port or 0) as audience:
        restart(installation)
        check(audience, record_property)
    assert urllib.parse.urlsplit(told()["hls"]).port == urllib.parse.urlsplit(hls).port
    installation.wait_playing(hls)


@pytest.mark.long
@pytest.mark.parametrize("size", [1, 2])
def test_drained_node_under_viewers(
    installation: Installation, pool: str, size: int, record_property: pytest.RecordProperty
) -> None:
    if len(installation.cluster.nodes) < 2:
        pytest.skip("one node: nothing can go elsewhere")
    # A pool of one has nobody else until its second pod has started.
    installation.patch("streamer", "roll", {"replicas": size, "drainSeconds": 30 // size})
    wait_until(
        lambda: (
            is_ready_as_now(installation.get("streamer", "roll"))
            and len(installation.list("pods", "app.kubernetes.io/instance=roll")) == size
        ),
        f"the pool has {size} pods",
        180,
        1.0,
        installation.describe,
    )
    before = uids(installation)
    node = installation.get("pod", PODS[0])["spec"]["nodeName"]
    try:
        with watched(pool, STREAMS) as audience:
            selector = "app.kubernetes.io/instance=roll"
            options = ["--ignore-daemonsets", "--delete-emptydir-data", "--timeout=200s"]
            pods = ["--pod-selector", selector]
            installation.kubectl("drain", node, *options, *pods, timeout=220)

            def all_elsewhere() -> bool:
                now = uids(installation)
                homes = [installation.get("pod", name) for name in PODS[:size]]
                return all(now[name] for name in PODS[:size]) and not any(
                    body["spec"].get("nodeName") == node for body in homes
                )

            wait_until(all_elsewhere, "the pods are elsewhere", 120, 1.0, installation.describe)
            check(audience, record_property)
    finally:
        installation.kubectl("uncordon", node)
    assert uids(installation)[PODS[0]] != before[PODS[0]]
