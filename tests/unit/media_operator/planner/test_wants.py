"""Pools that grow for what streams ask, sleep while nobody asks, and wake."""

import pytest
from media_operator.settings import Settings

from ..simulation import Simulation

FAKE = {"inputs": [{"url": "fake://fake"}]}
ON_DEMAND = {**FAKE, "static": False}
SLEEPY = {"minReplicas": 0, "maxReplicas": 2, "channelLimit": 10}
ASLEEP = ("True", "Asleep")


@pytest.fixture
def cluster() -> Simulation:
    return Simulation(Settings(namespace="ns", default_pool=False))


def replicas(cluster: Simulation, pool: str = "pool") -> int:
    return int(cluster.objects["StatefulSet", "ns", f"streamer-{pool}"]["spec"]["replicas"])


def test_a_pool_grows_by_the_bandwidth_that_streams_claim(cluster: Simulation) -> None:
    config = {"total_bandwidth": 10_000_000}
    cluster.create("Streamer", "pool", {"maxReplicas": 5, "config": config})
    for index in range(6):
        cluster.create("Stream", f"s{index}", {**FAKE, "claims": {"bitrate": 4000}})
    cluster.settle()
    homes = [cluster.status(f"s{index}").get("streamer") for index in range(6)]
    assert replicas(cluster) == 3
    assert max(homes.count(home) for home in homes) == 2


LADDER = {"video": [{"bitrate": 2_000_000, "size": {"width": 1280, "height": 720}}]}


def test_a_pool_grows_by_the_cores_that_ladders_take(cluster: Simulation) -> None:
    """A little more than half of a pod each: one pod each, whatever their sum is."""
    resources = {"limits": {"cpu": "1500m"}}
    cluster.create("Streamer", "pool", {"maxReplicas": 3, "resources": resources})
    for index in range(4):
        spec = {**FAKE, "transcoder": LADDER, "claims": {"cpu": 0.8}}
        cluster.create("Stream", f"s{index}", spec)
    cluster.settle()
    assert replicas(cluster) == 3
    homes = [cluster.status(f"s{index}").get("streamer") for index in range(4)]
    assert len(set(homes[:3])) == 3
    assert homes[3] is None
    assert "3 without CPU left for its transcoder" in str(cluster.status("s3")["conditions"])


def test_a_pool_of_cards_grows_by_their_sessions(cluster: Simulation) -> None:
    gpu = {"count": 1, "sessions": 5, "memory": "24Gi"}
    cluster.create("Streamer", "pool", {"maxReplicas": 4, "gpu": gpu})
    ladder = {"global": {"hw": "nvenc"}, "video": [*LADDER["video"], {"bitrate": 500_000}]}
    for index in range(4):
        cluster.create("Stream", f"s{index}", {**FAKE, "transcoder": ladder})
    cluster.settle()
    assert replicas(cluster) == 2
    homes = [cluster.status(f"s{index}").get("streamer") for index in range(4)]
    assert sorted(homes.count(home) for home in set(homes)) == [2, 2]


def test_a_pool_does_not_grow_for_streams_that_it_cannot_take(cluster: Simulation) -> None:
    cluster.create("Streamer", "pool", {"maxReplicas": 5, "channelLimit": 2})
    for index in range(9):
        cluster.create("Stream", f"s{index}", {**FAKE, "gpuRequired": True})
    cluster.settle()
    assert replicas(cluster) == 1


def test_one_pool_grows_for_a_stream_not_two(cluster: Simulation) -> None:
    cluster.create("Streamer", "a", SLEEPY)
    cluster.create("Streamer", "b", SLEEPY)
    cluster.create("Streamer", "gpu", {**SLEEPY, "gpu": {"count": 1}})
    cluster.create("Stream", "s", FAKE)
    cluster.create("Stream", "liked", {**FAKE, "preferredStreamer": "b"})
    cluster.settle()
    assert (replicas(cluster, "a"), replicas(cluster, "b"), replicas(cluster, "gpu")) == (1, 1, 0)
    cluster.create("Stream", "drawn", {**FAKE, "gpuRequired": True})
    cluster.settle()
    assert replicas(cluster, "gpu") == 1
    assert cluster.status("drawn")["streamer"] == "streamer-gpu-0"


def test_a_pool_sleeps_on_while_another_one_starts(cluster: Simulation) -> None:
    cluster.create("Streamer", "burst", SLEEPY)
    cluster.create("Streamer", "base", {"channelLimit": 2})
    cluster.create("Stream", "s", FAKE)
    cluster.settle_pods_as_they_are()
    cluster.run_stateful_sets(ready=False)
    cluster.settle_pods_as_they_are()
    assert replicas(cluster, "burst") == 0
    assert cluster.condition("s", "Ready") == ("Unknown", "WaitingForStreamer")
    cluster.set_ready("streamer-base-0", ready=True)
    for index in range(3):
        cluster.create("Stream", f"more{index}", FAKE)
    cluster.settle()
    assert replicas(cluster, "burst") == 1, "the base is full"


