"""Status conditions, as the Kubernetes API conventions and kstatus read them.

A condition is written only when it says something new; its `lastTransitionTime` moves only when
its status does, so a reconcile that changes nothing writes nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from media_api.timestamps import timestamp

Status = Literal["True", "False", "Unknown"]

MAX_MESSAGE_CHARS = 1024
"""A bound well below the 32,768 that the API allows: messages are read in terminals."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What is true of a resource now; `reason` is one CamelCase word for programs."""

    type: str
    status: Status
    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """What keeps a resource from doing what it says until its spec, or what that names, changes."""

    reason: str
    message: str


def accepted(unserved: Sequence[str]) -> Condition:
    """Whether all that the spec says has an effect; `unserved` are the paths of what has none."""
    if not unserved:
        return Condition("ConfigAccepted", "True", "Accepted")
    fields = ", ".join(unserved)
    return Condition("ConfigAccepted", "False", "NotServed", f"no effect in this version: {fields}")


def news(wanted: Iterable[Condition], observed: Iterable[Mapping[str, Any]]) -> Iterator[Condition]:
    """What is worth an Event: a status or reason that was another before. That nothing was ever
    wrong with a configuration is none."""
    before = {c.get("type"): (c.get("status"), c.get("reason")) for c in observed}
    for condition in wanted:
        known = before.get(condition.type)
        is_plain = condition.type == "ConfigAccepted" and condition.status == "True"
        if known != (condition.status, condition.reason) and not (known is None and is_plain):
            yield condition


def merge(
    wanted: Iterable[Condition],
    observed: Iterable[Mapping[str, Any]],
    generation: int,
    now: datetime,
) -> list[dict[str, Any]]:
    """The conditions to write, with the times of those whose status did not change."""
    known = {condition.get("type"): condition for condition in observed}
    return [_written(condition, known.get(condition.type), generation, now) for condition in wanted]


def _written(
    condition: Condition, before: Mapping[str, Any] | None, generation: int, now: datetime
) -> dict[str, Any]:
    changed = before is None or before.get("status") != condition.status
    since = timestamp(now) if changed or before is None else before.get("lastTransitionTime")
    return {
        "type": condition.type,
        "status": condition.status,
        "reason": condition.reason,
        "message": condition.message[:MAX_MESSAGE_CHARS],
        "observedGeneration": generation,
        "lastTransitionTime": since,
    }
