"""Pools, GPUs, caches, servers outside the cluster, and what goes wrong with pods."""

from __future__ import annotations

import base64
import json
import threading
import time
import urllib.parse
import urllib.request
from typing import Any

import pytest
from appliance import Installation, decode, fake_stream, fetch, resource, split_tag
from local_cluster import Cluster, wait_until

from tests.support.fault_viewers import Viewer

pytestmark = pytest.mark.timeout(300)

GPU_NODE = "node-2"


def test_gpu_stream_waits_for_a_gpu(installation: Installation) -> None:
    if not has_gpus(installation.cluster):
        pytest.skip("no node offers nvidia.com/gpu")
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


def has_gpus(cluster: Cluster) -> bool:
    """Whether a node offers GPUs."""
    nodes = json.loads(cluster.kubectl("get", "nodes", "-o", "json"))["items"]
    return any(node["status"]["allocatable"].get("nvidia.com/gpu") for node in nodes)


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
    # The streamer counts the viewer, not the cache.
    url = f"{installation.media()}/streamer/api/v3/sessions?name=cached&user_agent_like=Lavf"
    sessions = json.loads(fetch(url, authorization=installation.authorization()))["sessions"]
    pod = installation.get("pod", "cache-edge-0")
    assert sessions
    assert pod["status"]["podIP"] not in {session["ip"] for session in sessions}
    installation.delete("cache", "edge")


@pytest.mark.long
def test_cache_keeps_its_files_on_the_users_volume(installation: Installation) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "ssd"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    volume = {
        "name": "cache",  # as ours is called
        "mountPath": "/var/cache/media",
        "persistentVolumeClaim": {"claimName": "ssd"},
    }
    spec = {"volumes": [volume], "drainSeconds": 0}
    installation.apply(claim, fake_stream("kept"), resource("Cache", "ssd", spec))
    installation.wait_reason("cache", "ssd", "PodsReady", timeout=90)
    installation.wait_playing(f"{installation.media()}/kept/index.m3u8")
    hls = f"{installation.address('cache-ssd')}/kept/index.m3u8"
    segment = segments_of(hls)[-1]
    assert answered_from(segment) == ["MISS", "HIT"]
    installation.delete("pod", "cache-ssd-0")
    installation.wait_ready("cache", timeout=90)
    installation.wait_playing(hls)  # the viewer's leave, which is not on the volume
    assert answered_from(segment) == ["HIT", "HIT"]
    installation.delete("cache", "ssd")
    installation.delete("stream", "kept")


def answered_from(url: str) -> list[str]:
    """Two requests: where the cache took the answers from."""
    sources = []
    for _ in range(2):
        with urllib.request.urlopen(url, timeout=10) as response:
            sources.append(response.headers["X-Cache"])
            response.read()
    return sources


@pytest.mark.long
def test_server_outside_the_cluster(installation: Installation, images: dict[str, str]) -> None:
    """A pod that no Streamer made stands for a machine elsewhere."""
    key = {"secretKeyRef": {"name": "media-central", "key": "cluster-key"}}
    container: dict[str, Any] = {
        "name": "streamer",
        "image": images["streamer"],
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
    api = f"http://studio.{installation.namespace}.svc"
    installation.apply(
        resource("Streamer", "studio", {"apiUrl": api}),
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


@pytest.mark.long
def test_manifest_of_the_vendor_applies_unchanged(
    installation: Installation, images: dict[str, str]
) -> None:
    installation.cluster.need_addresses()
    image, tag = split_tag(images["streamer"])
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
        "image": image,
        "version": tag,
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


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "spec", "has_rtmp"),
    [
        ("host-port", {"hostPort": 18087}, False),
        ("node-port", {"service": {"type": "NodePort"}}, True),
        ("allotted", {"hostPorts": {"allot": ["http", "rtmp"]}}, True),
    ],
)
def test_every_url_that_is_told_plays(
    installation: Installation, name: str, spec: dict[str, Any], has_rtmp: bool
) -> None:
    installation.cluster.need_addresses()
    installation.apply(
        resource("Streamer", name, {**spec, "drainSeconds": 0}), fake_stream(name, streamer=name)
    )
    installation.wait_reason("stream", name, "Running", timeout=90)
    installation.wait_playing(installation.get("stream", name)["status"]["urls"]["hls"])

    def told_by_central() -> set[str]:
        _, answer = installation.call("GET", f"streams/{name}")
        return {entry["url"] for entry in answer["stats"].get("play_urls") or []}

    urls = installation.get("stream", name)["status"]["urls"]
    assert ("rtmp" in urls) == has_rtmp
    wait_until(lambda: told_by_central() == set(urls.values()), "Central tells the same", 30)
    for form in sorted({"hls", "tshttp", "flv", "rtmp"} & urls.keys()):
        installation.wait_playing(urls[form], timeout=20)
    installation.delete("stream", name)
    installation.delete("streamer", name)


