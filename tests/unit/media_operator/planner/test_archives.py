"""Streams with an archive: where they may run, that they stay with their volume, and for how long.

Examples against the simulated cluster; the rules of placement alone as properties.
"""

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_operator.planner import Assignment, ChangeReason, StreamDemand, StreamerOffer, place
from media_operator.planner.archives import ArchiveWish, Storages
from media_operator.settings import Settings

from ..simulation import FAKE, Body, Simulation

RECORDED = {**FAKE, "dvr": {"reference": "archive", "expiration": 86_400}}
POOL = {"replicas": 2, "archive": {"size": "10Gi"}}
FIRST, SECOND = "streamer-pool-0", "streamer-pool-1"


@pytest.fixture
def cluster() -> Simulation:
    return Simulation(Settings(namespace="ns", default_pool=False))


def recorded_on(cluster: Simulation, pod: str, name: str = "cam") -> None:
    """A stream whose archive is on the volume of `pod`."""
    cluster.create("Stream", name, {**RECORDED, "preferredStreamer": pod})
    cluster.settle()
    cluster.frames_arrive(name)
    cluster.settle()
    assert cluster.status(name)["archives"] == [pod]


def plan_once(cluster: Simulation) -> list[tuple[str, str]]:
    """One round of the operator; reasons and messages of its Events."""
    cluster.see()
    plan = cluster.plan()
    cluster.carry_out(plan)
    return [(note.reason, note.message) for note in plan.notes]


def claims(cluster: Simulation) -> dict[str, str]:
    """Name and what is asked for, of each claim."""
    return {
        name: body["spec"]["resources"]["requests"]["storage"]
        for (kind, _, name), body in cluster.objects.items()
        if kind == "PersistentVolumeClaim"
    }


def test_every_pod_has_a_volume_and_streams_name_it(cluster: Simulation) -> None:
    cluster.create("Streamer", "pool", POOL)
    cluster.create("Stream", "cam", RECORDED)
    cluster.settle()
    assert claims(cluster) == {f"archive-{FIRST}": "10Gi", f"archive-{SECOND}": "10Gi"}
    assert cluster.condition("pool", "ArchiveReady", "Streamer") == ("True", "VolumesBound")
    assert [m["archive"] for m in cluster.status("pool", "Streamer")["members"]] == ["10Gi"] * 2
    assert cluster.condition("cam", "Ready") == ("True", "Running")
    assert cluster.status("cam")["archives"] == [cluster.status("cam")["streamer"]]


@pytest.mark.parametrize(
    ("pool", "dvr", "runs"),
    [
        ({}, {"reference": "archive"}, False),
        ({}, {"root": "/archive"}, False),
        ({"archive": {"size": "1Gi"}}, {"root": "/archive/cams"}, True),
        ({"archive": {"size": "1Gi"}}, {"root": "/archives"}, False),
        ({"archive": {"size": "1Gi"}}, {"root": "/archive/../etc"}, False),
        ({"archive": {"size": "1Gi"}}, {"reference": "other"}, False),
        ({"archive": {"size": "1Gi", "storage": "other"}}, {"reference": "other"}, True),
        ({"archive": {"size": "1Gi", "mountPath": "/a/b"}}, {"root": "/a/b/c"}, True),
        ({}, {"root": "s3://key:secret@host/bucket"}, True),
        ({"configExtra": {"a.conf": "dvr big { root /d; }"}}, {"reference": "big"}, True),
        ({"volumes": [{"name": "d", "mountPath": "/d", "hostPath": {"path": "/d"}}]},
         {"root": "/d/x"}, True),
        ({"volumes": [{"name": "d", "mountPath": "/d", "readOnly": True}]}, {"root": "/d"}, False),
    ],
)  # fmt: skip
def test_only_where_a_volume_holds_it(
    cluster: Simulation, pool: Body, dvr: Body, runs: bool
) -> None:
    cluster.create("Streamer", "pool", pool)
    cluster.create("Stream", "cam", {**FAKE, "dvr": dvr})
    cluster.create("Stream", "plain", FAKE)
    cluster.settle()
    assert cluster.condition("plain", "Ready") == ("True", "Running")
    if runs:
        assert cluster.condition("cam", "Ready") == ("True", "Running")
    else:
        assert cluster.condition("cam", "Ready") == ("False", "NoStreamerAvailable")
        assert "1 without a volume for its archive" in cluster.message("cam", "Ready")


def test_the_archive_of_a_template(cluster: Simulation) -> None:
    templates = [{"name": "recorded", "dvr": {"reference": "archive"}}]
    cluster.create("Streamer", "bare", {"config": {"templates": templates}})
    cluster.create("Stream", "cam", {**FAKE, "template": "recorded", "dvr": {"expiration": 60}})
    cluster.settle()
    assert cluster.condition("cam", "Ready") == ("False", "NoStreamerAvailable")
    cluster.create("Streamer", "pool", {**POOL, "config": {"templates": templates}})
    cluster.settle()
    assert cluster.status("cam")["archives"] == [cluster.status("cam")["streamer"]]


