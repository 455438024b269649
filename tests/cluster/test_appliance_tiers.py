"""Pools, GPUs, caches, servers outside the cluster, and what goes wrong with pods."""

from __future__ import annotations

import base64
import json
import urllib.request
from typing import Any

import pytest
from appliance import Installation, decode, fake_stream, fetch, resource
from local_cluster import Cluster, wait_until
from viewers import SegmentViewer

pytestmark = pytest.mark.timeout(300)

STREAMER_IMAGE = "flussonic/streamer:test"
GPU_NODE = "node-2"


def test_gpu_stream_waits_for_a_gpu(installation: Installation) -> None:
    installation.apply(fake_stream("gpu", gpuRequired=True), fake_stream("plain"))
    installation.wait_reason("stream", "plain", "Running")
    waits = installation.wait_reason("stream", "gpu", "NoStreamerAvailable")
    assert "GPU" in waits["message"]
    installation.apply(resource("Streamer", "gpu", {"gpu": {"count": 1}, "drainSeconds": 0}))
    installation.wait_reason("stream", "gpu", "Running", timeout=90)
    assert installation.get("stream", "gpu")["status"]["streamer"] == "streamer-gpu-0"
    pod = installation.get("pod", "streamer-gpu-0")
    assert pod["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"
    if GPU_NODE in installation.cluster.nodes:
        assert pod["spec"]["nodeName"] == GPU_NODE
    installation.wait_playing(f"{installation.media('gpu')}/gpu/index.m3u8")
    installation.delete("stream", "gpu")
    installation.delete("streamer", "gpu")


def segments_of(url: str) -> list[str]:
    """URLs of the segments in the media playlist behind a master playlist."""
    base = url.rpartition("/")[0]
    lines = [line for line in fetch(url).decode().splitlines() if not line.startswith("#")]
    variant = f"{base}/{lines[0]}"
    listed = fetch(variant).decode().splitlines()
    folder = variant.rpartition("/")[0]
    return [f"{folder}/{line}" for line in listed if line and not line.startswith("#")]


def test_cache_keeps_a_segment_from_its_fourth_request(installation: Installation) -> None:
    installation.apply(
        fake_stream("cached"),
        resource("Cache", "edge", {"origins": ["default"], "cache": {"misses": 4}}),
    )
    installation.wait_reason("cache", "edge", "PodsReady", timeout=90)
    installation.wait_playing(f"{installation.media()}/cached/index.m3u8")
    hls = f"{installation.address('cache-edge')}/cached/index.m3u8"
    # Nobody has asked the cache for a segment yet: a player would.
    segment = segments_of(hls)[-1]
    answers = []
    for _ in range(5):
        with urllib.request.urlopen(segment, timeout=10) as response:
            answers.append((response.headers["X-Cache"], response.read()))
    assert [source for source, _ in answers] == ["MISS"] * 4 + ["HIT"]
    assert len({body for _, body in answers}) == 1
    assert decode(hls) >= 60
    installation.delete("cache", "edge")


def test_server_outside_the_cluster(installation: Installation) -> None:
    """A pod that no Streamer made stands for a machine elsewhere."""
    key = {"secretKeyRef": {"name": "media-central", "key": "cluster-key"}}
    container: dict[str, Any] = {
        "name": "streamer",
        "image": STREAMER_IMAGE,
        "env": [
            {"name": "STREAMER_CLUSTER_KEY", "valueFrom": key},
            {"name": "STREAMER_STATE_DIR", "value": "/tmp/state"},
        ],
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "studio", "labels": {"app": "studio"}},
        "spec": {"terminationGracePeriodSeconds": 5, "containers": [container]},
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "studio"},
        "spec": {
            "selector": {"app": "studio"},
            "ports": [{"name": "http", "port": 80, "targetPort": 8080}],
        },
    }
    installation.apply(pod, service)
    url = installation.address("studio")
    installation.apply(
        resource("Streamer", "studio", {"apiUrl": url}),
        fake_stream("outside", streamer="studio"),
    )
    installation.wait_reason("streamer", "studio", "Answers", type_="Reachable", timeout=90)
    installation.wait_reason("stream", "outside", "Running")
    installation.wait_playing(f"{url}/outside/index.m3u8")
    installation.delete("pod", "studio", "--grace-period=1")
    installation.wait_reason("streamer", "studio", "DoesNotAnswer", type_="Reachable", timeout=90)
    lost = installation.wait_reason("stream", "outside", "StreamerNotReady", timeout=90)
    assert "studio" in lost["message"]
    installation.delete("stream", "outside")
    installation.delete("streamer", "studio")


