"""Leader election by a Lease (coordination.k8s.io/v1): one replica works, the others stand by.

The client library's own election ends in an unhandled error when the API server is unreachable
(its lock catches ApiException only), so the few lines that matter are here: compare-and-swap on the
Lease, leadership given up before anybody else may take it.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from media_kube import client as kube
from media_kube.client import KubeClient, log_level
from media_kube.errors import KubeError

log = logging.getLogger(__name__)

LEASE_SECONDS = 20
"""Another replica takes a Lease that was not renewed for so long."""
RENEW_DEADLINE_SECONDS = 17.0
"""So long after its last renewal a replica stops leading: before another may begin."""
RENEW_SECONDS = 10.0
"""Each renewal is a write to etcd: no more of them than it takes."""
RETRY_SECONDS = 2.0
"""Of a renewal that failed, and of the looks of a replica that stands by."""
RELEASE_SECONDS = 5.0
"""An orderly end waits no longer for the API server."""


class Election:
    """Runs `lead` while this replica holds the Lease."""

    def __init__(self, client: KubeClient, namespace: str, name: str, identity: str) -> None:
        """`name`: of the Lease; `identity`: of this replica, different from all others."""
        self._client = client
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._seen: tuple[str, float] = ("", 0.0)
        """Resource version of the Lease as last seen and when it was first seen so (monotonic)."""
        self._taken = False
        """Another replica held the Lease at the last look."""
        self._failures = 0
        """Attempts since the Lease was last read."""

    async def run(self, lead: Callable[[], Awaitable[None]]) -> None:
        """Stand by, lead, lose, stand by again, until cancelled or `lead` fails."""
        while True:
            asked = time.monotonic()
            if not await self._try(RETRY_SECONDS * 2):
                await asyncio.sleep(RETRY_SECONDS)
                continue
            log.info("%s holds the Lease %s", self._identity, self._name)
            await self._hold(lead, asked)

    async def _hold(self, lead: Callable[[], Awaitable[None]], renewed: float) -> None:
        """`renewed`: when the last successful renewal was sent (others may count from then)."""
        leading = asyncio.ensure_future(lead())
        wait = RENEW_SECONDS
        try:
            while (left := renewed + RENEW_DEADLINE_SECONDS - time.monotonic()) > 0:
                await asyncio.wait([leading], timeout=min(wait, left))
                if leading.done():
                    leading.result()
                    return
                asked = time.monotonic()
                # Within the deadline: a slow answer must not make the leadership longer.
                left = renewed + RENEW_DEADLINE_SECONDS - asked
                wait = RETRY_SECONDS
                if left > 0 and await self._try(min(RETRY_SECONDS * 2, left)):
                    renewed, wait = asked, RENEW_SECONDS
                elif self._taken:
                    break  # as after a suspended machine: the other one leads already
            log.error("%s lost the Lease %s and stands by", self._identity, self._name)
        finally:
            leading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await leading

    async def release(self) -> None:
        """Give the Lease up at an orderly end, so that a standby takes over at once."""
        with contextlib.suppress(KubeError, TimeoutError):
            async with asyncio.timeout(RELEASE_SECONDS):
                lease = await self._client.get(kube.LEASE, self._namespace, self._name)
                if lease["spec"].get("holderIdentity") == self._identity:
                    lease["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1}
                    await self._client.replace(kube.LEASE, self._namespace, lease)

    async def _try(self, within: float) -> bool:
        """Take or renew the Lease; False if another holds it or the API server does not answer
        within so many seconds."""
        try:
            async with asyncio.timeout(within):
                taken = await self._take()
        except (KubeError, TimeoutError) as error:
            if not (isinstance(error, KubeError) and error.is_conflict):
                self._failures += 1
                text = "cannot reach the Lease %s, %d times now: %s"
                cause = str(error) or "no answer in time"
                log.log(log_level(self._failures), text, self._name, self._failures, cause)
            return False
        self._failures = 0
        return taken

    async def _take(self) -> bool:
        try:
            lease = await self._client.get(kube.LEASE, self._namespace, self._name)
        except KubeError as error:
            if not error.is_gone:
                raise
            body = {"metadata": {"name": self._name}, "spec": self._spec({})}
            await self._client.create(kube.LEASE, self._namespace, body)
            return True
        spec = lease.get("spec") or {}
        holder = spec.get("holderIdentity")
        self._taken = bool(holder and holder != self._identity and not self._expired(lease))
        if self._taken:
            return False
        lease["spec"] = self._spec(spec)
        await self._client.replace(kube.LEASE, self._namespace, lease)
        return True

    def _expired(self, lease: dict[str, Any]) -> bool:
        """By this replica's own clock: unchanged for its whole duration (clocks may disagree)."""
        version = lease["metadata"]["resourceVersion"]
        if version != self._seen[0]:
            self._seen = (version, time.monotonic())
            return False
        duration = (lease.get("spec") or {}).get("leaseDurationSeconds") or LEASE_SECONDS
        return time.monotonic() - self._seen[1] > float(duration)

    def _spec(self, before: dict[str, Any]) -> dict[str, Any]:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        mine = before.get("holderIdentity") == self._identity
        transitions = int(before.get("leaseTransitions") or 0)
        return {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": LEASE_SECONDS,
            "acquireTime": before.get("acquireTime", now) if mine else now,
            "renewTime": now,
            "leaseTransitions": transitions if mine else transitions + 1,
        }
