"""Archive volumes on running pods: claimed, kept through kills and drains, left when asked to."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from appliance import Installation, decode, fake_stream, is_ready, resource
from local_cluster import wait_until

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]

POOL = "recorders"
STREAM = "kept"
MOVE_AFTER_S = 10
DRAIN_S = 5
RECORDED_S = 60.0
LOST_S = 3.0
"""Longer than a segment: what an orderly end may cost is less."""


@pytest.fixture(scope="module")
def recorders(installation: Installation) -> Iterator[Installation]:
    """A pool of two with a volume each, and a stream that is recorded in it."""
    archive = {"size": "1Gi", "moveAfterSeconds": MOVE_AFTER_S}
    spec = {"replicas": 2, "drainSeconds": DRAIN_S, "archive": archive}
    dvr = {"reference": "archive", "expiration": 3600}
    installation.apply(
        resource("Streamer", POOL, spec),
        fake_stream(STREAM, streamer=POOL, segment_duration=1000, dvr=dvr),
    )
    installation.wait_reason("streamer", POOL, "VolumesBound", type_="ArchiveReady", timeout=90)
    installation.wait_reason("streamer", POOL, "PodsReady", timeout=90)
    installation.wait_reason("stream", STREAM, "Running")
    wait_until(lambda: recording(installation) == "Recorded", "it is recorded", RECORDED_S)
    yield installation
    installation.delete("stream", STREAM)
    installation.delete("streamer", POOL)


def recording(installation: Installation) -> str:
    """Reason of the condition `Recording`; it is of Central, which sees no generations."""
    status = installation.get("stream", STREAM).get("status") or {}
    found = [c["reason"] for c in status.get("conditions") or [] if c["type"] == "Recording"]
    return str(found[0]) if found else ""


def home(installation: Installation) -> str:
    """The pod that runs the stream."""
    return str((installation.get("stream", STREAM).get("status") or {}).get("streamer", ""))


def ranges(installation: Installation) -> list[tuple[float, float]]:
    """What is recorded where the stream runs, in Unix seconds; nothing while nobody answers."""
    status, answer = installation.wait_call("GET", f"streams/{STREAM}/dvr/ranges")
    found = answer["ranges"] if status == 200 else []
    return [(one["opened_at"] / 1000, one["closed_at"] / 1000) for one in found]


def wait_recorded(installation: Installation, after: float) -> list[tuple[float, float]]:
    """Wait until some seconds after a moment are recorded."""
    found: list[tuple[float, float]] = []

    def reached() -> bool:
        found[:] = ranges(installation)
        return bool(found) and found[-1][1] > after + 3 and found[-1][0] > after

    wait_until(reached, "it is recorded again", 120, 0.5, lambda: str(found))
    return found


def wait_replaced(installation: Installation, pod: str, uid: str) -> None:
    def replaced() -> bool:
        body = installation.get("pod", pod)
        return bool(body) and body["metadata"]["uid"] != uid and is_ready(body)

    wait_until(replaced, f"{pod} is another one and ready", 120, 0.5, installation.describe)


def test_killed_pod_comes_back_to_its_volume(recorders: Installation) -> None:
    pod = home(recorders)
    wait_until(lambda: span(ranges(recorders)) > 5, "some seconds are recorded", 60)
    before = ranges(recorders)
    uid = recorders.get("pod", pod)["metadata"]["uid"]
    killed = time.time()
    recorders.kubectl("delete", "pod", pod, "--grace-period=0", "--force")
    wait_replaced(recorders, pod, uid)
    recorders.wait_reason("stream", STREAM, "Running", timeout=60)
    assert home(recorders) == pod, "it stays with its volume"
    after = wait_recorded(recorders, killed)
    assert after[0][0] == before[0][0]
    assert after[0][1] >= before[-1][1], "what was told to be recorded is there"
    print(f"nothing recorded for {after[-1][0] - after[-2][1]:.1f} s around a kill")


def span(found: list[tuple[float, float]]) -> float:
    """Seconds recorded."""
    return sum(end - begin for begin, end in found)


def test_every_pod_plays_what_one_has_recorded(recorders: Installation) -> None:
    wait_until(lambda: span(ranges(recorders)) > 5, "some seconds are recorded", 60)
    begin = round(ranges(recorders)[0][0]) + 1
    recorders.cluster.need_addresses()
    for name in recorders.pods("streamer"):
        body = recorders.get("pod", name)
        if body["metadata"]["labels"].get("app.kubernetes.io/instance") != POOL:
            continue
        base = f"http://{body['status']['podIP']}:8080/{STREAM}"
        assert decode(f"{base}/archive-{begin}-3.m3u8") > 25, name
        with urllib.request.urlopen(f"{base}/archive-{begin}-3.mp4", timeout=20) as film:
            assert len(film.read()) > 10_000, name


def test_drained_pod_records_to_its_end(
    recorders: Installation, record_property: pytest.RecordProperty
) -> None:
    pod = home(recorders)
    before = ranges(recorders)
    uid = recorders.get("pod", pod)["metadata"]["uid"]
    recorders.kubectl("delete", "pod", pod, "--wait=false")
    leaves = time.time()
    wait_until(
        lambda: (recorders.get("pod", pod).get("metadata") or {}).get("uid") != uid,
        "the pod is gone",
        120,
        0.25,
    )
    gone = time.time()
    wait_replaced(recorders, pod, uid)
    recorders.wait_reason("stream", STREAM, "Running", timeout=60)
    assert home(recorders) == pod, "a drain does not move what is recorded"
    after = wait_recorded(recorders, leaves)
    last = max(end for begin, end in after if begin < leaves)
    figures = {
        "recorded_on_for_s": round(last - leaves, 1),
        "gone_after_s": round(gone - leaves, 1),
        "gap_s": round(min(b for b, _ in after if b > leaves) - last, 1),
    }
    record_property("drain", figures)
    print(f"drained: {figures}")
    assert after[0][0] == before[0][0]
    assert last > leaves + DRAIN_S - LOST_S, "it recorded until the pod went"


def test_pod_that_stays_away_is_left_with_a_word(recorders: Installation) -> None:
    pod = home(recorders)
    nodes = list(json.loads(recorders.cluster.kubectl("get", "nodes", "-o", "json"))["items"])
    names = [node["metadata"]["name"] for node in nodes]
    for node in names:
        recorders.cluster.kubectl("cordon", node)
    try:
        recorders.kubectl("delete", "pod", pod, "--grace-period=0", "--force")
        waits = recorders.wait_reason("stream", STREAM, "ArchiveAway", timeout=60)
        assert pod in waits["message"], waits
        wait_until(lambda: home(recorders) not in ("", pod), "it goes on elsewhere", 60)
        recorders.wait_reason("stream", STREAM, "Running")
        status = recorders.get("stream", STREAM)["status"]
        assert status["archives"] == [home(recorders), pod]
        scheduled = recorders.condition("stream", STREAM, "Scheduled")
        assert pod in scheduled["message"], "it is told where the older part is"
        wait_until(lambda: any(pod in text for text in events(recorders)), "an Event tells it", 30)
    finally:
        for node in names:
            recorders.cluster.kubectl("uncordon", node)
    recorders.wait_reason("streamer", POOL, "PodsReady", timeout=90)
    assert home(recorders) != pod, "it does not go back by itself"


def events(installation: Installation) -> list[str]:
    """Messages of the Events of the stream."""
    found: list[dict[str, Any]] = installation.list("events")
    return [one["message"] for one in found if one["involvedObject"]["name"] == STREAM]
