"""Does what a plan asks: the only writes of the operator.

Every failure is counted, logged (one line a cause, with an object's name), and left to the next
plan, which will ask for the same again: there is no other memory of what remains to be done. A
server in trouble is asked less, not more: the round ends after a few failures, and the controller
waits before the next one.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from media_api.timestamps import timestamp
from media_kube import client as kube
from media_kube.client import Kind, KubeClient
from media_kube.errors import KubeError

from media_operator import metrics
from media_operator.planner.actions import Apply, Delete, Note, Plan, WriteStatus
from media_operator.render.common import MANAGER

log = logging.getLogger(__name__)

PARALLEL_WRITES = 32
KINDS: Mapping[str, Kind] = {
    kind.kind: kind
    for kind in (
        kube.STREAM,
        kube.STREAMER,
        kube.CACHE,
        kube.POD,
        kube.SERVICE,
        kube.CONFIG_MAP,
        kube.VOLUME_CLAIM,
        kube.STATEFUL_SET,
        kube.DISRUPTION_BUDGET,
    )
}


TROUBLE_IN_A_ROW = 10
"""So many failures of the server without a success between them end a round: what is left of ten
thousand writes would fail too."""
HOLD_SECONDS = (5.0, 30.0, 120.0, 600.0)
"""A write that was refused for what it says waits so long, unless it says something new."""

Action = Apply | Delete | WriteStatus | Note
Target = tuple[str, str, str, str]
"""Type of the action, and kind, namespace and name of its object."""


@dataclass(slots=True)
class Outcome:
    """What became of a plan."""

    done: int = 0
    failed: int = 0
    """Writes that failed or were not tried, because the server is in trouble."""
    held: int = 0
    """Writes that the server refused for what they say, now or some time ago."""
    server_asks_seconds: float = 0.0
    """The server asks not to be asked for so long."""
    held_seconds: float | None = None
    """Until the first refused write may be tried again, or one whose object was not there."""


@dataclass(frozen=True, slots=True)
class _Held:
    says: Any
    times: int
    until: float
    """Monotonic seconds."""


class Writer:
    """Carries out plans, at most `PARALLEL_WRITES` requests at a time."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self._held: dict[Target, _Held] = {}

    async def carry_out(self, plan: Plan) -> Outcome:
        """Do all of `plan`, or as much as a server in trouble lets.

        Objects come before statuses, so that a status never speaks of what is not there yet. An
        Event is made for a status that was written, once, and not repeated if that fails.
        """
        metrics.PENDING.set(plan.writes)
        self._forget_old()
        round_ = _Round(self._client, self._held)
        for actions in (plan.applies, plan.deletes, plan.statuses):
            await round_.run(actions)
        written = round_.written
        await round_.run([n for n in plan.notes if (n.kind, n.namespace, n.name) in written])
        round_.report()
        metrics.PENDING.set(round_.outcome.failed)
        return round_.outcome

    def _forget_old(self) -> None:
        """What no plan asked for since long ago."""
        now = time.monotonic()
        for target, held in list(self._held.items()):
            if now > held.until + HOLD_SECONDS[-1]:
                del self._held[target]