def test_a_pool_wakes_for_who_asks_and_sleeps_again(cluster: Simulation) -> None:
    cluster.create("Streamer", "pool", SLEEPY)
    cluster.create("Stream", "s", ON_DEMAND)
    cluster.settle()
    assert replicas(cluster) == 0
    assert cluster.condition("s", "Ready") == ASLEEP
    assert cluster.condition("pool", "Ready", kind="Streamer") == ASLEEP
    cluster.somebody_asks("s")
    cluster.settle()
    assert replicas(cluster) == 1
    assert cluster.status("s")["streamer"] == "streamer-pool-0"
    assert cluster.condition("s", "Ready") == ("True", "Running")
    cluster.frames_arrive("s")
    cluster.pass_time(3600)
    cluster.settle()
    assert replicas(cluster) == 1, "it is watched"
    cluster.nobody_watches("s")
    cluster.settle()
    assert replicas(cluster) == 1, "not at once"
    cluster.pass_time(601)
    cluster.settle()
    assert replicas(cluster) == 0
    assert cluster.condition("s", "Ready") == ASLEEP
    assert "streamer" not in cluster.status("s")
    assert cluster.settle() == 0


def test_who_asked_and_went_away_keeps_no_pool_awake(cluster: Simulation) -> None:
    cluster.create("Streamer", "pool", SLEEPY)
    cluster.create("Stream", "s", ON_DEMAND)
    cluster.somebody_asks("s")
    cluster.settle()
    assert replicas(cluster) == 1
    cluster.see()
    again = cluster.plan().again_after_seconds
    assert again is not None
    assert again <= 300
    for _ in range(2):
        cluster.pass_time(601)
        cluster.settle()
    assert replicas(cluster) == 0


def test_a_stream_that_always_runs_keeps_its_pool_awake(cluster: Simulation) -> None:
    cluster.create("Streamer", "pool", SLEEPY)
    cluster.create("Stream", "s", FAKE)
    cluster.settle()
    for _ in range(3):
        cluster.pass_time(1200)
        cluster.settle()
    assert replicas(cluster) == 1
    cluster.edit("Stream", "s", disabled=True)
    cluster.settle()
    cluster.pass_time(601)
    cluster.settle()
    assert replicas(cluster) == 0


def test_a_stream_on_demand_leaves_with_its_pool_without_a_word_of_trouble(
    cluster: Simulation,
) -> None:
    """While the pod drains nothing is wrong with it."""
    cluster.create("Streamer", "pool", SLEEPY)
    cluster.create("Stream", "s", ON_DEMAND)
    cluster.somebody_asks("s")
    cluster.settle()
    cluster.pass_time(301)
    cluster.terminate("streamer-pool-0")
    cluster.settle_pods_as_they_are()
    assert cluster.condition("s", "Ready") == ASLEEP


def test_a_pool_scaled_by_others_keeps_their_number(cluster: Simulation) -> None:
    cluster.create("Streamer", "pool", {"replicas": 0})
    cluster.create("Stream", "s", FAKE)
    cluster.settle()
    assert replicas(cluster) == 0
    assert cluster.condition("s", "Ready") == ("Unknown", "WaitingForStreamer")
    cluster.edit("Streamer", "pool", replicas=2)
    cluster.settle()
    assert replicas(cluster) == 2
    assert cluster.condition("s", "Ready") == ("True", "Running")


def test_external_servers_of_one_name_in_two_namespaces_do_not_collide() -> None:
    """Central knows servers by name: the older one has it, and the other one gets no streams."""
    cluster = Simulation(Settings(default_pool=False))
    cluster.create("Streamer", "edge", {"apiUrl": "http://192.0.2.1:80"}, "b")
    cluster.pass_time(5)
    cluster.create("Streamer", "edge", {"apiUrl": "http://192.0.2.2:80"}, "a")
    for namespace in ("a", "b"):
        cluster.create("Stream", "s", FAKE, namespace)
    cluster.settle()
    assert cluster.status("s", namespace="b")["streamer"] == "edge"
    assert "streamer" not in cluster.status("s", namespace="a")
    conditions = cluster.status("edge", "Streamer", "a")["conditions"]
    assert {(c["type"], c["status"], c["reason"]) for c in conditions} >= {
        ("Ready", "False", "NameConflict"),
        ("Stalled", "True", "NameConflict"),
    }
    cluster.delete("Streamer", "edge", "b")
    cluster.settle()
    assert cluster.status("s", namespace="a")["streamer"] == "edge"
