"""The pods of a pool against a simulated cluster: replaced one by one, added, taken away."""

from typing import Any

import pytest

from ..simulation import FAKE, Simulation


def edit_image(cluster: Simulation, image: str, ready: bool = True) -> None:
    """One round of the operator and one of the StatefulSet controller after an edit."""
    cluster.edit("Streamer", "pool", image=image)
    cluster.see()
    cluster.carry_out(cluster.plan())
    cluster.run_stateful_sets(ready=ready)
    cluster.see()
    cluster.carry_out(cluster.plan())


def pods(cluster: Simulation) -> set[str]:
    return {name for kind, _, name in cluster.objects if kind == "Pod"}


def test_a_bad_image_does_not_replace_the_only_pod(cluster: Simulation) -> None:
    cluster.create("Streamer", "pool", {})
    cluster.create("Stream", "s", FAKE)
    cluster.settle()
    edit_image(cluster, "no/such:image", ready=False)
    assert pods(cluster) == {"streamer-pool-0", "streamer-pool-1"}
    assert cluster.condition("s", "Ready") == ("True", "Running")
    assert cluster.status("s")["streamer"] == "streamer-pool-0"
    assert cluster.condition("pool", "Ready", "Streamer") == ("False", "RollingOut")
    cluster.create("Stream", "late", FAKE)
    cluster.settle_pods_as_they_are()
    assert cluster.status("late")["streamer"] == "streamer-pool-0"
    cluster.edit("Streamer", "pool", image="good:1")
    cluster.settle_pods_as_they_are()
    cluster.run_stateful_sets()
    cluster.settle()
    assert pods(cluster) == {"streamer-pool-0"}
    assert cluster.condition("pool", "Ready", "Streamer") == ("True", "PodsReady")


def test_pods_are_replaced_by_one_more(cluster: Simulation) -> None:
    cluster.create("Streamer", "pool", {"replicas": 2})
    cluster.settle()
    cluster.edit("Streamer", "pool", image="good:1")
    cluster.see()
    cluster.carry_out(cluster.plan())
    assert cluster.objects["StatefulSet", "ns", "streamer-pool"]["spec"]["replicas"] == 3
    assert cluster.status("pool", "Streamer")["replicas"] == 2
    cluster.run_stateful_sets()
    cluster.settle()
    assert pods(cluster) == {"streamer-pool-0", "streamer-pool-1"}


def test_a_pool_has_one_more_while_a_pod_is_taken(cluster: Simulation) -> None:
    """By `kubectl drain`, say: the StatefulSet makes it again only once its time is over."""
    cluster.create("Streamer", "pool", {})
    cluster.create("Stream", "s", FAKE)
    cluster.settle()
    cluster.frames_arrive("s")
    cluster.terminate("streamer-pool-0")
    cluster.settle()
    assert pods(cluster) == {"streamer-pool-0", "streamer-pool-1"}
    assert cluster.status("s")["streamer"] == "streamer-pool-1"
    assert cluster.status("s")["previousStreamer"] == "streamer-pool-0"
    cluster.delete("Pod", "streamer-pool-0")
    cluster.run_stateful_sets(ready=False)
    cluster.see()
    cluster.carry_out(cluster.plan())
    assert pods(cluster) == {"streamer-pool-0", "streamer-pool-1"}, "it stays until that is ready"
    cluster.set_ready("streamer-pool-0", True)
    cluster.settle()
    assert pods(cluster) == {"streamer-pool-0"}


def test_a_restart_replaces_pods_that_are_as_the_spec_is(cluster: Simulation) -> None:
    """`kubectl rollout restart` changes the StatefulSet and nothing of ours: revisions tell."""
    cluster.create("Streamer", "pool", {"replicas": 2})
    cluster.settle()
    owner = cluster.objects["StatefulSet", "ns", "streamer-pool"]

    def observed() -> None:
        """The controller has seen all edits of the StatefulSet."""
        generation = owner["metadata"]["generation"]
        owner["status"] = {"updateRevision": "new", "observedGeneration": generation}

    def replaced(**revisions: str) -> tuple[int, tuple[str, str]]:
        """Pods that the StatefulSet has then, and what the pool says."""
        for name, revision in revisions.items():
            body = cluster.objects["Pod", "ns", f"streamer-pool-{name[-1]}"]
            body["metadata"]["labels"]["controller-revision-hash"] = revision
        observed()
        said = []
        for _ in range(3):
            cluster.see()
            cluster.carry_out(cluster.plan())
            replicas = owner["spec"]["replicas"]
            said.append((replicas, cluster.condition("pool", "Ready", "Streamer")))
        assert said == said[:1] * 3, "it changed before the controller had seen the first plan"
        cluster.run_stateful_sets()
        return said[0]

    rolling = (3, ("False", "RollingOut"))
    assert replaced(pod0="old", pod1="old") == rolling
    assert replaced(pod2="new") == rolling
    assert replaced(pod1="new") == rolling, "it was said to be ready here, with the old pod 0"
    assert replaced(pod0="new") == (2, ("True", "PodsReady"))


