"""What a plan asks to be done. Data only: `apply.py` does it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Apply:
    """Make an object exist as `body` says (server-side apply)."""

    body: Object


@dataclass(frozen=True, slots=True)
class Delete:
    kind: str
    namespace: str
    name: str
    force: bool = False
    """Without waiting for the kubelet: the node is gone."""


@dataclass(frozen=True, slots=True)
class WriteStatus:
    kind: str
    namespace: str
    name: str
    status: Object


@dataclass(frozen=True, slots=True)
class Note:
    """A Kubernetes Event: something changed for a resource."""

    kind: str
    namespace: str
    name: str
    uid: str
    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(slots=True)
class Plan:
    """All that differs between what is and what should be, and when to look again by itself."""

    applies: list[Apply] = field(default_factory=list)
    deletes: list[Delete] = field(default_factory=list)
    statuses: list[WriteStatus] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    again_after_seconds: float | None = None

    @property
    def writes(self) -> int:
        return len(self.applies) + len(self.deletes) + len(self.statuses)

    def look_again(self, seconds: float) -> None:
        if self.again_after_seconds is None or seconds < self.again_after_seconds:
            self.again_after_seconds = max(0.1, seconds)
