"""Plan of one Streamer or Cache resource: its objects, its size, its status."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from media_api.resources.conditions import ASLEEP
from media_api.unsupported import unserved_globals

from media_operator import conditions
from media_operator.conditions import Condition, accepted
from media_operator.objects import (
    TEMPLATE,
    Object,
    PodObject,
    Snapshot,
    TierObject,
    our_conditions,
)
from media_operator.planner.actions import Apply, Delete, Note, Plan, WriteStatus
from media_operator.planner.host_ports import asked_of, status_of
from media_operator.planner.offers import older_namesake
from media_operator.planner.patience import is_young
from media_operator.planner.reach import reach
from media_operator.planner.scaling import Size, size
from media_operator.planner.volumes import (
    archive_condition,
    claim_of,
    claims_of,
    volume_size,
)
from media_operator.planner.wants import Wants
from media_operator.quantity import quantity
from media_operator.render import cache_objects, common, streamer_objects
from media_operator.render.archive import as_made, grown
from media_operator.render.streamer import gpu_count
from media_operator.settings import Settings

HASH = "media.flussonic.com/applied"
"""Annotation with the hash of what was applied: tells removals, which a comparison cannot see."""
_OUR_STATUS = frozenset(
    {
        "observedGeneration",
        "ready",
        "replicas",
        "readyReplicas",
        "selector",
        "members",
        "service",
        "url",
        "shrinkAt",
        "noSurgeFor",
        "rebalanced",
        "hostPorts",
    }
)
STUCK_AFTER = timedelta(seconds=10)
"""A pod this long over its deletion time sits on a node that is gone."""


def plan_tier(
    tier: TierObject,
    asked: Wants,
    snapshot: Snapshot,
    settings: Settings,
    now: datetime,
    plan: Plan,
    *,
    is_even: bool,
) -> None:
    """Add what must be done for `tier` to `plan`.

    `asked`: what its streams ask for; `is_even`: so is the load of its pods.
    """
    if tier.deleting:
        # The garbage collector removes what the resource owns.
        return
    pods = [
        pod
        for pod in snapshot.pods.values()
        if (pod.namespace, pod.tier, pod.tier_kind)
        == (tier.namespace, tier.name, tier.kind.lower())
    ]
    render = streamer_objects if tier.kind == "Streamer" else cache_objects
    objects = render(tier, settings)
    template = _template(objects)
    pods = _without_outdated(pods, tier, snapshot)
    wants = size(tier, pods, template, asked, settings, now, plan)
    _plan_objects(tier, common.with_replicas(objects, wants.pods), snapshot, plan)
    _delete_stuck(pods, now, plan)
    members = [_member(tier, pod, snapshot) for pod in sorted(pods, key=_name)]
    ready = _ready(tier, wants, pods, template, snapshot)
    says = _conditions(tier, ready, snapshot, now, plan)
    if not tier.external and (archive := archive_condition(tier, wants.replicas, snapshot)):
        says.append(archive)
    extra = {
        "rebalanced": tier.rebalance if is_even else tier.status.get("rebalanced"),
        "hostPorts": status_of(tier),
    }
    _write_status(tier, wants, pods, members, says, extra, now, plan)


def _without_outdated(
    pods: list[PodObject], tier: TierObject, snapshot: Snapshot
) -> list[PodObject]:
    """The pods, those of no version that their StatefulSet is about to replace: so are those that
    differ from it by nothing of ours, after `kubectl rollout restart`.

    A revision of before an edit that the controller has not seen yet (each scaling is one) still
    tells which pods are older; of what is edited in the template of ours our annotation tells.
    """
    owner = snapshot.children.get(("StatefulSet", tier.namespace, common.child_name(tier))) or {}
    revision = (owner.get("status") or {}).get("updateRevision")
    if not revision:
        return pods
    return [pod if pod.revision in ("", revision) else replace(pod, template="") for pod in pods]


def _plan_objects(
    tier: TierObject, objects: list[dict[str, Any]], snapshot: Snapshot, plan: Plan
) -> None:
    wanted = {}
    for body in objects:
        key = (body["kind"], tier.namespace, body["metadata"]["name"])
        wanted[key] = _hashed(as_made(body, snapshot.children.get(key)))
    for key, body in wanted.items():
        live = snapshot.children.get(key)
        if live is None or not _as_applied(body, live):
            plan.applies.append(Apply(body))
    plan.applies += map(Apply, grown(tier, claims_of(tier, snapshot)))
    plan.deletes += [
        Delete(*key)
        for key, live in snapshot.children.items()
        if key not in wanted and _owned_by(tier, live)
    ]


def _hashed(body: Object) -> dict[str, Any]:
    metadata = body["metadata"]
    annotations = {**metadata.get("annotations", {}), HASH: common.digest(body)}
    return {**body, "metadata": {**metadata, "annotations": annotations}}


def _as_applied(body: Object, live: Object) -> bool:
    annotations = live["metadata"].get("annotations") or {}
    if annotations.get(HASH) != body["metadata"]["annotations"][HASH]:
        return False
    return all(covers(live.get(part), body[part]) for part in ("spec", "data") if part in body)


_QUANTITIES = frozenset({"requests", "limits", "sizeLimit"})
"""Keys of quantities, or of objects that hold them."""


def covers(live: Any, wanted: Any, *, quantities: bool = False) -> bool:
    """Whether `live` says everything that `wanted` says.

    Defaults of the API server may be more; what is empty it leaves out, and `quantities` it writes
    in a form of its own.
    """
    if isinstance(wanted, Mapping):
        if not isinstance(live, Mapping):
            return not wanted and live is None
        return all(
            covers(live.get(key), value, quantities=quantities or key in _QUANTITIES)
            for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        if not isinstance(live, list):
            return not wanted and live is None
        return len(live) == len(wanted) and all(map(covers, live, wanted))
    if quantities and quantity(wanted) is not None:
        return quantity(live) == quantity(wanted)
    return bool(live == wanted or (wanted == "" and live is None))


def _owned_by(tier: TierObject, live: Object) -> bool:
    return any(
        owner.get("uid") == tier.uid for owner in live["metadata"].get("ownerReferences") or []
    )


def _delete_stuck(pods: list[PodObject], now: datetime, plan: Plan) -> None:
    """A StatefulSet replaces a pod only once it is gone; a dead node never says that it is."""
    for pod in pods:
        if pod.terminating_until is None:
            continue
        wait = (pod.terminating_until + STUCK_AFTER - now).total_seconds()
        if wait <= 0:
            plan.deletes.append(Delete("Pod", pod.namespace, pod.name, force=True))
        else:
            plan.look_again(wait)


def _write_status(
    tier: TierObject,
    wants: Size,
    pods: list[PodObject],
    members: list[dict[str, Any]],
    says: list[Condition],
    extra: dict[str, Any],
    now: datetime,
    plan: Plan,
) -> None:
    observed = tier.status.get("conditions") or []
    status: dict[str, Any] = {
        "observedGeneration": tier.generation,
        "ready": any(c.type == "Ready" and c.status == "True" for c in says),
        "conditions": conditions.merge(says, observed, tier.generation, now),
    }
    if not tier.external:
        status |= {
            "replicas": wants.replicas,
            "readyReplicas": len(_serving(pods)),
            "selector": ",".join(f"{k}={v}" for k, v in sorted(common.selector(tier).items())),
            "members": members,
        }
    if tier.kind == "Cache":
        status |= {"service": common.child_name(tier), **_url(members)}
    extra |= {"shrinkAt": wants.shrink_at, "noSurgeFor": wants.no_surge_for}
    status |= {name: value for name, value in extra.items() if value}
    ours = {key: value for key, value in tier.status.items() if key in _OUR_STATUS}
    if status == {**ours, "conditions": our_conditions(tier.status)}:
        return
    plan.statuses.append(WriteStatus(tier.kind, tier.namespace, tier.name, status))
    plan.notes += [
        _note(tier, condition)
        for condition in conditions.news(says, observed)
        if condition.type in ("Ready", "ConfigAccepted", "ArchiveReady")
    ]


_BAD = frozenset(
    {"PodProblem", "NameConflict", "NoHostPort", "OriginNotFound", "NotServed", "VolumeLost"}
)
"""Reasons that are no part of an orderly life."""


def _note(tier: TierObject, condition: Condition) -> Note:
    return Note(
        tier.kind,
        tier.namespace,
        tier.name,
        tier.uid,
        "Warning" if condition.reason in _BAD else "Normal",
        condition.reason,
        condition.message,
    )


def _conditions(
    tier: TierObject, ready: Condition, snapshot: Snapshot, now: datetime, plan: Plan
) -> list[Condition]:
    """All that is said of a tier, given whether its pods are ready."""
    if tier.kind == "Streamer":
        if missing := asked_of(tier):
            message = f"no port of the nodes is left for {', '.join(missing)}: see HOST_PORTS"
            ready = Condition("Ready", "False", "NoHostPort", message)
        config = unserved_globals(tier.spec.get("config") or {})
        says = [ready, accepted([f"config.{path}" for path in config])]
        if ready.reason == "NameConflict":
            says.append(Condition("Stalled", "True", ready.reason, ready.message))
        return says
    missing = [
        origin
        for origin in tier.spec.get("origins") or []
        if ("Streamer", tier.namespace, origin) not in snapshot.tiers
    ]
    if not missing or is_young(tier.created, now, plan):
        return [ready, accepted([])]
    message = f"there is no Streamer {', '.join(missing)}: origins must be in the same namespace"
    return [
        Condition("Ready", "False", "OriginNotFound", message),
        Condition("Stalled", "True", "OriginNotFound", message),
        accepted([]),
    ]


def _name(pod: PodObject) -> str:
    return pod.name


def _url(members: list[dict[str, Any]]) -> dict[str, Any]:
    """Where viewers reach the first that is ready; nothing while none is."""
    urls = [member["publicUrl"] for member in members if member["ready"] and "publicUrl" in member]
    return {"url": urls[0]} if urls else {}


def _member(tier: TierObject, pod: PodObject, snapshot: Snapshot) -> dict[str, Any]:
    found = reach(tier, pod, snapshot)
    member: dict[str, Any] = {
        "name": pod.name,
        "ready": pod.ready,
        "draining": pod.terminating_until is not None,
        "gpu": gpu_count(tier) > 0,
        "publicUrl": found.http_url if found.is_known else "",
        "ports": dict(found.ports) if found.is_known else {},
        "node": pod.node,
        "address": pod.host_ip,
    }
    if tier.kind == "Streamer":
        member["archive"] = volume_size(claim_of(tier, pod.ordinal, snapshot))
    return {name: value for name, value in member.items() if value not in (None, "", {})}


def _serving(pods: list[PodObject]) -> list[PodObject]:
    return [pod for pod in pods if pod.ready and pod.terminating_until is None]


def _template(objects: Iterable[Object]) -> str:
    """Which version the pods should be."""
    for body in objects:
        if body["kind"] == "StatefulSet":
            return str(body["spec"]["template"]["metadata"]["annotations"][TEMPLATE])
    return ""  # a server outside the cluster


def _ready(
    tier: TierObject, wants: Size, pods: list[PodObject], template: str, snapshot: Snapshot
) -> Condition:
    """True once all pods are ready as the spec wants them now, not as it wanted them before."""
    if tier.external and (other := older_namesake(tier, snapshot)) is not None:
        message = f"the name {tier.name!r} belongs to the older server of {other.namespace!r}"
        return Condition("Ready", "False", "NameConflict", f"{message}; choose another name")
    if tier.external:
        return Condition("Ready", "True", "External", "a server outside the cluster")
    ready = _serving(pods)
    if not wants.replicas:
        return Condition("Ready", "True", ASLEEP, "it has no pods, as none of its streams runs")
    current = sum(pod.template == template and pod.ordinal < wants.replicas for pod in ready)
    message = f"{len(ready)}/{wants.replicas} pods are ready"
    if current >= wants.replicas:
        return Condition("Ready", "True", "PodsReady", message)
    stays = [pod for pod in pods if not wants.no_surge_for or pod.ordinal < wants.replicas]
    problems = sorted({f"{pod.name}: {pod.problem}" for pod in stays if pod.problem})
    if problems:
        return Condition("Ready", "False", "PodProblem", f"{message}; {problems[0]}")
    if any(pod.template != template for pod in ready):
        message += f", {current}/{wants.replicas} as the spec is now"
        if wants.no_surge_for:
            message += "; there was no room for one more meanwhile"
        return Condition("Ready", "False", "RollingOut", message)
    return Condition("Ready", "False", "PodsStarting", message)
