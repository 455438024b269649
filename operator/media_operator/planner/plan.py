"""The whole plan: a pure function from what is to what must be done.

It looks at everything each time. That makes it level-based by construction: lost, repeated or
reordered events change nothing but when it runs, and a crash between two writes leaves a state from
which the next plan goes on.
"""

from datetime import datetime

from media_operator.objects import Snapshot
from media_operator.planner.actions import Apply, Plan
from media_operator.planner.streams import plan_streams
from media_operator.planner.tiers import plan_tier
from media_operator.render.common import MANAGER
from media_operator.settings import Settings

DEFAULT_POOL = "default"


def make_plan(snapshot: Snapshot, settings: Settings, now: datetime) -> Plan:
    """What must be written so that the cluster is as its resources say; empty at rest."""
    plan = Plan()
    for tier in snapshot.tiers.values():
        plan_tier(tier, snapshot, settings, now, plan)
    for namespace in sorted({stream.namespace for stream in snapshot.streams.values()}):
        if settings.default_pool:
            _default_pool(namespace, snapshot, plan)
        plan_streams(namespace, snapshot, settings, now, plan)
    return plan


def _default_pool(namespace: str, snapshot: Snapshot, plan: Plan) -> None:
    """Streams in a namespace without any Streamer get one, so that a first Stream plays."""
    if any(kind == "Streamer" and space == namespace for kind, space, _ in snapshot.tiers):
        return
    plan.applies.append(
        Apply(
            {
                "apiVersion": "media.flussonic.com/v1alpha1",
                "kind": "Streamer",
                "metadata": {
                    "name": DEFAULT_POOL,
                    "namespace": namespace,
                    "labels": {"app.kubernetes.io/managed-by": MANAGER},
                },
                "spec": {},
            }
        )
    )
