"""Conditions of a resource's status, after the Kubernetes API conventions and kstatus.

Invariants: one condition a type; `lastTransitionTime` moves only when `status` changes; each type
has one writer: Ready (it does what was asked), Scheduled (a streamer was chosen), ConfigAccepted
(all that the spec says has an effect) and Stalled (no retry can help, somebody must change the spec
or make what it names) the operator, InputActive (frames come in), Recording (they are on the disk),
Reachable (an external server answers, or all pods of a pool that are ready), CredentialsResolved
(Secrets could be read) and Wanted (somebody asked for a stream whose pool sleeps) Central.
Nothing that changes every second belongs here.
"""

from typing import Annotated, Literal

from pydantic import Field

from media_api.resources.meta import ResourceModel

ConditionStatus = Literal["True", "False", "Unknown"]
ASLEEP = "Asleep"
"""Reason of Ready: of a stream on demand that no pod is there for, and of a pool without pods."""
WANTED = "Wanted"
"""Type by which Central says when somebody last asked for a stream that sleeps."""
MAX_CONDITIONS = 16
MAX_MESSAGE = 1024  # characters

Timestamp = Annotated[str, Field(max_length=40, json_schema_extra={"format": "date-time"})]


class Condition(ResourceModel):
    """One aspect of the state (metav1.Condition)."""

    type: Annotated[str, Field(max_length=64, pattern=r"^[A-Z][A-Za-z]*$")] = Field(
        description="Aspect: Ready, Scheduled, ConfigAccepted, InputActive, Recording, Reachable"
        " or Stalled."
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