def test_without_room_for_one_more_pods_are_replaced_as_ever(cluster: Simulation) -> None:
    cluster.create("Streamer", "pool", {})
    cluster.settle()
    edit_image(cluster, "good:1", ready=False)
    surge = cluster.objects["Pod", "ns", "streamer-pool-1"]
    surge["status"]["conditions"].append(
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "full"}
    )
    cluster.see()
    assert cluster.plan().again_after_seconds is not None
    cluster.pass_time(61)
    cluster.carry_out(cluster.plan())
    assert cluster.objects["StatefulSet", "ns", "streamer-pool"]["spec"]["replicas"] == 1
    assert "no room" in cluster.message("pool", "Ready", "Streamer")
    cluster.run_stateful_sets()
    cluster.settle()
    assert pods(cluster) == {"streamer-pool-0"}
    assert cluster.condition("pool", "Ready", "Streamer") == ("True", "PodsReady")
    assert "noSurgeFor" not in cluster.status("pool", "Streamer")


@pytest.mark.parametrize(
    "spec",
    [
        {"nodeName": "node-1"},
        {"hostNetwork": True},
        {
            "volumes": [
                {"name": "d", "mountPath": "/d", "persistentVolumeClaim": {"claimName": "d"}}
            ]
        },
    ],
)
def test_no_one_more_where_there_can_be_none(cluster: Simulation, spec: dict[str, Any]) -> None:
    cluster.create("Streamer", "pool", spec)
    cluster.settle()
    edit_image(cluster, "good:1", ready=False)
    assert pods(cluster) == {"streamer-pool-0"}


def test_a_url_is_told_once_it_is_served(cluster: Simulation) -> None:
    cluster.create("Streamer", "pool", {})
    cluster.create("Stream", "s", FAKE)
    cluster.settle()
    cluster.edit("Streamer", "pool", hostPort=8080)
    cluster.see()
    cluster.carry_out(cluster.plan())
    [member] = cluster.status("pool", "Streamer")["members"]
    assert member["publicUrl"] == "http://streamer-pool.ns.svc", "the old pod has no such port"
    cluster.run_stateful_sets()
    cluster.settle()
    assert cluster.status("s")["urls"]["hls"] == "http://192.0.2.1:8080/s/index.m3u8"
    cluster.set_ready("streamer-pool-0", False)
    cluster.pass_time(10)
    cluster.settle_pods_as_they_are()
    assert "urls" not in cluster.status("s")


def test_pool_is_ready_once_its_pods_are_as_the_spec_is_now(cluster: Simulation) -> None:
    cluster.create("Streamer", "pool", {"replicas": 2})
    cluster.settle()
    assert cluster.condition("pool", "Ready", kind="Streamer") == ("True", "PodsReady")
    cluster.edit("Streamer", "pool", env=[{"name": "TZ", "value": "Etc/UTC"}])
    cluster.see()
    cluster.carry_out(cluster.plan())
    assert cluster.condition("pool", "Ready", kind="Streamer") == ("False", "RollingOut")
    status = cluster.status("pool", kind="Streamer")
    assert (status["observedGeneration"], status["readyReplicas"]) == (2, 2)
    cluster.run_stateful_sets()
    cluster.settle()
    assert cluster.condition("pool", "Ready", kind="Streamer") == ("True", "PodsReady")


def test_pool_grows_with_its_streams_and_shrinks_slowly(cluster: Simulation) -> None:
    cluster.create("Streamer", "pool", {"minReplicas": 1, "maxReplicas": 3, "channelLimit": 10})
    for index in range(20):
        cluster.create("Stream", f"s{index}", FAKE)
    cluster.settle()
    assert cluster.status("pool", "Streamer")["replicas"] == 3
    for index in range(18):
        cluster.delete("Stream", f"s{index}")
    cluster.settle()
    assert cluster.status("pool", "Streamer")["replicas"] == 3
    cluster.pass_time(11 * 60)
    cluster.settle()
    assert cluster.status("pool", "Streamer")["replicas"] == 2
