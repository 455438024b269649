"""The whole plan against a simulated cluster: where streams are, and what is said of them."""

from collections import Counter
from typing import Any

import pytest
from media_api.unsupported import GLOBALS
from media_operator.settings import Settings

from ..simulation import FAKE, Simulation

CLAIM = {"claimName": "d"}


def test_a_stream_on_an_empty_cluster_gets_a_pool_and_runs(cluster: Simulation) -> None:
    cluster.create("Stream", "demo", FAKE)
    cluster.settle()
    assert cluster.status("demo")["streamer"] == "streamer-default-0"
    assert cluster.condition("demo", "Ready") == ("True", "Running")
    assert cluster.condition("demo", "Scheduled") == ("True", "Placed")
    assert cluster.status("demo")["urls"]["hls"] == (
        "http://streamer-default.ns.svc/demo/index.m3u8"
    )


def test_first_status_is_unknown_while_the_pool_starts(cluster: Simulation) -> None:
    cluster.create("Stream", "demo", FAKE)
    cluster.see()
    cluster.carry_out(cluster.plan())
    assert cluster.condition("demo", "Ready") == ("Unknown", "WaitingForStreamer")
    assert cluster.status("demo")["observedGeneration"] == 1


def test_default_pool_can_be_switched_off() -> None:
    cluster = Simulation(Settings(namespace="ns", default_pool=False))
    cluster.create("Stream", "demo", FAKE)
    cluster.settle()
    assert ("Streamer", "ns", "default") not in cluster.objects
    assert cluster.condition("demo", "Scheduled") == ("False", "NoStreamerAvailable")


def test_a_deleted_default_pool_stays_away(cluster: Simulation) -> None:
    """It would fight whoever deletes or prunes it."""
    cluster.create("Stream", "s", FAKE)
    cluster.settle()
    cluster.delete("Streamer", "default")
    cluster.settle()
    assert ("Streamer", "ns", "default") not in cluster.objects
    assert cluster.condition("s", "Ready") == ("False", "NoStreamerAvailable")
    assert "delete the ConfigMap media-default-pool" in cluster.message("s", "Ready")
    cluster.delete("ConfigMap", "media-default-pool")
    cluster.settle()
    assert cluster.status("s")["streamer"] == "streamer-default-0"


def test_pods_of_one_name_in_two_namespaces_are_two_streamers() -> None:
    cluster = Simulation(Settings(central_url="http://central"))
    for namespace in ("a", "b"):
        cluster.create("Stream", "demo", FAKE, namespace)
        cluster.create("Stream", "pinned", {**FAKE, "streamer": "streamer-default-0"}, namespace)
    cluster.settle()
    for namespace in ("a", "b"):
        hostname = f"streamer-default-0.{namespace}"
        for name in ("demo", "pinned"):
            assert cluster.status(name, namespace=namespace)["streamer"] == hostname
        pods = cluster.objects["StatefulSet", namespace, "streamer-default"]["spec"]["template"]
        env = {entry["name"]: entry.get("value") for entry in pods["spec"]["containers"][0]["env"]}
        assert env["STREAMER_HOSTNAME"] == f"$(POD_NAME).{namespace}"
        assert env["STREAMER_CONFIG_EXTERNAL"] == (
            f"http://central/streamer/api/v3/streamers/$(POD_NAME).{namespace}"
        )
        mounts = pods["spec"]["containers"][0]["volumeMounts"]
        folder = next(one["mountPath"] for one in mounts if one["name"] == "central-token")
        assert env["STREAMER_CONFIG_EXTERNAL_TOKEN_FILE"] == f"{folder}/token"
        volume = next(v for v in pods["spec"]["volumes"] if v["name"] == "central-token")
        (source,) = volume["projected"]["sources"]
        assert source["serviceAccountToken"]["audience"] == "media-central"


