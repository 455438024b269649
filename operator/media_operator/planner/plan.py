"""The whole plan: a pure function from what is to what must be done.

It looks at everything each time. That makes it level-based by construction: lost, repeated or
reordered events change nothing but when it runs, and a crash between two writes leaves a state from
which the next plan goes on.
"""

from datetime import datetime

from media_operator.objects import Key, Snapshot
from media_operator.planner.actions import Plan
from media_operator.planner.default_pool import plan_default_pool
from media_operator.planner.host_ports import with_allotted
from media_operator.planner.streams import plan_streams
from media_operator.planner.tiers import plan_tier
from media_operator.planner.wants import Wants
from media_operator.settings import Settings


def make_plan(snapshot: Snapshot, settings: Settings, now: datetime) -> Plan:
    """What must be written so that the cluster is as its resources say; empty at rest."""
    plan = Plan()
    snapshot = with_allotted(snapshot, settings)
    spaces = sorted({stream.namespace for stream in snapshot.streams.values()})
    if settings.default_pool:
        for namespace in spaces:
            plan_default_pool(namespace, snapshot, plan)
    even: set[Key] = set()
    wants: dict[Key, Wants] = {}
    for namespace in spaces:
        planned = plan_streams(namespace, snapshot, settings, now, plan)
        even |= planned.even
        wants |= planned.wants
    for tier in snapshot.tiers.values():
        asked = wants.get(tier.key, Wants()) if tier.kind == "Streamer" else Wants()
        plan_tier(tier, asked, snapshot, settings, now, plan, is_even=tier.key in even)
    return plan
