"""A cluster in memory: what the API server, the StatefulSet controller and kubelets do to a plan.

It serves the convergence tests, where faults fall between any two writes; the real API server
serves the cluster tests.
"""

import copy
import itertools
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from media_api.resources.conditions import WANTED
from media_operator.objects import OUR_CONDITIONS, Snapshot
from media_operator.picture import ClusterPicture
from media_operator.planner.actions import Apply, Delete, Plan, WriteStatus
from media_operator.planner.plan import make_plan
from media_operator.settings import Settings

FAKE = {"inputs": [{"url": "fake://fake"}]}
"""The least that a stream is."""

Body = dict[str, Any]
CENTRALS = ("activeStreamer", "input", "silentAddresses")
"""Fields of a status that Central owns."""
START = datetime(2026, 1, 1, tzinfo=UTC)


class Simulation:
    """Objects by kind, namespace and name, with a clock and a way to lose events."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings(namespace="ns")
        self.objects: dict[tuple[str, str, str], Body] = {}
        self.now = START
        self.writes = 0
        self._uids = itertools.count(1)
        self.picture = ClusterPicture(lambda: None)

    # What users do.

    def create(self, kind: str, name: str, spec: Body, namespace: str = "ns") -> Body:
        body = {
            "kind": kind,
            "metadata": {
                "name": name,
                "namespace": namespace,
                "uid": f"uid-{next(self._uids)}",
                "generation": 1,
                "creationTimestamp": self.stamp(),
            },
            "spec": spec,
        }
        self.objects[kind, namespace, name] = body
        return body

    def edit(self, kind: str, name: str, namespace: str = "ns", **spec: Any) -> None:
        body = self.objects[kind, namespace, name]
        body["spec"] = {**body["spec"], **spec}
        body["metadata"]["generation"] += 1

    def delete(self, kind: str, name: str, namespace: str = "ns") -> None:
        body = self.objects.pop((kind, namespace, name))
        uid = body["metadata"]["uid"]
        for key in [k for k, o in self.objects.items() if self._owner(o) == uid]:
            if key in self.objects:
                self.delete(key[0], key[2], key[1])

    def collect_garbage(self) -> None:
        """What was made for an object that was gone (Kubernetes compares uids of owners)."""
        live = {body["metadata"]["uid"] for body in self.objects.values()}
        for (kind, namespace, name), body in list(self.objects.items()):
            owner = self._owner(body)
            if owner is not None and owner not in live and (kind, namespace, name) in self.objects:
                self.delete(kind, name, namespace)

    @staticmethod
    def _owner(body: Body) -> str | None:
        owners = body["metadata"].get("ownerReferences") or []
        return owners[0]["uid"] if owners else None

    # What the cluster does.

    def stamp(self) -> str:
        return self.now.strftime("%Y-%m-%dT%H:%M:%SZ")

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def run_stateful_sets(self, ready: bool = True) -> None:
        """Make missing pods, remove surplus ones, and replace old ones from the last to the first,
        each once all that are as they should be are ready; `ready`: new pods get so at once."""
        for (kind, namespace, name), body in list(self.objects.items()):
            if kind == "StatefulSet":
                self._run_stateful_set(namespace, name, body, ready)

    def _run_stateful_set(self, namespace: str, name: str, body: Body, ready: bool) -> None:
        wanted = [f"{name}-{i}" for i in range(body["spec"]["replicas"])]
        template = body["spec"]["template"]["metadata"]["annotations"]
        mine = {
            key[2]: pod
            for key, pod in self.objects.items()
            if key[0] == "Pod" and self._owner(pod) == body["metadata"]["uid"]
        }
        for surplus in mine.keys() - set(wanted):
            del self.objects["Pod", namespace, surplus]
        for missing in set(wanted) - mine.keys():
            self._claim(namespace, missing, body)
            self._pod(namespace, missing, body, ready)
        for pod_name in reversed(wanted):
            pod = self.objects["Pod", namespace, pod_name]
            if pod["metadata"]["annotations"] != template:
                self._pod(namespace, pod_name, body, ready)
            if self.objects["Pod", namespace, pod_name]["status"]["conditions"][0]["status"] != (
                "True"
            ):
                return

    def _claim(self, namespace: str, pod: str, owner: Body) -> None:
        """What the StatefulSet controller makes once and keeps, and a provisioner binds."""
        for template in owner["spec"].get("volumeClaimTemplates", []):
            name = f"{template['metadata']['name']}-{pod}"
            if ("PersistentVolumeClaim", namespace, name) not in self.objects:
                spec = copy.deepcopy(template["spec"])
                claim = self.create("PersistentVolumeClaim", name, spec, namespace)
                self.resize(claim)

    @staticmethod
    def resize(claim: Body) -> None:
        """The volume gets as large as is asked for."""
        size = claim["spec"]["resources"]["requests"]["storage"]
        claim["status"] = {"phase": "Bound", "capacity": {"storage": size}}

    def _pod(self, namespace: str, name: str, owner: Body, ready: bool) -> None:
        spec = {**owner["spec"]["template"]["spec"], "nodeName": "node-1"}
        body = self.create("Pod", name, spec, namespace)
        body["metadata"] |= copy.deepcopy(owner["spec"]["template"]["metadata"])
        body["metadata"]["ownerReferences"] = [{"uid": owner["metadata"]["uid"]}]
        body["status"] = {"hostIP": "192.0.2.1"}
        self.set_ready(name, ready, namespace)

    def set_ready(self, name: str, ready: bool, namespace: str = "ns") -> None:
        self.objects["Pod", namespace, name]["status"]["conditions"] = [
            {"type": "Ready", "status": str(ready), "lastTransitionTime": self.stamp()}
        ]

    def terminate(self, name: str, namespace: str = "ns", seconds: float = 30) -> None:
        until = (self.now + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.objects["Pod", namespace, name]["metadata"]["deletionTimestamp"] = until

    def frames_arrive(self, name: str, namespace: str = "ns") -> None:
        """What Central writes once it saw a stream run where it is placed."""
        status = self.objects["Stream", namespace, name].setdefault("status", {})
        if "streamer" not in status:
            return
        status |= {"activeStreamer": status["streamer"], "input": "fake://fake"}
        others = [c for c in status.get("conditions", []) if c["type"] != "InputActive"]
        active = {"type": "InputActive", "status": "True", "reason": "FramesArrive"}
        status["conditions"] = [active, *others]

    def nobody_watches(self, name: str, namespace: str = "ns") -> None:
        """What Central writes of a stream on demand that was left."""
        self.objects["Stream", namespace, name]["status"].pop("activeStreamer", None)

    def somebody_asks(self, name: str, namespace: str = "ns") -> None:
        """What Central writes of a stream that sleeps."""
        status = self.objects["Stream", namespace, name].setdefault("status", {})
        others = [c for c in status.get("conditions", []) if c["type"] != WANTED]
        asked = {"type": WANTED, "status": "True", "lastTransitionTime": self.stamp()}
        status["conditions"] = [asked, *others]

    # What the operator sees and does.

    def see(self, kinds: Iterable[str] = ()) -> Snapshot:
        """Deliver the present state of `kinds` (all if empty) to the operator's picture."""
        for kind in kinds or {
            "Stream",
            "Streamer",
            "Cache",
            "Pod",
            "StatefulSet",
            "Service",
            "ConfigMap",
            "PodDisruptionBudget",
            "PersistentVolumeClaim",
        }:
            bodies = [copy.deepcopy(o) for (k, _, _), o in self.objects.items() if k == kind]
            self.picture.replace(kind, bodies)
        return self.picture.snapshot

    def plan(self) -> Plan:
        return make_plan(self.picture.snapshot, self.settings, self.now)

    def carry_out(self, plan: Plan, at_most: int | None = None) -> None:
        """Do the first `at_most` actions of a plan (all if None): a crash stops in between."""
        actions = [*plan.applies, *plan.deletes, *plan.statuses]
        for action in actions[:at_most]:
            self.writes += 1
            self._do(action)

    def _do(self, action: Apply | Delete | WriteStatus) -> None:
        match action:
            case Apply(body):
                self._apply(copy.deepcopy(dict(body)))
            case Delete(kind, namespace, name):
                if (kind, namespace, name) in self.objects:
                    self.delete(kind, name, namespace)
            case WriteStatus(kind, namespace, name, status):
                if (target := self.objects.get((kind, namespace, name))) is not None:
                    before = target.get("status") or {}
                    foreign = [
                        c for c in before.get("conditions", []) if c["type"] not in OUR_CONDITIONS
                    ]
                    merged = copy.deepcopy(dict(status))
                    merged["conditions"] = [*merged.get("conditions", []), *foreign]
                    merged |= {k: v for k, v in before.items() if k in CENTRALS}
                    target["status"] = merged

    def _apply(self, body: Body) -> None:
        meta = body["metadata"]
        key = (body["kind"], meta["namespace"], meta["name"])
        before = self.objects.get(key)
        if before is None:
            self.create(body["kind"], meta["name"], {}, meta["namespace"])
            before = self.objects[key]
        before["metadata"] = {**before["metadata"], **meta}
        if body["kind"] == "PersistentVolumeClaim":
            before["spec"] = {**before["spec"], **body["spec"]}
            return
        made = before["spec"].get("volumeClaimTemplates", []) if before.get("spec") else []
        if body["kind"] == "StatefulSet" and made:
            assert body["spec"].get("volumeClaimTemplates") == made, "the API server refuses that"
        stored = {part: _as_stored(body[part]) for part in ("spec", "data") if part in body}
        if stored.get("spec") != before.get("spec"):
            before["metadata"]["generation"] += 1
        before |= stored

    def settle(self, rounds: int = 12) -> int:
        """See, plan and write until nothing is left to do; the rounds it took."""
        self.collect_garbage()
        for count in range(rounds):
            self.see()
            plan = self.plan()
            if not plan.writes:
                return count
            self.carry_out(plan)
            self.run_stateful_sets()
            self.collect_garbage()
        raise AssertionError(f"not settled after {rounds} rounds: {plan}")

    def settle_pods_as_they_are(self) -> None:
        """One round of the operator alone."""
        self.see()
        self.carry_out(self.plan())

    def status(self, name: str, kind: str = "Stream", namespace: str = "ns") -> Body:
        return dict(self.objects[kind, namespace, name].get("status") or {})

    def condition(self, name: str, type_: str, kind: str = "Stream") -> tuple[str, str]:
        found = self._condition(name, type_, kind)
        return found.get("status", ""), found.get("reason", "")

    def message(self, name: str, type_: str, kind: str = "Stream") -> str:
        return str(self._condition(name, type_, kind).get("message", ""))

    def _condition(self, name: str, type_: str, kind: str) -> Body:
        conditions = self.status(name, kind).get("conditions", [])
        return next((dict(c) for c in conditions if c["type"] == type_), {})


def _as_stored(value: Any) -> Any:
    """The API server leaves out an empty string where empty is the default."""
    if isinstance(value, dict):
        return {key: _as_stored(item) for key, item in value.items() if item != ""}
    return [_as_stored(item) for item in value] if isinstance(value, list) else value
