"""Does what a plan asks: the only writes of the operator.

Every failure is counted, logged with the object's name, and left to the next plan, which will ask
for the same again: there is no other memory of what remains to be done.
"""

import asyncio
import logging
from collections.abc import Awaitable, Mapping
from datetime import UTC, datetime
from typing import Any

from media_api import kube
from media_api.kube import Kind, KubeClient, KubeError

from media_operator import metrics
from media_operator.conditions import timestamp
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
        kube.STATEFUL_SET,
        kube.DISRUPTION_BUDGET,
    )
}


class Writer:
    """Carries out plans, at most `PARALLEL_WRITES` requests at a time."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self._slots = asyncio.Semaphore(PARALLEL_WRITES)

    async def carry_out(self, plan: Plan) -> int:
        """Do all of `plan`; the number of writes that failed.

        Objects come before statuses, so that a status never speaks of what is not there yet.
        """
        metrics.PENDING.set(plan.writes)
        failed = 0
        for actions in (plan.applies, plan.deletes, plan.statuses):
            done = await asyncio.gather(*(self._guarded(action) for action in actions))
            failed += done.count(False)
        await asyncio.gather(*(self._guarded(note) for note in plan.notes))
        metrics.PENDING.set(failed)
        return failed

    async def _guarded(self, action: Apply | Delete | WriteStatus | Note) -> bool:
        kind, namespace, name = _target(action)
        async with self._slots:
            try:
                await self._do(action)
            except (KubeError, TimeoutError) as error:
                reason = error.reason if isinstance(error, KubeError) else "Timeout"
                metrics.WRITE_ERRORS.labels(kind, reason).inc()
                gone = isinstance(error, KubeError) and error.is_gone
                log.log(
                    logging.DEBUG if gone else logging.WARNING,
                    "%s of %s %s/%s failed (%s); the next plan tries again",
                    type(action).__name__,
                    kind,
                    namespace,
                    name,
                    error,
                )
                return False
        metrics.WRITES.labels(type(action).__name__, kind).inc()
        return True

    def _do(self, action: Apply | Delete | WriteStatus | Note) -> Awaitable[Any]:
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
                return self._client.create(kube.EVENT, action.namespace, self._event(action))

    def _event(self, note: Note) -> dict[str, Any]:
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


def _target(action: Apply | Delete | WriteStatus | Note) -> tuple[str, str, str]:
    if isinstance(action, Apply):
        metadata = action.body["metadata"]
        return action.body["kind"], metadata["namespace"], metadata["name"]
    return action.kind, action.namespace, action.name