def test_manifest_of_the_vendor_applies_unchanged(installation: Installation) -> None:
    node, address = next(iter(installation.cluster.nodes.items()))
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "streamer"},
        "stringData": {"license": "none", "key": "cluster-secret", "auth": "root:swordfish"},
    }

    def from_secret(key: str) -> dict[str, Any]:
        return {"secretKeyRef": {"name": "streamer", "key": key}}

    spec = {
        "image": "flussonic/streamer",
        "version": "test",
        "nodeName": node,
        "hostPort": 18085,
        "adminHostPort": 18086,
        "licenseKey": from_secret("license"),
        "editAuth": from_secret("auth"),
        "publicUrl": f"http://{address}:18085",
        "logLevel": "info",
        "nvidiaGpuCount": 0,
        "labels": {"rack": "a"},
        "annotations": {"example.com/note": "kept"},
        "env": [{"name": "TZ", "value": "Etc/UTC"}],
        "volumes": [{"name": "films", "mountPath": "/films", "emptyDir": {}}],
        "configExtra": {"more.conf": "log_requests true;\n"},
        "config": {"max_sessions": 123},
        "drainSeconds": 0,
    }
    installation.apply(secret, resource("Streamer", "vendor", spec))
    installation.wait_reason("streamer", "vendor", "PodsReady", timeout=90)
    pod = installation.get("pod", "streamer-vendor-0")
    assert pod["spec"]["nodeName"] == node
    assert pod["metadata"]["labels"]["rack"] == "a"
    assert pod["metadata"]["annotations"]["example.com/note"] == "kept"
    installation.apply(fake_stream("vendor", streamer="vendor"))
    installation.wait_reason("stream", "vendor", "Running")
    urls = installation.get("stream", "vendor")["status"]["urls"]
    assert urls["hls"] == f"http://{address}:18085/vendor/index.m3u8"
    installation.wait_playing(urls["hls"])
    assert decode(urls["hls"]) >= 60
    fetch(f"http://{address}:18086/streamer/api/v3/monitoring/liveness")
    login = base64.b64encode(b"root:swordfish").decode()
    config = json.loads(
        fetch(f"http://{address}:18086/streamer/api/v3/config", authorization=f"Basic {login}")
    )
    assert config["max_sessions"] == 123
    assert config["log_requests"] is True
    assert "ERROR configuration" not in installation.kubectl("logs", "streamer-vendor-0")
    installation.delete("stream", "vendor")
    installation.delete("streamer", "vendor")


def test_image_that_does_not_exist_is_named(installation: Installation) -> None:
    spec = {"image": "localhost/nothing", "version": "0", "imagePullPolicy": "Never"}
    installation.apply(
        resource("Streamer", "broken", spec), fake_stream("broken", streamer="broken")
    )
    problem = installation.wait_reason("streamer", "broken", "PodProblem", timeout=90)
    assert "localhost/nothing:0" in problem["message"]
    wait_until(
        lambda: "localhost/nothing:0" in installation.condition("stream", "broken")["message"],
        "the stream says why it waits",
        30,
    )
    installation.patch("streamer", "broken", {"image": STREAMER_IMAGE, "imagePullPolicy": None})
    installation.wait_reason("stream", "broken", "Running", timeout=90)
    installation.delete("stream", "broken")
    installation.delete("streamer", "broken")


def test_streams_outlive_their_streamer(installation: Installation) -> None:
    installation.apply(
        fake_stream("anywhere"),  # which the default pool is made for
        resource("Streamer", "second", {"drainSeconds": 5}),
    )
    installation.wait_reason("streamer", "second", "PodsReady", timeout=90)
    installation.apply(fake_stream("homeless", preferredStreamer="second"))
    installation.wait_reason("stream", "homeless", "Running")
    assert installation.get("stream", "homeless")["status"]["streamer"] == "streamer-second-0"
    installation.wait_playing(f"{installation.media('second')}/homeless/index.m3u8")
    installation.delete("streamer", "second")

    def home() -> str:
        return str(installation.get("stream", "homeless")["status"].get("streamer", ""))

    wait_until(lambda: home() not in ("", "streamer-second-0"), "the stream moves", 90)
    pool = home().removeprefix("streamer-").rpartition("-")[0]
    installation.wait_playing(f"{installation.media(pool)}/homeless/index.m3u8")
    installation.delete("stream", "homeless")


def test_rolling_restart_under_a_viewer(
    cluster: Cluster, installation: Installation, record_property: pytest.RecordProperty
) -> None:
    installation.apply(
        resource("Streamer", "roll", {"replicas": 2, "drainSeconds": 8}),
        fake_stream("rolling", streamer="roll", segment_duration=1000),
    )
    installation.wait_reason("streamer", "roll", "PodsReady", timeout=90)
    installation.wait_reason("stream", "rolling", "Running")
    url = f"{installation.media('roll')}/rolling/index.m3u8"
    installation.wait_playing(url)
    before = {name: _uid(installation, name) for name in ("streamer-roll-0", "streamer-roll-1")}
    with SegmentViewer(url) as viewer:
        wait_until(lambda: viewer.segments > 2, "the viewer watches", 30)
        installation.patch("streamer", "roll", {"env": [{"name": "TZ", "value": "Etc/UTC"}]})
        for name, uid in before.items():
            wait_until(
                lambda name=name, uid=uid: _uid(installation, name) not in ("", uid),
                f"{name} is replaced",
                120,
                1.0,
                installation.describe,
            )
        installation.wait_reason("streamer", "roll", "PodsReady", timeout=90)
        segments = viewer.segments
        wait_until(lambda: viewer.segments > segments + 2, "the viewer watches on", 30)
        gap = viewer.longest_gap
    record_property("longest_gap_seconds", round(gap, 1))
    print(f"longest time without a segment: {gap:.1f} s")
    assert gap < 15
    installation.delete("stream", "rolling")
    installation.delete("streamer", "roll")


def _uid(installation: Installation, pod: str) -> str:
    """The identity of a ready pod; empty if there is none."""
    body = installation.get("pod", pod)
    statuses = (body.get("status") or {}).get("containerStatuses") or [{}]
    return str(body["metadata"]["uid"]) if body and statuses[0].get("ready") else ""
