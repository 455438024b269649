"""Wakes the pool of a stream that sleeps: says in its status that somebody asks for it.

A stream on demand whose pool has no pods is `Ready` for the reason `Asleep`. The operator, who
reads the condition `Wanted`, starts a pod for it. Each stream is asked for by one write however
many wait, and by the next one after a minute.
"""

import asyncio
import logging
from datetime import UTC, datetime

from media_api.resources.conditions import ASLEEP, WANTED
from media_api.timestamps import timestamp
from media_kube import client as kube
from media_kube.client import KubeClient
from media_kube.errors import KubeError

from media_central.store.kubernetes.ownership import MANAGER
from media_central.store.kubernetes.store import KubernetesStore
from media_central.store.kubernetes.table import Body

log = logging.getLogger(__name__)

ASK_AGAIN_SECONDS = 60.0
MAX_ASKED = 10_000
"""Streams remembered as asked for."""


class Waker:
    """See the module; one for a process."""

    def __init__(self, client: KubeClient, store: KubernetesStore) -> None:
        self._client = client
        self._store = store
        self._asked: dict[str, float] = {}

    def sleeps(self, name: str) -> bool:
        """Whether a stream waits for somebody to ask for it."""
        status = (self._store.stream_object(name) or {}).get("status") or {}
        return any(
            condition.get("type") == "Ready" and condition.get("reason") == ASLEEP
            for condition in status.get("conditions") or []
        )

    def is_told(self, hostname: str) -> bool:
        """Whether it is known where viewers reach a streamer that has just started."""
        return self._store.is_told(hostname)

    async def wake(self, name: str) -> None:
        """Ask for a stream. A failure is logged; who asks next tries again."""
        now = asyncio.get_running_loop().time()
        live = self._store.stream_object(name)
        if live is None or now - self._asked.get(name, -ASK_AGAIN_SECONDS) < ASK_AGAIN_SECONDS:
            return
        if len(self._asked) >= MAX_ASKED:
            self._asked.clear()
        self._asked[name] = now
        meta = live["metadata"]
        try:
            await self._client.apply(
                kube.STREAM,
                meta["namespace"],
                {"metadata": {"name": meta["name"]}, "status": {"conditions": [_wanted(meta)]}},
                manager=f"{MANAGER}-wake",
                force=True,
                subresource="status",
            )
        except (KubeError, TimeoutError) as error:
            self._asked.pop(name, None)
            log.warning("stream %s sleeps and could not be woken: %s", name, error)
        else:
            log.info("stream %s sleeps and is asked for", name)


def _wanted(meta: Body) -> Body:
    return {
        "type": WANTED,
        "status": "True",
        "reason": "AskedFor",
        "message": "somebody asked for it while its pool had no pods",
        "observedGeneration": meta.get("generation", 0),
        "lastTransitionTime": timestamp(datetime.now(UTC)),
    }
