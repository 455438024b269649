"""Plan of one Streamer or Cache resource: its objects, its size, its status."""

import math
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from media_api.hostnames import pod_hostname
from media_api.timestamps import parse_timestamp, timestamp

from media_operator import conditions
from media_operator.conditions import Condition
from media_operator.objects import (
    TEMPLATE,
    Object,
    PodObject,
    Snapshot,
    TierObject,
    our_conditions,
)
from media_operator.planner.actions import Apply, Delete, Note, Plan, WriteStatus
from media_operator.planner.placement import DEFAULT_CHANNEL_LIMIT
from media_operator.planner.reach import reach
from media_operator.render import cache_objects, common, streamer_objects
from media_operator.render.streamer import gpu_count
from media_operator.settings import Settings

HASH = "media.flussonic.com/applied"
"""Annotation with the hash of what was applied: tells removals, which a comparison cannot see."""
FULL_SHARE = 0.8
"""A pool grows when this share of its channels is taken …"""
EMPTY_SHARE = 0.5
"""… and shrinks when one pod fewer would still be below this share for `SHRINK_AFTER`."""
SHRINK_AFTER = timedelta(minutes=10)
STUCK_AFTER = timedelta(seconds=10)
"""A pod this long over its deletion time sits on a node that is gone."""


def plan_tier(
    tier: TierObject, snapshot: Snapshot, settings: Settings, now: datetime, plan: Plan
) -> None:
    """Add what must be done for `tier` to `plan`."""
    if tier.deleting:
        # The garbage collector removes what the resource owns.
        return
    replicas, shrink_at = _replicas(tier, snapshot, settings, now, plan)
    render = streamer_objects if tier.kind == "Streamer" else cache_objects
    wanted = {
        (body["kind"], tier.namespace, body["metadata"]["name"]): _hashed(body)
        for body in render(tier, replicas, settings)
    }
    for key, body in wanted.items():
        live = snapshot.children.get(key)
        if live is None or not _as_applied(body, live):
            plan.applies.append(Apply(body))
    plan.deletes += [
        Delete(*key)
        for key, live in snapshot.children.items()
        if key not in wanted and _owned_by(tier, live)
    ]
    pods = [
        pod
        for pod in snapshot.pods.values()
        if (pod.namespace, pod.tier, pod.tier_kind)
        == (tier.namespace, tier.name, tier.kind.lower())
    ]
    _delete_stuck(pods, now, plan)
    members = [_member(tier, pod, snapshot) for pod in sorted(pods, key=_name)]
    condition = _ready(tier, replicas, pods, _template(wanted.values()))
    _write_status(tier, replicas, shrink_at, pods, members, condition, now, plan)


def _replicas(
    tier: TierObject, snapshot: Snapshot, settings: Settings, now: datetime, plan: Plan
) -> tuple[int, str | None]:
    """Pods to run, and when the pool may shrink (RFC 3339; None if it need not)."""
    spec = tier.spec
    if not spec.get("maxReplicas") or tier.kind != "Streamer":
        return int(spec.get("replicas", 1)), None
    low, high = int(spec.get("minReplicas") or 1), int(spec["maxReplicas"])
    limit = int(spec.get("channelLimit") or DEFAULT_CHANNEL_LIMIT)
    wide = settings.cluster_wide
    pods = [f"{common.child_name(tier)}-{index}" for index in range(high)]
    names = {pod_hostname(pod, tier.namespace, cluster_wide=wide) for pod in pods}
    count = sum(
        1
        for stream in snapshot.streams.values()
        if stream.namespace == tier.namespace
        and not stream.disabled
        and stream.status.get("streamer", next(iter(names))) in names
    )
    now_running = min(high, max(low, int(tier.status.get("replicas") or low)))
    grown = min(high, max(low, math.ceil(count / (limit * FULL_SHARE))))
    if grown >= now_running:
        return grown, None
    if count > (now_running - 1) * limit * EMPTY_SHARE:
        return now_running, None
    shrink_at = tier.status.get("shrinkAt") or timestamp(now + SHRINK_AFTER)
    wait = (parse_timestamp(shrink_at) - now).total_seconds()
    if wait > 0:
        plan.look_again(wait)
        return now_running, shrink_at
    return now_running - 1, None


def _hashed(body: dict[str, Any]) -> dict[str, Any]:
    metadata = body["metadata"]
    annotations = {**metadata.get("annotations", {}), HASH: common.digest(body)}
    return {**body, "metadata": {**metadata, "annotations": annotations}}


