"""Pure planning: what should run where. No I/O, no client library, no clock of its own."""

from media_operator.planner.backups import choose_backups
from media_operator.planner.balance import rebalance
from media_operator.planner.placement import (
    Assignment,
    ChangeReason,
    Decision,
    Load,
    StreamDemand,
    StreamerOffer,
    place,
    verdicts,
)

__all__ = [
    "Assignment",
    "ChangeReason",
    "Decision",
    "Load",
    "StreamDemand",
    "StreamerOffer",
    "choose_backups",
    "place",
    "rebalance",
    "verdicts",
]