def test_a_pool_of_all_namespaces_grows_with_its_own_streams() -> None:
    cluster = Simulation(Settings())
    cluster.create("Streamer", "pool", {"maxReplicas": 3, "channelLimit": 10}, "a")
    for index in range(12):
        cluster.create("Stream", f"s{index}", FAKE, "a")
    cluster.settle()
    homes = {cluster.status(f"s{index}", namespace="a").get("streamer") for index in range(12)}
    assert homes == {"streamer-pool-0.a", "streamer-pool-1.a"}
    assert cluster.status("pool", "Streamer", "a")["replicas"] == 2


def test_nothing_is_written_at_rest(cluster: Simulation) -> None:
    """Also once Central wrote its part, and with a Cache that names no streams."""
    cluster.create("Cache", "edge", {})
    for index in range(20):
        cluster.create("Stream", f"s{index}", FAKE)
    cluster.settle()
    for index in range(20):
        cluster.frames_arrive(f"s{index}")
    writes = cluster.writes
    for _ in range(5):
        cluster.pass_time(60)
        cluster.see()
        plan = cluster.plan()
        cluster.carry_out(plan)
    assert cluster.writes == writes


def test_a_new_stream_costs_the_others_nothing(cluster: Simulation) -> None:
    for index in range(7):
        cluster.create("Stream", f"s{index}", FAKE)
    cluster.settle()
    for index in range(7):
        cluster.frames_arrive(f"s{index}")
    cluster.create("Stream", "new", FAKE)
    cluster.see()
    plan = cluster.plan()
    assert [write.name for write in plan.statuses] == ["new"]
    assert (plan.applies, plan.deletes) == ([], [])


def test_at_most_two_status_writes_a_stream(cluster: Simulation) -> None:
    cluster.create("Streamer", "pool", {"replicas": 4})
    cluster.settle()
    writes = cluster.writes
    for index in range(50):
        cluster.create("Stream", f"s{index}", FAKE)
    cluster.settle()
    assert cluster.writes - writes <= 2 * 50


def test_streams_of_a_dying_pod_move_and_do_not_come_back(cluster: Simulation) -> None:
    cluster.create("Streamer", "pool", {"replicas": 2})
    for index in range(10):
        cluster.create("Stream", f"s{index}", FAKE)
    cluster.settle()
    cluster.terminate("streamer-pool-0")
    cluster.see()
    cluster.carry_out(cluster.plan())
    homes = {cluster.status(f"s{index}")["streamer"] for index in range(10)}
    assert homes == {"streamer-pool-1"}
    moved = [i for i in range(10) if "previousStreamer" in cluster.status(f"s{i}")]
    assert len(moved) == 5, "the old pod runs them until the new one has pictures"
    cluster.objects["Stream", "ns", f"s{moved[0]}"]["status"]["activeStreamer"] = "streamer-pool-1"
    cluster.settle()
    assert [i for i in range(10) if "previousStreamer" in cluster.status(f"s{i}")] == moved[1:]
    cluster.delete("Pod", "streamer-pool-0")
    cluster.run_stateful_sets()
    cluster.settle()
    homes = {cluster.status(f"s{index}")["streamer"] for index in range(10)}
    assert homes == {"streamer-pool-1"}
    assert not any("previousStreamer" in cluster.status(f"s{i}") for i in range(10))


def ask_for_balance(cluster: Simulation, value: str) -> None:
    pool = cluster.objects["Streamer", "ns", "pool"]["metadata"]
    pool.setdefault("annotations", {})["media.flussonic.com/rebalance"] = value


def spread(cluster: Simulation, count: int) -> Counter[str]:
    return Counter(cluster.status(f"s{index}")["streamer"] for index in range(count))