def test_a_stream_waits_for_its_pod_and_no_longer_than_said(cluster: Simulation) -> None:
    cluster.create("Streamer", "pool", POOL)
    recorded_on(cluster, FIRST)
    cluster.create("Stream", "plain", {**FAKE, "preferredStreamer": FIRST})
    cluster.settle()
    cluster.delete("Pod", FIRST)
    cluster.pass_time(1)
    notes = plan_once(cluster)
    assert cluster.status("plain")["streamer"] == SECOND
    assert cluster.status("cam")["streamer"] == FIRST
    assert cluster.condition("cam", "Ready") == ("False", "ArchiveAway")
    assert f"its archive is on the volume of {FIRST}" in cluster.message("cam", "Ready")
    assert "goes on elsewhere" in cluster.message("cam", "Ready")
    assert "ArchiveAway" in [reason for reason, _ in notes]
    cluster.pass_time(299)
    cluster.see()
    assert cluster.plan().again_after_seconds == pytest.approx(1, abs=1)
    assert plan_once(cluster) == []
    cluster.pass_time(2)
    notes = plan_once(cluster)
    assert cluster.status("cam")["streamer"] == SECOND
    assert cluster.status("cam")["archives"] == [SECOND, FIRST]
    [moved] = [message for reason, message in notes if reason == "Moved"]
    assert "what was recorded there stays on its volume" in moved
    assert f"parts of its archive are on the volumes of {FIRST}" in cluster.message(
        "cam", "Scheduled"
    )


def test_a_pod_that_comes_back_in_time_has_its_streams(cluster: Simulation) -> None:
    cluster.create("Streamer", "pool", POOL)
    recorded_on(cluster, FIRST)
    cluster.delete("Pod", FIRST)
    plan_once(cluster)
    cluster.pass_time(100)
    cluster.run_stateful_sets()
    cluster.settle()
    assert cluster.condition("cam", "Ready") == ("True", "Running")
    assert cluster.status("cam")["streamer"] == FIRST


def test_a_drain_does_not_move_what_is_recorded(cluster: Simulation) -> None:
    cluster.create("Streamer", "pool", POOL)
    recorded_on(cluster, FIRST)
    cluster.terminate(FIRST, seconds=75)
    assert "Moved" not in [reason for reason, _ in plan_once(cluster)]
    assert cluster.status("cam")["streamer"] == FIRST
    assert cluster.condition("cam", "Ready") == ("True", "Running")
    cluster.edit("Stream", "cam", preferredStreamer=SECOND)
    plan_once(cluster)
    assert cluster.status("cam")["streamer"] == SECOND, "somebody asked"
    assert cluster.status("cam")["previousStreamer"] == FIRST


def test_a_pool_may_prefer_the_present(cluster: Simulation) -> None:
    """With moveAfterSeconds 0 a recorded stream moves like any other."""
    cluster.create("Streamer", "pool", {**POOL, "archive": {"size": "1Gi", "moveAfterSeconds": 0}})
    recorded_on(cluster, FIRST)
    cluster.terminate(FIRST)
    plan_once(cluster)
    assert cluster.status("cam")["streamer"] == SECOND


def test_a_pod_that_is_scaled_away_is_left_at_once(cluster: Simulation) -> None:
    cluster.create("Streamer", "pool", POOL)
    recorded_on(cluster, SECOND)
    cluster.edit("Streamer", "pool", replicas=1)
    plan_once(cluster)
    cluster.terminate(SECOND)
    plan_once(cluster)
    assert cluster.status("cam")["streamer"] == FIRST
    assert f"archive-{SECOND}" in claims(cluster), "it stays"


def test_a_disabled_stream_comes_back_to_its_volume(cluster: Simulation) -> None:
    cluster.create("Streamer", "pool", {**POOL, "channelLimit": 100})
    recorded_on(cluster, SECOND)
    for index in range(4):
        cluster.create("Stream", f"s{index}", {**FAKE, "streamer": SECOND})
    cluster.edit("Stream", "cam", disabled=True, preferredStreamer=None)
    cluster.settle()
    assert cluster.status("cam")["archives"] == [SECOND]
    cluster.edit("Stream", "cam", disabled=False)
    cluster.settle()
    assert cluster.status("cam")["streamer"] == SECOND


def test_an_even_load_is_made_of_streams_without_an_archive(cluster: Simulation) -> None:
    cluster.create("Streamer", "pool", {**POOL, "channelLimit": 100})
    for index in range(3):
        recorded_on(cluster, FIRST, f"cam{index}")
    cluster.edit("Streamer", "pool", rebalance="Always")
    cluster.settle()
    assert {cluster.status(f"cam{index}")["streamer"] for index in range(3)} == {FIRST}


