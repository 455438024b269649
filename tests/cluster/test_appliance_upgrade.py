"""Pods of a pool are replaced while viewers watch: by a changed spec, by an image, by a bad one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from appliance import Installation, fake_stream, resource, split_tag
from local_cluster import Cluster, wait_until
from viewers import SegmentViewer

pytestmark = pytest.mark.timeout(400)

LONGEST_GAP_S = 15.0
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


@contextlib.contextmanager
def watching(url: str) -> Iterator[list[SegmentViewer]]:
    """A viewer of each stream."""
    with contextlib.ExitStack() as stack:
        viewers = [
            stack.enter_context(SegmentViewer(f"{url}/{name}/index.m3u8")) for name in STREAMS
        ]
        for viewer in viewers:
            wait_until(lambda viewer=viewer: viewer.segments > 2, "the viewer watches", 30)
        yield viewers


def check(viewers: list[SegmentViewer], record_property: pytest.RecordProperty) -> None:
    """Every viewer still gets segments, was refused none, and never waited long."""
    for viewer in viewers:
        segments = viewer.segments
        wait_until(
            lambda viewer=viewer, segments=segments: viewer.segments > segments + 2,
            "the viewer watches on",
            30,
        )
    gap = max(viewer.longest_gap for viewer in viewers)
    record_property("longest_gap_seconds", round(gap, 1))
    print(f"longest time without a segment: {gap:.1f} s")
    assert gap < LONGEST_GAP_S
    assert [failed for viewer in viewers for failed in viewer.failed] == []


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
    with watching(pool) as viewers:
        installation.patch("streamer", "roll", {"env": [{"name": "TZ", "value": "Etc/UTC"}]})
        wait_replaced(installation, before)
        check(viewers, record_property)


@pytest.mark.long
def test_new_image_under_viewers(
    installation: Installation,
    next_image: str,
    pool: str,
    record_property: pytest.RecordProperty,
) -> None:
    before = uids(installation)
    with watching(pool) as viewers:
        installation.patch("streamer", "roll", {"image": next_image})
        wait_replaced(installation, before)
        check(viewers, record_property)
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
    with watching(pool) as viewers:
        installation.patch("streamer", "roll", {"image": image})
        problem = installation.wait_reason("streamer", "roll", "PodProblem", timeout=90)
        assert image in problem["message"]
        # The new pod is one more than the pool has: no old one went for it.
        serving = [name for name, uid in uids(installation).items() if uid == before.get(name)]
        assert serving == sorted(before), installation.describe()
        installation.patch("streamer", "roll", {"image": None})
        installation.wait_reason("streamer", "roll", "PodsReady", timeout=120)
        assert [ready_uid(installation, name) for name in serving] == list(before.values())
        check(viewers, record_property)