def test_after_a_drain_the_load_is_even_again_once_somebody_asks(cluster: Simulation) -> None:
    cluster.create("Streamer", "pool", {"replicas": 2})
    for index in range(10):
        cluster.create("Stream", f"s{index}", {**FAKE, "preferredStreamer": "streamer-pool-1"})
    cluster.settle()
    for index in range(10):
        cluster.objects["Stream", "ns", f"s{index}"]["spec"] = FAKE
        cluster.edit("Stream", f"s{index}")
        cluster.frames_arrive(f"s{index}")
    cluster.settle()
    assert spread(cluster, 10) == {"streamer-pool-1": 10}, "nothing moves by itself"
    ask_for_balance(cluster, "now")
    cluster.see()
    plan = cluster.plan()
    assert [note.reason for note in plan.notes].count("Moved") == 5
    cluster.carry_out(plan)
    assert spread(cluster, 10) == {"streamer-pool-0": 5, "streamer-pool-1": 5}
    moved = [f"s{i}" for i in range(10) if "previousStreamer" in cluster.status(f"s{i}")]
    assert len(moved) == 5, "they run where they were until the new pod has pictures"
    cluster.settle()
    assert "rebalanced" not in cluster.status("pool", "Streamer")
    for name in moved:
        cluster.frames_arrive(name)
    cluster.settle()
    assert not [i for i in range(10) if "previousStreamer" in cluster.status(f"s{i}")]
    assert cluster.status("pool", "Streamer")["rebalanced"] == "now"
    cluster.delete("Stream", moved[0])
    cluster.delete("Stream", moved[1])
    cluster.settle()
    assert cluster.status("pool", "Streamer")["rebalanced"] == "now", "once only"


def test_a_pool_can_be_kept_even(cluster: Simulation) -> None:
    cluster.create("Streamer", "pool", {"replicas": 1, "rebalance": "Always"})
    for index in range(10):
        cluster.create("Stream", f"s{index}", FAKE)
    cluster.settle()
    cluster.edit("Streamer", "pool", replicas=2)
    cluster.settle()
    assert spread(cluster, 10) == {"streamer-pool-0": 5, "streamer-pool-1": 5}


def test_a_blip_of_readiness_moves_nothing(cluster: Simulation) -> None:
    cluster.create("Streamer", "pool", {"replicas": 2})
    cluster.create("Stream", "s", FAKE)
    cluster.settle()
    home = cluster.status("s")["streamer"]
    cluster.set_ready(home, False)
    cluster.see()
    plan = cluster.plan()
    assert not [w for w in plan.statuses if w.kind == "Stream"]
    assert plan.again_after_seconds is not None
    cluster.pass_time(10)
    cluster.carry_out(cluster.plan())
    assert cluster.status("s")["streamer"] != home


def test_streams_leave_a_pod_that_answers_nobody_though_kubernetes_calls_it_ready(
    cluster: Simulation,
) -> None:
    cluster.create("Streamer", "pool", {"replicas": 2})
    cluster.create("Stream", "s", FAKE)
    cluster.settle()
    for number in (0, 1):
        status = cluster.objects["Pod", "ns", f"streamer-pool-{number}"]["status"]
        status["podIP"] = f"10.0.0.{number}"
    cluster.frames_arrive("s")
    cluster.settle()
    home = cluster.status("s")["streamer"]
    pool = cluster.objects["Streamer", "ns", "pool"]["status"]
    pool["silentAddresses"] = [f"10.0.0.{home[-1]}"]  # Central's
    cluster.see()
    cluster.carry_out(cluster.plan())
    there = cluster.status("s")
    assert there["streamer"] not in (home, None)
    assert "previousStreamer" not in there, "nothing is to be had from there"
    pool["silentAddresses"] = []
    cluster.settle()
    assert cluster.status("s")["streamer"] == there["streamer"], "it stays"


def test_an_only_pod_that_answers_nobody_keeps_its_streams(cluster: Simulation) -> None:
    cluster.create("Stream", "s", FAKE)
    cluster.settle()
    cluster.objects["Pod", "ns", "streamer-default-0"]["status"]["podIP"] = "10.0.0.1"
    cluster.objects["Streamer", "ns", "default"]["status"]["silentAddresses"] = ["10.0.0.1"]
    cluster.see()
    cluster.carry_out(cluster.plan())
    assert cluster.status("s")["streamer"] == "streamer-default-0"
    assert cluster.condition("s", "Ready") == ("False", "StreamerNotReady")
    assert "does not answer" in cluster.message("s", "Ready")


