"""kopf as a watch shell: every event goes into the cache, nothing else happens here.

Only `on.event` is used: kopf then writes nothing into anybody's objects (no annotations, no
finalizers), and ten thousand Streams cost seconds, not minutes. What `on.event` does not tell is
added here: a full list at the start (plans must never see half a cluster), and again from time to
time, because a deletion that falls between two watches is not reported.
"""

import asyncio
import logging
import random
from typing import Any

import kopf
from media_api import kube
from media_api.kube import Kind, KubeClient, KubeError

from media_operator.cache import Cache
from media_operator.leader import LEASE_NAME
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
RELIST_SECONDS = {kube.POD: 30.0}
DEFAULT_RELIST_SECONDS = 600.0
RETRY_SECONDS = 2.0


async def list_all(client: KubeClient, settings: Settings, cache: Cache) -> None:
    """Fill the cache completely; tries until the API server has answered for every kind."""
    for kind in SELECTORS:
        while True:
            try:
                await relist(client, settings, cache, kind)
                break
            except (KubeError, TimeoutError) as error:
                log.warning("cannot list %s (%s); again in %s s", kind.plural, error, RETRY_SECONDS)
                await asyncio.sleep(RETRY_SECONDS)


async def relist(client: KubeClient, settings: Settings, cache: Cache, kind: Kind) -> None:
    """Put what exists and remove what does not."""
    items, _ = await client.list(kind, settings.namespace, SELECTORS[kind])
    cache.replace(kind.kind, [{**item, "kind": kind.kind} for item in items])


async def relist_for_ever(client: KubeClient, settings: Settings, cache: Cache, kind: Kind) -> None:
    """Every so often (jittered) list `kind` anew."""
    period = RELIST_SECONDS.get(kind, DEFAULT_RELIST_SECONDS)
    while True:
        await asyncio.sleep(period * random.uniform(0.9, 1.1))
        try:
            await relist(client, settings, cache, kind)
        except (KubeError, TimeoutError) as error:
            log.warning("cannot list %s: %s", kind.plural, error)


def make_registry(cache: Cache, settings: Settings) -> kopf.OperatorRegistry:
    """Handlers for every watched kind."""
    registry = kopf.OperatorRegistry()

    async def on_event(event: Any, **_: Any) -> None:
        body = dict(event["object"])
        if event["type"] == "DELETED":
            cache.remove(body)
        else:
            cache.put(body)

    async def on_lease(**_: Any) -> None:
        # Renewed every two seconds: its events show that watches are alive even at rest.
        cache.touch()

    for kind in SELECTORS:
        group, _, version = kind.api_version.rpartition("/")
        kopf.on.event(group, version, kind.plural, registry=registry)(on_event)
    kopf.on.event("coordination.k8s.io", "v1", "leases", registry=registry)(on_lease)

    @kopf.on.login(registry=registry)
    def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_kubeconfig(**kwargs) or kopf.login_with_service_account(**kwargs)

    @kopf.on.startup(registry=registry)
    def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
        settings.posting.enabled = False
        settings.scanning.disabled = True
        for kind, selector in SELECTORS.items():
            if selector:
                settings.watching.label_selectors[kind.api_version, kind.plural] = selector
        settings.watching.field_selectors["coordination.k8s.io/v1", "leases"] = (
            f"metadata.name={LEASE_NAME}"
        )
        settings.watching.chunk_size = kube.LIST_CHUNK

    return registry


async def watch(cache: Cache, settings: Settings, stop: asyncio.Event) -> None:
    """Run kopf until `stop`. It takes the signals over, so its end is the end of the program."""
    try:
        await kopf.operator(
            registry=make_registry(cache, settings),
            standalone=True,
            clusterwide=settings.namespace is None,
            namespace=settings.namespace,
            stop_flag=stop,
        )
    finally:
        stop.set()
