"""A pool that the autoscaler of Kubernetes sizes, by what Prometheus has of Central.

The queries are those of `manifests/samples/autoscaling-keda.yaml`, and the autoscaler is made as
KEDA makes one of a ScaledObject: external metrics, an average for each pod.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from appliance import Installation, fake_stream, is_ready, resource
from external_metrics import external_metrics, prometheus, value_of
from local_cluster import wait_until

pytestmark = [pytest.mark.long, pytest.mark.timeout(500)]

SAMPLE = Path(__file__).parents[2] / "manifests" / "samples" / "autoscaling-keda.yaml"
POOL = "live"
CHANNELS_EACH = 2
STREAMS = [f"auto{number}" for number in range(5)]
SCALE_TIMEOUT_S = 150.0
"""The autoscaler looks each 15 s, and a pod drains for some seconds."""


def sample() -> tuple[dict[str, Any], dict[str, str]]:
    """The ScaledObject, and metric -> its query."""
    documents = list(yaml.safe_load_all(SAMPLE.read_text()))
    scaled = next(one for one in documents if one["kind"] == "ScaledObject")
    triggers = scaled["spec"]["triggers"]
    queries = {f"s{n}-prometheus": one["metadata"]["query"] for n, one in enumerate(triggers)}
    return scaled["spec"], queries


def autoscaler(scaled: dict[str, Any], queries: dict[str, str]) -> dict[str, Any]:
    """What KEDA makes of it. Two channels are much here; of the rest, which others on this machine
    use up as well, nothing is."""
    thresholds = {
        name: CHANNELS_EACH if "streamer_streams" in query else 10**9
        for name, query in queries.items()
    }
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": f"keda-hpa-{POOL}"},
        "spec": {
            "scaleTargetRef": scaled["scaleTargetRef"],
            "minReplicas": 1,
            "maxReplicas": 3,
            "metrics": [
                {
                    "type": "External",
                    "external": {
                        "metric": {"name": name},
                        "target": {"type": "AverageValue", "averageValue": str(threshold)},
                    },
                }
                for name, threshold in thresholds.items()
            ],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}},
        },
    }


def pods_of(installation: Installation) -> list[str]:
    """Names of the pool's pods that are ready and stay."""
    found = installation.list("pods", f"app.kubernetes.io/instance={POOL}")
    return sorted(pod["metadata"]["name"] for pod in found if is_ready(pod))


def wait_size(installation: Installation, size: int) -> None:
    names = [f"streamer-{POOL}-{number}" for number in range(size)]
    wait_until(
        lambda: pods_of(installation) == names,
        f"the pool has {size} pods",
        SCALE_TIMEOUT_S,
        1.0,
        lambda: (
            installation.describe()
            + json.dumps(installation.get("hpa", f"keda-hpa-{POOL}").get("status"), indent=1)
        ),
    )
    assert installation.get("streamer", POOL)["spec"]["replicas"] == size


def test_pool_follows_its_channels(installation: Installation, tmp_path: Path) -> None:
    installation.cluster.need_addresses()
    scaled, queries = sample()
    channels = next(query for query in queries.values() if "streamer_streams" in query)
    pool = resource("Streamer", POOL, {"replicas": 1, "drainSeconds": 3})
    installation.apply(pool, *(fake_stream(name, streamer=POOL) for name in STREAMS[:1]))
    installation.wait_reason("stream", STREAMS[0], "Running", timeout=90)
    with (
        prometheus(installation, tmp_path) as url,
        external_metrics(installation, tmp_path, url, queries),
    ):
        wait_until(lambda: value_of(url, channels) == 1.0, "Prometheus counts the stream", 60, 0.5)
        installation.apply(autoscaler(scaled, queries))
        installation.apply(*(fake_stream(name, streamer=POOL) for name in STREAMS[1:]))
        wait_size(installation, 3)
        for query in queries.values():
            assert value_of(url, query) is not None, query
        events = installation.kubectl("get", "events", "-o", "json")
        reasons = [
            item["message"]
            for item in json.loads(events)["items"]
            if item["involvedObject"]["kind"] == "HorizontalPodAutoscaler"
        ]
        print("\n".join(reasons))
        assert any("external metric" in reason and "above target" in reason for reason in reasons)
        # What is new goes where there is room, which is on the pods that came.
        installation.apply(fake_stream("later", streamer=POOL))
        installation.wait_reason("stream", "later", "Running")
        status = installation.get("stream", "later")["status"]
        assert status["streamer"] != f"streamer-{POOL}-0", status

        installation.delete("stream", *STREAMS[:4])
        wait_size(installation, 1)
        for name in (STREAMS[4], "later"):
            installation.wait_playing(f"{installation.media(POOL)}/{name}/index.m3u8")
        installation.delete("hpa", f"keda-hpa-{POOL}")
    installation.delete("stream", STREAMS[4], "later")
    installation.delete("streamer", POOL)
