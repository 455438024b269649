"""Pure planning: what should run where. No I/O, no client library, no clock of its own."""

from media_operator.planner.balance import rebalance
from media_operator.planner.placement import (
    Assignment,
    ChangeReason,
    Decision,
    StreamDemand,
    StreamerOffer,
    place,
)

__all__ = [
    "Assignment",
    "ChangeReason",
    "Decision",
    "StreamDemand",
    "StreamerOffer",
    "place",
    "rebalance",
]
