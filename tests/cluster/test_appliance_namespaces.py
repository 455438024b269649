"""One operator and one Central for all namespaces (manifests/overlays/cluster-wide)."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from appliance import Installation, changes, fake_stream, fetch, installed, resource
from local_cluster import Cluster

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

OVERLAY = Path(__file__).parents[2] / "manifests" / "overlays" / "cluster-wide"
QUIET_S = 10.0
"""Several rounds of what Central tells its streamers."""


@pytest.fixture(scope="module")
def everywhere(
    cluster: Cluster, images: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """The appliance, which looks at all namespaces."""
    name = f"test-{secrets.token_hex(4)}"
    folder = tmp_path_factory.mktemp("kustomization")
    with installed(cluster, images, name, folder, overlay=OVERLAY) as installation:
        yield installation


@pytest.fixture
def other(everywhere: Installation, namespace: str) -> Installation:
    """Another namespace of the same appliance, with the copy of the Secret that it needs."""
    secret = everywhere.get("secret", "media-central")
    secret["metadata"] = {"name": "media-central"}
    there = Installation(everywhere.cluster, namespace)
    there.apply(secret)
    return there


def add_server(where: Installation, name: str, image: str) -> str:
    """A pod that no Streamer made stands for a machine elsewhere; its base URL for this host."""

    def secret(variable: str, key: str) -> dict[str, Any]:
        source = {"secretKeyRef": {"name": "media-central", "key": key}}
        return {"name": variable, "valueFrom": source}

    container: dict[str, Any] = {
        "name": "streamer",
        "image": image,
        "env": [
            secret("STREAMER_CLUSTER_KEY", "cluster-key"),
            secret("STREAMER_EDIT_AUTH", "edit-auth"),
            {"name": "STREAMER_STATE_DIR", "value": "/tmp/state"},
        ],
    }
    port = {"name": "http", "port": 80, "targetPort": 8080}
    where.apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": {"app": name}},
            "spec": {"terminationGracePeriodSeconds": 5, "containers": [container]},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name},
            "spec": {"selector": {"app": name}, "ports": [port]},
        },
        resource("Streamer", name, {"apiUrl": f"http://{name}.{where.namespace}.svc"}),
    )
    return where.address(name)


def running(where: Installation, base: str) -> list[str]:
    """Names of the streams that a server has, by its own API."""
    url = f"{base}/streamer/api/v3/streams"
    answer = json.loads(fetch(url, authorization=where.authorization()))
    return sorted(str(stream["name"]) for stream in answer["streams"])


def test_outside_servers_of_one_name_in_two_namespaces(
    everywhere: Installation, other: Installation, images: dict[str, str]
) -> None:
    first = add_server(everywhere, "studio", images["streamer"])
    everywhere.apply(fake_stream("ours", streamer="studio"))
    everywhere.wait_reason("streamer", "studio", "Answers", type_="Reachable", timeout=90)
    everywhere.wait_reason("stream", "ours", "Running")
    everywhere.wait_playing(f"{first}/ours/index.m3u8")
    second = add_server(other, "studio", images["streamer"])
    other.apply(fake_stream("theirs", streamer="studio"))
    clash = other.wait_reason("streamer", "studio", "NameConflict")
    assert everywhere.namespace in clash["message"], clash
    print(clash["message"])
    refused = other.wait_reason("stream", "theirs", "NoStreamerAvailable")
    assert "studio" in refused["message"], refused
    print(refused["message"])
    # The one that has the name is not touched, and neither server gets streams of the other one.
    assert changes(lambda: running(everywhere, first), QUIET_S) == [["ours"]]
    assert changes(lambda: running(other, second), QUIET_S) == [[]]
    assert everywhere.condition("streamer", "studio")["reason"] != "NameConflict"
    everywhere.wait_playing(f"{first}/ours/index.m3u8")
    everywhere.delete("stream", "ours")
    everywhere.delete("streamer", "studio")  # now the name is free
    other.wait_reason("streamer", "studio", "Answers", type_="Reachable", timeout=90)
    other.wait_reason("stream", "theirs", "Running", timeout=90)
    other.wait_playing(f"{second}/theirs/index.m3u8")
    assert running(other, second) == ["theirs"]
    other.delete("stream", "theirs")
    other.delete("streamer", "studio")
