"""How many pods a tier runs: what its resource says, its channels, and one more while pods are
replaced.

A pool whose pods change runs one pod more until the new ones are ready. A StatefulSet replaces the
next pod only when the one before is ready, so an image that does not start replaces nothing, also
in a pool of one; and streams and viewers have somewhere to go first. So does a pool of which a pod
is taken that was to stay (`kubectl drain`, `kubectl rollout restart`): the StatefulSet makes that
one again only once its time to drain is over. Where one more pod has no room, pods are replaced one
after another as ever.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from media_api.timestamps import parse_timestamp, timestamp

from media_operator.objects import PodObject, TierObject
from media_operator.planner.actions import Plan
from media_operator.planner.offers import offer_of_next
from media_operator.planner.wants import FULL_SHARE, Wants, may_sleep
from media_operator.settings import Settings

EMPTY_SHARE = 0.5
"""A pool shrinks when one pod fewer would still be below this share of its limits, or when all of
its streams rest, for `SHRINK_AFTER`."""
SHRINK_AFTER = timedelta(minutes=10)
SURGE_PATIENCE = timedelta(seconds=60)
"""A pod that no node has room for by then makes room for the replacement without it."""


@dataclass(frozen=True, slots=True)
class Size:
    """Pods of a tier."""

    replicas: int
    """As its resource wants it."""
    surge: int = 0
    """Further ones for the time of a replacement."""
    shrink_at: str | None = None
    """When the pool may shrink, RFC 3339; None if it need not."""
    no_surge_for: str = ""
    """Version of the pods for which one more had no room."""

    @property
    def pods(self) -> int:
        return self.replicas + self.surge


def size(
    tier: TierObject,
    pods: list[PodObject],
    template: str,
    wants: Wants,
    settings: Settings,
    now: datetime,
    plan: Plan,
) -> Size:
    """`pods` are those of the tier, `template` the version that they should be, `wants` what its
    streams ask for."""
    replicas, shrink_at = _replicas(tier, wants, settings, now, plan)
    surge, refused = _surge(tier, replicas, pods, template, now, plan)
    return Size(replicas, surge, shrink_at, refused)


def _replicas(
    tier: TierObject, wants: Wants, settings: Settings, now: datetime, plan: Plan
) -> tuple[int, str | None]:
    """Pods to run, and when the pool may shrink."""
    spec = tier.spec
    if not spec.get("maxReplicas"):
        return int(spec.get("replicas", 1)), None
    high, sleeps = int(spec["maxReplicas"]), may_sleep(tier)
    low = 0 if sleeps and not wants.awake else int(spec.get("minReplicas") or 1)
    offer = offer_of_next(tier, settings)
    now_running = min(high, int(tier.status.get("replicas") or 0))
    needed = 0 if not low else max(wants.held, wants.pods(offer, FULL_SHARE))
    grown = min(high, max(low, needed))
    if grown >= now_running:
        return grown, None
    if low and max(wants.held, wants.pods(offer, EMPTY_SHARE)) > now_running - 1:
        return now_running, None
    shrink_at = tier.status.get("shrinkAt") or timestamp(now + SHRINK_AFTER)
    wait = (parse_timestamp(shrink_at) - now).total_seconds()
    if wait > 0:
        plan.look_again(wait)
        return now_running, shrink_at
    return now_running - 1, None


def _surge(
    tier: TierObject,
    replicas: int,
    pods: list[PodObject],
    template: str,
    now: datetime,
    plan: Plan,
) -> tuple[int, str]:
    """Further pods, and the version for which there was no room for one."""
    refused = str(tier.status.get("noSurgeFor") or "")
    if tier.external or not replicas or not _may_surge(tier):
        return 0, ""
    live = [pod for pod in pods if pod.terminating_until is None]
    base = [pod for pod in live if pod.ordinal < replicas]
    current = [pod for pod in base if pod.ready and pod.template == template]
    leaves = any(pod.terminating_until and pod.ordinal < replicas for pod in pods)
    begins = leaves or any(pod.template != template for pod in base)
    goes_on = any(pod.ordinal == replicas and pod.template == template for pod in live)
    if not begins and not (goes_on and len(current) < replicas):
        return 0, ""
    if refused == template:
        return 0, refused
    for pod in live:
        if pod.ordinal == replicas and pod.problem.startswith("Unschedulable") and pod.created:
            wait = (parse_timestamp(pod.created) + SURGE_PATIENCE - now).total_seconds()
            if wait <= 0:
                return 0, template
            plan.look_again(wait)
    return 1, ""


def _may_surge(tier: TierObject) -> bool:
    """One more pod can be scheduled beside the others, as far as the resource says."""
    spec = tier.spec
    claims = any(volume.get("persistentVolumeClaim") for volume in spec.get("volumes") or [])
    # One more would leave an archive volume behind, and no stream with an archive goes there.
    claims |= bool(spec.get("archive"))
    # A node has a port once; on other nodes there may be room, which the scheduler knows.
    return not (spec.get("nodeName") or spec.get("hostNetwork") or claims)