class _Round:
    """One plan being carried out."""

    def __init__(self, client: KubeClient, held: dict[Target, _Held]) -> None:
        self._client = client
        self._held = held
        self._slots = asyncio.Semaphore(PARALLEL_WRITES)
        self._in_a_row = 0
        self._causes: dict[str, tuple[int, str]] = {}
        """Number and an example of the failures of each cause."""
        self.outcome = Outcome()
        self.written: set[tuple[str, str, str]] = set()

    async def run(self, actions: Sequence[Action]) -> None:
        """All `actions`, side by side, until the server is in trouble."""
        await asyncio.gather(*map(self._guarded, actions))

    def report(self) -> None:
        """One line a cause."""
        for cause, (count, example) in self._causes.items():
            log.warning("%d writes failed: %s (such as %s)", count, cause, example)

    async def _guarded(self, action: Action) -> None:
        target = _target(action)
        async with self._slots:
            if self._in_a_row >= TROUBLE_IN_A_ROW:
                self.outcome.failed += not isinstance(action, Note)
                return
            held = self._held.get(target)
            if held is not None and held.says == _says(action) and time.monotonic() < held.until:
                self._hold(held.until)
                return
            try:
                await self._do(action)
            except (KubeError, TimeoutError) as error:
                self._failed(action, target, error)
                return
        self._in_a_row = 0
        self._held.pop(target, None)
        self.outcome.done += 1
        self.written.add(target[1:])
        metrics.WRITES.labels(*target[:2]).inc()

    def _failed(self, action: Action, target: Target, error: KubeError | TimeoutError) -> None:
        reason = error.reason if isinstance(error, KubeError) else "Timeout"
        metrics.WRITE_ERRORS.labels(target[1], reason).inc()
        if isinstance(error, KubeError) and error.is_gone:
            # Deleted meanwhile, as a rule: the watch tells. If not, the next plan asks again.
            log.debug("%s of %s %s/%s: %s", *target, error)
            self._look_again(HOLD_SECONDS[0])
            return
        cause = f"{error.status} {reason}" if isinstance(error, KubeError) else "no answer in time"
        count, example = self._causes.get(cause, (0, "{} of {} {}/{}: {}".format(*target, error)))
        self._causes[cause] = count + 1, example
        if not isinstance(error, KubeError) or error.is_transient:
            self._in_a_row += 1
            self.outcome.failed += not isinstance(action, Note)
            asked = error.retry_after_seconds if isinstance(error, KubeError) else 0.0
            self.outcome.server_asks_seconds = max(self.outcome.server_asks_seconds, asked)
        elif not isinstance(action, Note):
            before = self._held.get(target)
            says = _says(action)
            times = before.times + 1 if before is not None and before.says == says else 1
            if error.is_conflict:
                times = 1  # somebody else wrote it just then: nothing is wrong with what it says
            wait = HOLD_SECONDS[min(times, len(HOLD_SECONDS)) - 1]
            self._held[target] = _Held(says, times, time.monotonic() + wait)
            self._hold(self._held[target].until)

    def _hold(self, until: float) -> None:
        self.outcome.held += 1
        self._look_again(max(0.1, until - time.monotonic()))

    def _look_again(self, seconds: float) -> None:
        self.outcome.held_seconds = min(seconds, self.outcome.held_seconds or seconds)

    def _do(self, action: Action) -> Awaitable[Any]:
        match action:
            case Apply(body):
                # Ours alone: an edit by hand of a field that we own is put right.
                return self._client.apply(
                    KINDS[body["kind"]],
                    body["metadata"]["namespace"],
                    dict(body),
                    manager=MANAGER,
                    force=True,
                )
            case Delete(kind, namespace, name, force):
                return self._client.delete(
                    KINDS[kind], namespace, name, grace_seconds=0 if force else None
                )
            case WriteStatus(kind, namespace, name, status):
                return self._client.apply(
                    KINDS[kind],
                    namespace,
                    {"metadata": {"name": name}, "status": dict(status)},
                    manager=MANAGER,
                    force=True,
                    subresource="status",
                )
            case Note():
                return self._client.create(kube.EVENT, action.namespace, _event(action))


def _event(note: Note) -> dict[str, Any]:
    now = timestamp(datetime.now(UTC))
    return {
        "metadata": {
            "generateName": f"{note.name[:200]}.",
            "namespace": note.namespace,
        },
        "involvedObject": {
            "apiVersion": kube.MEDIA_API,
            "kind": note.kind,
            "namespace": note.namespace,
            "name": note.name,
            "uid": note.uid,
        },
        "type": note.type,
        "reason": note.reason,
        "message": note.message,
        "source": {"component": MANAGER},
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }


def _says(action: Action) -> Any:
    """What is asked for, without the times that each plan sets anew while a write fails."""
    if not isinstance(action, WriteStatus):
        return action
    conditions = [
        {key: value for key, value in condition.items() if key != "lastTransitionTime"}
        for condition in action.status.get("conditions") or []
    ]
    return {**action.status, "conditions": conditions}


def _target(action: Action) -> Target:
    if isinstance(action, Apply):
        metadata = action.body["metadata"]
        return "Apply", action.body["kind"], metadata["namespace"], metadata["name"]
    return type(action).__name__, action.kind, action.namespace, action.name