def test_a_pool_does_not_shrink_below_its_archives(cluster: Simulation) -> None:
    spec = {"minReplicas": 1, "maxReplicas": 3, "channelLimit": 2, "archive": {"size": "1Gi"}}
    cluster.create("Streamer", "pool", spec)
    for name in "abc":
        cluster.create("Stream", name, RECORDED)
        cluster.settle()
    last = max("abc", key=lambda name: str(cluster.status(name)["streamer"]))
    assert cluster.status(last)["streamer"] == SECOND
    for name in set("abc") - {last}:
        cluster.delete("Stream", name)
    cluster.settle()
    cluster.pass_time(3600)
    cluster.settle()
    assert cluster.status("pool", "Streamer")["replicas"] == 2
    cluster.delete("Stream", last)
    cluster.settle()
    cluster.pass_time(3600)
    cluster.settle()
    assert cluster.status("pool", "Streamer")["replicas"] == 1


def test_volumes_grow_and_the_template_of_the_claims_stays(cluster: Simulation) -> None:
    cluster.create("Streamer", "pool", {**POOL, "replicas": 1})
    cluster.settle()
    cluster.edit("Streamer", "pool", archive={"size": "20Gi"}, replicas=2)
    cluster.settle()
    assert claims(cluster) == {f"archive-{FIRST}": "20Gi", f"archive-{SECOND}": "20Gi"}
    stateful_set = cluster.objects["StatefulSet", "ns", "streamer-pool"]
    [template] = stateful_set["spec"]["volumeClaimTemplates"]
    assert template["spec"]["resources"]["requests"]["storage"] == "10Gi"
    assert cluster.condition("pool", "ArchiveReady", "Streamer") == ("False", "VolumeResizing")
    claim = cluster.objects["PersistentVolumeClaim", "ns", f"archive-{FIRST}"]
    claim["status"]["conditions"] = [{"type": "Resizing", "message": "the disk is being grown"}]
    plan_once(cluster)
    message = cluster.message("pool", "ArchiveReady", "Streamer")
    assert message == f"archive-{FIRST} has 10Gi of 20Gi: the disk is being grown"
    for name in (FIRST, SECOND):
        cluster.resize(cluster.objects["PersistentVolumeClaim", "ns", f"archive-{name}"])
    cluster.settle()
    assert cluster.condition("pool", "ArchiveReady", "Streamer") == ("True", "VolumesBound")


@pytest.mark.parametrize(
    ("status", "reason"),
    [({"phase": "Pending"}, "VolumePending"), ({"phase": "Lost"}, "VolumeLost")],
)
def test_a_volume_that_is_not_there_is_said(cluster: Simulation, status: Body, reason: str) -> None:
    cluster.create("Streamer", "pool", POOL)
    cluster.settle()
    cluster.objects["PersistentVolumeClaim", "ns", f"archive-{SECOND}"]["status"] = status
    cluster.settle()
    assert cluster.condition("pool", "ArchiveReady", "Streamer") == ("False", reason)
    assert SECOND in cluster.message("pool", "ArchiveReady", "Streamer")


def test_no_pod_more_for_a_roll_out(cluster: Simulation) -> None:
    cluster.create("Streamer", "pool", {**POOL, "replicas": 1})
    cluster.settle()
    cluster.edit("Streamer", "pool", image="next:1")
    cluster.settle()
    assert list(claims(cluster)) == [f"archive-{FIRST}"]


ON_VOLUME = Storages(volume="/archive", named={"archive": "/archive"})
WISH = ArchiveWish(reference="archive")


@given(
    online=st.lists(st.booleans(), min_size=2, max_size=4),
    draining=st.booleans(),
    waits=st.booleans(),
)
def test_who_waits_stays_and_who_does_not_is_moved(
    online: list[bool], draining: bool, waits: bool
) -> None:
    offers = [
        StreamerOffer(f"s{i}", online=is_online, storages=ON_VOLUME, draining=draining and i == 0)
        for i, is_online in enumerate(online)
    ]
    stream = StreamDemand("cam", archive=WISH, homes=("s0",), waits="w" if waits else "")
    made = place([stream], offers, {"cam": Assignment("s0")}, Random(1))
    target = made[0].streamer if made else "s0"
    away = not online[0] or draining
    if not away or waits or not any(online[1:]):
        assert target == "s0"
    else:
        assert target is not None
        assert online[int(target[1:])]
    assert all(decision.message for decision in made if decision.streamer == decision.previous)


def test_the_latest_volume_comes_before_the_least_loaded() -> None:
    offers = [StreamerOffer(f"s{i}", storages=ON_VOLUME) for i in range(3)]
    stream = StreamDemand("cam", archive=WISH, homes=("gone", "s2", "s1"))
    plain: list[Any] = [StreamDemand(f"p{i}") for i in range(5)]
    current = {f"p{i}": Assignment("s2") for i in range(5)}
    [decision] = place([stream, *plain], offers, current, Random(1))
    assert (decision.streamer, decision.reason) == ("s2", ChangeReason.NEW)
