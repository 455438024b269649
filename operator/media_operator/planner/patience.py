"""Objects that are applied together do not arrive together."""

from datetime import datetime

from media_api.timestamps import parse_timestamp

from media_operator.planner.actions import Plan

YOUNG_SECONDS = 10.0
"""What an object names may still be on its way; GitOps tools take Stalled for a final failure."""


def is_young(created: str, now: datetime, plan: Plan) -> bool:
    """Whether an object made at `created` (RFC 3339) may still wait; then the plan looks again."""
    if not created:
        return False
    left = YOUNG_SECONDS - (now - parse_timestamp(created)).total_seconds()
    if left > 0:
        plan.look_again(left)
    return left > 0