def _as_applied(body: Object, live: Object) -> bool:
    annotations = live["metadata"].get("annotations") or {}
    if annotations.get(HASH) != body["metadata"]["annotations"][HASH]:
        return False
    return all(covers(live.get(part), body[part]) for part in ("spec", "data") if part in body)


def covers(live: Any, wanted: Any) -> bool:
    """Whether `live` says everything that `wanted` says.

    Defaults of the API server may be more; what is empty it leaves out.
    """
    if isinstance(wanted, Mapping):
        if not isinstance(live, Mapping):
            return not wanted and live is None
        return all(covers(live.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        if not isinstance(live, list):
            return not wanted and live is None
        return len(live) == len(wanted) and all(map(covers, live, wanted))
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
    replicas: int,
    shrink_at: str | None,
    pods: list[PodObject],
    members: list[dict[str, Any]],
    condition: Condition,
    now: datetime,
    plan: Plan,
) -> None:
    observed = tier.status.get("conditions") or []
    status: dict[str, Any] = {
        "observedGeneration": tier.generation,
        "ready": condition.status == "True",
        "conditions": conditions.merge([condition], observed, tier.generation, now),
    }
    if not tier.external:
        status |= {
            "replicas": replicas,
            "readyReplicas": len(_serving(pods)),
            "selector": ",".join(f"{k}={v}" for k, v in sorted(common.selector(tier).items())),
            "members": members,
        }
    if tier.kind == "Cache":
        status |= {"service": common.child_name(tier), **_url(members)}
    if shrink_at:
        status["shrinkAt"] = shrink_at
    ours = {
        **{key: value for key, value in tier.status.items() if key != "conditions"},
        "conditions": our_conditions(tier.status),
    }
    if status == ours:
        return
    plan.statuses.append(WriteStatus(tier.kind, tier.namespace, tier.name, status))
    before = next((c.get("reason") for c in observed if c.get("type") == "Ready"), None)
    if before != condition.reason:
        plan.notes.append(
            Note(
                tier.kind,
                tier.namespace,
                tier.name,
                tier.uid,
                "Warning" if condition.reason == "PodProblem" else "Normal",
                condition.reason,
                condition.message,
            )
        )


def _name(pod: PodObject) -> str:
    return pod.name


def _url(members: list[dict[str, Any]]) -> dict[str, Any]:
    """Where viewers reach the first that is ready; nothing while none is."""
    urls = [member["publicUrl"] for member in members if member["ready"]]
    return {"url": urls[0]} if urls else {}


def _member(tier: TierObject, pod: PodObject, snapshot: Snapshot) -> dict[str, Any]:
    found = reach(tier, pod.host_ip, snapshot)
    member: dict[str, Any] = {
        "name": pod.name,
        "ready": pod.ready,
        "draining": pod.terminating_until is not None,
        "gpu": gpu_count(tier) > 0,
        "publicUrl": found.http_url,
        "ports": dict(found.ports),
        "node": pod.node,
        "address": pod.host_ip,
    }
    return {name: value for name, value in member.items() if value not in (None, "", {})}


def _serving(pods: list[PodObject]) -> list[PodObject]:
    return [pod for pod in pods if pod.ready and pod.terminating_until is None]


def _template(objects: Iterable[Object]) -> str:
    """Which version the pods should be."""
    for body in objects:
        if body["kind"] == "StatefulSet":
            return str(body["spec"]["template"]["metadata"]["annotations"][TEMPLATE])
    return ""  # a server outside the cluster


def _ready(tier: TierObject, replicas: int, pods: list[PodObject], template: str) -> Condition:
    """True once all pods are ready as the spec wants them now, not as it wanted them before."""
    if tier.external:
        return Condition("Ready", "True", "External", "a server outside the cluster")
    ready = _serving(pods)
    current = sum(pod.template == template for pod in ready)
    message = f"{len(ready)}/{replicas} pods are ready"
    if current >= replicas:
        return Condition("Ready", "True", "PodsReady", message)
    problems = sorted({f"{pod.name}: {pod.problem}" for pod in pods if pod.problem})
    if problems:
        return Condition("Ready", "False", "PodProblem", f"{message}; {problems[0]}")
    if current < len(ready):
        message += f", {current}/{replicas} as the spec is now"
        return Condition("Ready", "False", "RollingOut", message)
    return Condition("Ready", "False", "PodsStarting", message)