def test_a_pod_stuck_on_a_dead_node_is_removed_by_force(cluster: Simulation) -> None:
    cluster.create("Streamer", "pool", {})
    cluster.settle()
    cluster.terminate("streamer-pool-0", seconds=5)
    cluster.pass_time(60)
    cluster.see()
    [delete] = cluster.plan().deletes
    assert (delete.kind, delete.name, delete.force) == ("Pod", "streamer-pool-0", True)


def test_pods_evicted_from_a_dead_node_are_not_waited_for(cluster: Simulation) -> None:
    cluster.create("Streamer", "pool", {"drainSeconds": 3600})
    cluster.settle()
    cluster.terminate("streamer-pool-0", seconds=3600)
    pod = cluster.objects["Pod", "ns", "streamer-pool-0"]
    pod["metadata"]["deletionGracePeriodSeconds"] = 3600
    evicted = {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager"}
    pod["status"]["conditions"].append(evicted)
    cluster.pass_time(30)
    cluster.see()
    assert cluster.plan().deletes == []  # it is ready: its node lives and it drains
    cluster.set_ready("streamer-pool-0", False)
    pod["status"]["conditions"].append(evicted)
    cluster.see()
    [delete] = cluster.plan().deletes
    assert (delete.kind, delete.name, delete.force) == ("Pod", "streamer-pool-0", True)


def test_two_streams_of_one_name(cluster: Simulation) -> None:
    cluster.create("Stream", "older", {**FAKE, "name": "sport/one"})
    cluster.pass_time(1)
    cluster.create("Stream", "newer", {**FAKE, "name": "sport/one"})
    cluster.settle()
    assert cluster.condition("older", "Ready") == ("True", "Running")
    assert cluster.condition("newer", "Stalled") == ("True", "NameConflict")
    assert "streamer" not in cluster.status("newer")


def test_what_has_no_effect_is_said(cluster: Simulation) -> None:
    cluster.create("Stream", "s", {"inputs": [*FAKE["inputs"], {"url": "h323://a"}]})
    cluster.create("Stream", "plain", FAKE)
    cluster.create("Streamer", "pool", {"config": {GLOBALS[0]: "/var/lib/p"}})
    cluster.see()
    reasons = [(note.name, note.type, note.reason) for note in cluster.plan().notes]
    assert ("s", "Warning", "NotServed") in reasons
    assert ("pool", "Warning", "NotServed") in reasons
    cluster.settle()
    assert cluster.condition("s", "Ready") == ("True", "Running"), "what is served, is"
    assert cluster.condition("s", "ConfigAccepted") == ("False", "NotServed")
    assert cluster.message("s", "ConfigAccepted") == "no effect in this version: inputs[1]"
    assert cluster.condition("plain", "ConfigAccepted") == ("True", "Accepted")
    assert f"config.{GLOBALS[0]}" in cluster.message("pool", "ConfigAccepted", "Streamer")
    cluster.edit("Stream", "s", **FAKE)
    cluster.settle()
    assert cluster.condition("s", "ConfigAccepted") == ("True", "Accepted")


def test_a_stream_whose_inputs_nobody_opens_is_stalled(cluster: Simulation) -> None:
    cluster.create("Stream", "s", {"inputs": [{"url": "h323://a"}]})
    cluster.settle()
    for type_, status in (("Ready", "False"), ("Scheduled", "False"), ("Stalled", "True")):
        assert cluster.condition("s", type_) == (status, "InputNotServed")
    assert "h323://" in cluster.message("s", "Ready")
    assert "streamer" not in cluster.status("s")
    cluster.edit("Stream", "s", inputs=FAKE["inputs"])
    cluster.settle()
    assert cluster.condition("s", "Ready") == ("True", "Running")
    assert cluster.condition("s", "Stalled") == ("", "")


def test_a_value_that_no_schema_refuses_is_stalled(cluster: Simulation) -> None:
    inputs = [{"url": "rtsp://user:secret@host/1", "source_timeout": "soon"}]
    cluster.create("Stream", "s", {"inputs": inputs})
    cluster.settle()
    assert cluster.condition("s", "Stalled") == ("True", "ConfigInvalid")
    assert cluster.message("s", "Ready").startswith("inputs[0].source_timeout: ")
    assert "secret" not in str(cluster.status("s"))


def test_a_streamer_that_is_not_there_is_named(cluster: Simulation) -> None:
    """And what is wrong with other pools is no concern of the stream."""
    cluster.create("Streamer", "pool", {"image": "x y"})
    cluster.create("Stream", "s", {**FAKE, "streamer": "nope"})
    cluster.create("Stream", "soon", {**FAKE, "streamer": "small"})
    cluster.create("Streamer", "small", {"replicas": 0})
    cluster.settle()
    assert cluster.condition("s", "Ready") == ("Unknown", "WaitingForStreamer")
    cluster.pass_time(11)
    cluster.settle()
    assert cluster.condition("s", "Ready") == ("False", "NoStreamerAvailable")
    assert cluster.message("s", "Ready") == "there is no Streamer 'nope', which spec.streamer names"
    assert cluster.condition("soon", "Ready") == ("Unknown", "WaitingForStreamer")
    cluster.create("Streamer", "nope", {})
    cluster.settle()
    assert cluster.condition("s", "Ready") == ("True", "Running")


@pytest.mark.parametrize("gone", ["shadowed", "deleted"])
def test_a_streamer_that_never_takes_streams_is_not_waited_for(gone: str) -> None:
    cluster = Simulation(Settings(default_pool=False))
    if gone == "shadowed":
        cluster.create("Streamer", "edge", {"apiUrl": "http://192.0.2.1:80"}, "older")
        cluster.pass_time(5)
        edge = cluster.create("Streamer", "edge", {"apiUrl": "http://192.0.2.2:80"})
    else:
        edge = cluster.create("Streamer", "edge", {"replicas": 0})
    cluster.create("Streamer", "pool", {})
    if gone == "deleted":
        edge["metadata"]["deletionTimestamp"] = cluster.stamp()
    cluster.create("Stream", "s", {**FAKE, "streamer": "edge"})
    cluster.settle()
    assert cluster.condition("s", "Ready") == ("False", "NoStreamerAvailable")
    assert "'edge', which spec.streamer names, takes no streams" in cluster.message("s", "Ready")


def test_a_template_that_no_pool_has(cluster: Simulation) -> None:
    """Not said at once: what is applied together does not arrive together."""
    cluster.create("Streamer", "pool", {})
    cluster.create("Stream", "s", {"template": "nope"})
    cluster.settle()
    assert cluster.condition("s", "Scheduled") == ("False", "NoStreamerAvailable")
    assert "without the template" in cluster.message("s", "Scheduled")
    cluster.pass_time(11)
    cluster.settle()
    assert cluster.condition("s", "Stalled") == ("True", "TemplateNotFound")
    extra = {"one.conf": 'http 80;\n template "nope" {\n input fake://fake;\n}\n'}
    cluster.create("Streamer", "other", {"configExtra": extra})
    cluster.settle()
    assert cluster.status("s")["streamer"] == "streamer-other-0"
    assert cluster.condition("s", "Ready") == ("True", "Running")


@pytest.mark.parametrize(
    "spec",
    [
        {"apiUrl": "http://192.0.2.9"},
        {"config": {"templates": [{"name": "t"}]}},
        {"volumes": [{"name": "c", "mountPath": "/etc/flussonic", "configMap": {"name": "c"}}]},
    ],
)
def test_a_template_that_a_streamer_may_have(cluster: Simulation, spec: dict[str, Any]) -> None:
    cluster.create("Streamer", "pool", spec)
    cluster.create("Stream", "s", {"template": "t"})
    cluster.pass_time(11)
    cluster.settle()
    assert cluster.condition("s", "Ready") == ("True", "Running")


def test_a_cache_before_a_pool_that_is_not_there(cluster: Simulation) -> None:
    cluster.create("Streamer", "pool", {})
    cluster.create("Cache", "edge", {"origins": ["pool", "nope"]})
    cluster.settle()
    assert cluster.condition("edge", "Ready", "Cache") == ("True", "PodsReady")
    cluster.pass_time(11)
    cluster.settle()
    assert cluster.condition("edge", "Ready", "Cache") == ("False", "OriginNotFound")
    assert cluster.condition("edge", "Stalled", "Cache") == ("True", "OriginNotFound")
    assert "no Streamer nope" in cluster.message("edge", "Ready", "Cache")
    cluster.create("Streamer", "nope", {})
    cluster.settle()
    assert cluster.condition("edge", "Ready", "Cache") == ("True", "PodsReady")
    assert cluster.condition("edge", "Stalled", "Cache") == ("", "")


def test_disabled_stream_runs_nowhere(cluster: Simulation) -> None:
    cluster.create("Stream", "s", FAKE)
    cluster.settle()
    cluster.edit("Stream", "s", disabled=True)
    cluster.settle()
    assert "streamer" not in cluster.status("s")
    assert cluster.condition("s", "Ready") == ("True", "Disabled")


def test_gpu_stream_waits_and_then_lands_on_the_gpu_pool(cluster: Simulation) -> None:
    cluster.create("Streamer", "plain", {})
    cluster.create("Stream", "s", {**FAKE, "gpuRequired": True})
    cluster.settle()
    assert cluster.condition("s", "Ready") == ("False", "NoStreamerAvailable")
    cluster.create("Streamer", "gpu", {"nvidiaGpuCount": 1})
    cluster.settle()
    assert cluster.status("s")["streamer"] == "streamer-gpu-0"


def test_a_problem_of_the_pod_is_told(cluster: Simulation) -> None:
    cluster.create("Stream", "s", FAKE)
    cluster.create("Streamer", "pool", {"image": "no/such:image"})
    cluster.see()
    cluster.carry_out(cluster.plan())
    cluster.run_stateful_sets(ready=False)
    pod = cluster.objects["Pod", "ns", "streamer-pool-0"]
    pod["status"]["containerStatuses"] = [
        {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}
    ]
    cluster.see()
    cluster.carry_out(cluster.plan())
    assert cluster.condition("pool", "Ready", "Streamer") == ("False", "PodProblem")
    [message] = [
        c["message"] for c in cluster.status("s")["conditions"] if c["type"] == "Scheduled"
    ]
    assert "ImagePullBackOff" in message


def test_manual_edit_of_an_owned_field_is_put_right(cluster: Simulation) -> None:
    cluster.create("Streamer", "pool", {"replicas": 2})
    cluster.settle()
    cluster.objects["StatefulSet", "ns", "streamer-pool"]["spec"]["replicas"] = 7
    cluster.see()
    assert [a.body["kind"] for a in cluster.plan().applies] == ["StatefulSet"]
    cluster.settle()
    assert cluster.objects["StatefulSet", "ns", "streamer-pool"]["spec"]["replicas"] == 2


def test_external_streamer_takes_streams_and_makes_no_pods(cluster: Simulation) -> None:
    cluster.create("Streamer", "outside", {"apiUrl": "http://192.0.2.9:8080"})
    cluster.create("Stream", "s", FAKE)
    cluster.settle()
    assert cluster.status("s")["streamer"] == "outside"
    assert not [key for key in cluster.objects if key[0] == "StatefulSet"]


def test_streamer_deleted_under_its_streams(cluster: Simulation) -> None:
    cluster.create("Streamer", "pool", {})
    cluster.create("Stream", "s", FAKE)
    cluster.settle()
    cluster.create("Streamer", "other", {})
    cluster.delete("Streamer", "pool")
    cluster.settle()
    assert cluster.status("s")["streamer"] == "streamer-other-0"
