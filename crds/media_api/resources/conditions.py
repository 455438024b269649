"""Conditions of a resource's status, after the Kubernetes API conventions and kstatus.

Invariants: one condition a type; `lastTransitionTime` moves only when `status` changes; each type
has one writer. Nothing that changes every second belongs here.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import Field

from media_api.resources.meta import ResourceModel

ConditionStatus = Literal["True", "False", "Unknown"]
READY = "Ready"  # operator: it does what was asked
SCHEDULED = "Scheduled"  # operator: a streamer was chosen
STALLED = "Stalled"  # operator: no retry can help, somebody must change the spec
INPUT_ACTIVE = "InputActive"  # Central: frames come in
MAX_CONDITIONS = 16
MAX_MESSAGE = 1024  # characters

Timestamp = Annotated[str, Field(max_length=40, json_schema_extra={"format": "date-time"})]


class Condition(ResourceModel):
    """One aspect of the state (metav1.Condition)."""

    type: Annotated[str, Field(max_length=64, pattern=r"^[A-Z][A-Za-z]*$")] = Field(
        description="Aspect: Ready, Scheduled, InputActive or Stalled."
    )
    status: ConditionStatus = Field(description="True, False or Unknown.")
    reason: Annotated[str, Field(max_length=64, pattern=r"^[A-Z][A-Za-z0-9]*$")] = Field(
        description="Why, one CamelCase word for programs."
    )
    message: Annotated[str, Field(max_length=MAX_MESSAGE)] = Field(
        default="", description="Why, for people, with the way out."
    )
    observed_generation: Annotated[int, Field(ge=0, le=2**53 - 1)] = Field(
        default=0, description="Generation of the spec that this was said about."
    )
    last_transition_time: Timestamp | None = Field(
        default=None, description="Last change of `status`."
    )


Conditions = Annotated[
    list[Condition],
    Field(
        max_length=MAX_CONDITIONS,
        description="Aspects of the state, one of each type.",
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
        },
    ),
]


def timestamp(now: datetime) -> str:
    """RFC 3339 in UTC with seconds, as Kubernetes writes times."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def find_condition(conditions: Iterable[Condition], kind: str) -> Condition | None:
    """The condition of type `kind`, or None."""
    return next((item for item in conditions if item.type == kind), None)


def with_condition(
    conditions: Iterable[Condition],
    kind: str,
    status: ConditionStatus,
    reason: str,
    message: str,
    *,
    generation: int,
    now: datetime,
) -> list[Condition]:
    """The conditions with that of type `kind` set; the others keep their place."""
    kept = list(conditions)
    before = find_condition(kept, kind)
    same = before is not None and before.status == status
    changed_at = before.last_transition_time if before and same else None
    after = Condition(
        type=kind,
        status=status,
        reason=reason,
        message=message[:MAX_MESSAGE],
        observed_generation=generation,
        last_transition_time=changed_at or timestamp(now),
    )
    if before is None:
        return [*kept, after]
    return [after if item.type == kind else item for item in kept]


def without_condition(conditions: Iterable[Condition], kind: str) -> list[Condition]:
    """The conditions without that of type `kind`: Stalled is removed, not set to False."""
    return [item for item in conditions if item.type != kind]
