"""Convergence: whatever users, nodes and crashes did, everything comes right once they stop."""

from typing import Any

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from media_operator.settings import Settings

from ..simulation import FAKE, Simulation

names = st.sampled_from([f"s{i}" for i in range(6)])


pools = st.sampled_from(["a", "b"])


stream_specs = st.fixed_dictionaries(
    {},
    optional={
        "disabled": st.booleans(),
        "gpuRequired": st.booleans(),
        "streamer": pools,
        "preferredStreamer": pools,
    },
)


pool_specs = st.fixed_dictionaries(
    {"replicas": st.integers(0, 3)},
    optional={"nvidiaGpuCount": st.just(1), "channelLimit": st.integers(1, 4)},
)


class Convergence(RuleBasedStateMachine):
    """Users, nodes and crashes do what they like; once they stop, everything comes right."""

    def __init__(self) -> None:
        super().__init__()
        self.cluster = Simulation(Settings(namespace="ns", default_pool=False))

    @rule(name=names, spec=stream_specs)
    def write_stream(self, name: str, spec: dict[str, Any]) -> None:
        if ("Stream", "ns", name) in self.cluster.objects:
            self.cluster.edit("Stream", name, **spec)
        else:
            self.cluster.create("Stream", name, {**FAKE, **spec})

    @rule(name=names)
    def delete_stream(self, name: str) -> None:
        if ("Stream", "ns", name) in self.cluster.objects:
            self.cluster.delete("Stream", name)

    @rule(name=pools, spec=pool_specs)
    def write_pool(self, name: str, spec: dict[str, Any]) -> None:
        if ("Streamer", "ns", name) in self.cluster.objects:
            self.cluster.edit("Streamer", name, **spec)
        else:
            self.cluster.create("Streamer", name, spec)

    @rule(name=pools)
    def delete_pool(self, name: str) -> None:
        if ("Streamer", "ns", name) in self.cluster.objects:
            self.cluster.delete("Streamer", name)

    @rule(pool=pools, index=st.integers(0, 2), how=st.sampled_from(["gone", "unready", "dying"]))
    def hurt_pod(self, pool: str, index: int, how: str) -> None:
        name = f"streamer-{pool}-{index}"
        if ("Pod", "ns", name) not in self.cluster.objects:
            return
        match how:
            case "gone":
                self.cluster.delete("Pod", name)
            case "unready":
                self.cluster.set_ready(name, False)
            case "dying":
                self.cluster.terminate(name)

    @rule(seconds=st.sampled_from([1, 10, 100]))
    def time_passes(self, seconds: int) -> None:
        self.cluster.pass_time(seconds)

    @rule(kinds=st.sets(st.sampled_from(["Stream", "Streamer", "Pod", "StatefulSet", "Service"])))
    def some_events_arrive(self, kinds: set[str]) -> None:
        if kinds:
            self.cluster.see(kinds)

    @rule(writes=st.integers(0, 4))
    def operator_crashes_in_a_plan(self, writes: int) -> None:
        self.cluster.carry_out(self.cluster.plan(), at_most=writes)

    @rule(name=names)
    def central_sees_frames(self, name: str) -> None:
        if ("Stream", "ns", name) in self.cluster.objects:
            self.cluster.frames_arrive(name)

    @rule()
    def pods_start(self) -> None:
        self.cluster.run_stateful_sets()

    @precondition(lambda self: self.cluster.objects)
    @rule()
    def everything_comes_right(self) -> None:
        cluster = self.cluster
        for (kind, _, name), body in list(cluster.objects.items()):
            if kind == "Pod":
                body["metadata"].pop("deletionTimestamp", None)
                cluster.set_ready(name, True)
        cluster.settle()
        live = {
            key[2]
            for key, body in cluster.objects.items()
            if key[0] == "Pod" and body["status"]["conditions"][0]["status"] == "True"
        }
        for (kind, _, name), body in cluster.objects.items():
            if kind != "Stream":
                continue
            status = body["status"]
            assert status["observedGeneration"] == body["metadata"]["generation"]
            ready = cluster.condition(name, "Ready")
            if ready == ("True", "Running"):
                assert status["streamer"] in live
            else:
                assert "streamer" not in status or ready[1] == "StreamerNotReady"
        owners = {body["metadata"]["uid"] for body in cluster.objects.values()}
        for (kind, *_), body in cluster.objects.items():
            if kind == "StatefulSet":
                assert body["metadata"]["ownerReferences"][0]["uid"] in owners, "orphan"

    @invariant()
    def plan_is_a_function_of_the_snapshot(self) -> None:
        first, second = self.cluster.plan(), self.cluster.plan()
        assert first == second


TestConvergence = Convergence.TestCase


TestConvergence.settings = hypothesis_settings(stateful_step_count=25)