@pytest.mark.long
def test_srt_by_the_service(installation: Installation) -> None:
    """Datagrams to the Service's own address, and to a port of a node that it was allotted."""
    installation.cluster.need_addresses()
    service = {"type": "NodePort", "srt": 9000}
    pool = resource("Streamer", "srt", {"replicas": 2, "drainSeconds": 0, "service": service})
    installation.apply(pool, fake_stream("by-srt", streamer="srt"))
    installation.wait_reason("streamer", "srt", "PodsReady", timeout=90)
    installation.wait_reason("stream", "by-srt", "Running", timeout=90)
    told = urllib.parse.urlsplit(installation.get("stream", "by-srt")["status"]["urls"]["srt"])
    assert told.port
    own_address = urllib.parse.urlsplit(installation.media("srt")).hostname
    viewers = [
        Viewer("srt", "by-srt", {"srt": port}, str(host))
        for host, port in ((told.hostname, told.port), (own_address, 9000))
    ]
    threads = [threading.Thread(target=viewer.watch, daemon=True) for viewer in viewers]
    for thread in threads:
        thread.start()
    wait_until(
        lambda: all(viewer.has_media for viewer in viewers),
        "SRT brings media by both ways",
        60,
        0.25,
        installation.describe,
    )
    for viewer in viewers:
        viewer.ended.set()
    for thread in threads:
        thread.join(15)
    installation.delete("stream", "by-srt")
    installation.delete("streamer", "srt")


@pytest.mark.long
def test_pool_sleeps_until_somebody_asks_and_grows(
    installation: Installation, record_property: pytest.RecordProperty
) -> None:
    installation.cluster.need_addresses()
    spec = {"minReplicas": 0, "maxReplicas": 2, "channelLimit": 3, "drainSeconds": 0}
    installation.apply(
        resource("Streamer", "night", {**spec, "service": {"type": "NodePort"}}),
        fake_stream("on-demand", streamer="night", static=False),
    )
    installation.wait_reason("stream", "on-demand", "Asleep")
    selector = "app.kubernetes.io/instance=night"
    wait_until(lambda: not installation.list("pods", selector), "it has no pods", 30)
    began = time.monotonic()
    # The request waits for the pod and is sent there.
    central = f"{installation.address('media-central')}/streamer/api/v3"
    assert fetch(f"{central}/lb/any/on-demand/index.m3u8", 60).startswith(b"#EXTM3U")
    seconds = round(time.monotonic() - began, 1)
    record_property("seconds_until_a_playlist", seconds)
    print(f"a playlist {seconds} s after the first request")
    names = [f"night-{number}" for number in range(3)]
    installation.apply(*(fake_stream(name, streamer="night") for name in names))
    for name in names:
        installation.wait_reason("stream", name, "Running", timeout=120)
    homes = {installation.get("stream", name)["status"]["streamer"] for name in names}
    assert homes == {"streamer-night-0", "streamer-night-1"}
    installation.delete("stream", "on-demand", *names)
    installation.delete("streamer", "night")


@pytest.mark.long
def test_image_that_does_not_exist_is_named(
    installation: Installation, images: dict[str, str]
) -> None:
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
    installation.patch("streamer", "broken", {"image": images["streamer"], "imagePullPolicy": None})
    installation.wait_reason("stream", "broken", "Running", timeout=90)
    installation.delete("stream", "broken")
    installation.delete("streamer", "broken")


@pytest.mark.long
def test_streams_outlive_their_streamer(installation: Installation) -> None:
    pools = ("second", "refuge")  # the default pool is made only where no other one ever was
    installation.apply(*(resource("Streamer", name, {"drainSeconds": 5}) for name in pools))
    for name in pools:
        installation.wait_reason("streamer", name, "PodsReady", timeout=90)
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
    installation.delete("streamer", "refuge")
