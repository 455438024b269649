"""Follows every kind that plans look at: list, then watch, into the cache.

The list goes into the cache a chunk at a time, so ten thousand raw objects are never in memory at
once. A watch heals itself (`media_kube.client`): error events, lines that were cut off, versions
that were forgotten and silence end in a fresh list, which also tells what was deleted meanwhile.
Nothing is written into anybody's objects: no annotations, no finalizers.
"""

import asyncio
import contextlib
import logging

from media_kube import client as kube
from media_kube.client import Kind, KubeClient, WatchEvent

from media_operator.cache import Cache, Listing
from media_operator.render.common import MANAGER, PART_OF
from media_operator.settings import Settings

log = logging.getLogger(__name__)

PODS = f"app.kubernetes.io/part-of={PART_OF}"
CHILDREN = f"app.kubernetes.io/managed-by={MANAGER}"
SELECTORS: dict[Kind, str] = {
    kube.STREAM: "",
    kube.STREAMER: "",
    kube.CACHE: "",
    kube.POD: PODS,
    kube.STATEFUL_SET: CHILDREN,
    kube.SERVICE: CHILDREN,
    kube.CONFIG_MAP: CHILDREN,
    kube.DISRUPTION_BUDGET: CHILDREN,
}
"""What is watched, filtered by the API server."""


async def follow(
    client: KubeClient, settings: Settings, cache: Cache, kind: Kind, synced: asyncio.Event
) -> None:
    """Keep one kind in the cache like the API server's until cancelled; `synced` is set once it is
    complete."""
    listing: Listing | None = None
    events = client.watch(kind, settings.namespace, SELECTORS[kind])
    async with contextlib.aclosing(events):  # type: ignore[type-var]  # an async generator
        async for event in events:
            match event:
                case WatchEvent("LOST"):
                    cache.excuse_silence()
                    continue
                case WatchEvent("RELIST"):
                    listing = cache.begin_list(kind.kind)
                    continue  # nothing was answered yet
                case WatchEvent("SYNCED"):
                    if listing is not None:
                        listing.end()
                    listing = None
                    synced.set()
                case WatchEvent("DELETED", body):
                    cache.remove(body)
                case WatchEvent("ADDED" | "MODIFIED", body):
                    cache.put(body)
                    if listing is not None:
                        listing.saw(body)
            cache.touch()
