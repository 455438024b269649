"""All resources in memory, kept like the API server's by watches, and as records.

Invariants: records are derived from the objects and from nothing else, so whoever's turn it is
appears as soon as another object goes. Of several Stream objects with one stream name the oldest
wins, and so it is for external streamers of one host name in several namespaces.
"""

import asyncio
import contextlib
import logging

from media_api.hostnames import pod_hostname, pod_of_hostname
from media_kube import client as kube
from media_kube.client import KubeClient, WatchEvent

from media_central.store.cache import RecordCache
from media_central.store.kubernetes import translate
from media_central.store.kubernetes.heartbeat import ReadyPod
from media_central.store.kubernetes.table import Body, Key, Table, age_of, key_of, version_of
from media_central.store.port import Kind, Record, StoreUnavailableError

log = logging.getLogger(__name__)

STREAMER_PODS = "app.kubernetes.io/part-of=media-appliance,app.kubernetes.io/component=streamer"
POOL_LABEL = "app.kubernetes.io/instance"
SYNC_TIMEOUT_SECONDS = 60.0
RESTART_PAUSE_SECONDS = 5.0


class Mirror:
    """`start()` before use, `close()` after; `cache` has the records."""

    def __init__(self, client: KubeClient, namespace: str | None, cluster_key: str) -> None:
        self._client = client
        self._namespace = namespace
        self._cluster_key = cluster_key
        self.cache = RecordCache(Kind)
        self._tables = {kube.STREAM: Table(), kube.STREAMER: Table(), kube.POD: Table()}
        self._by_stream: dict[str, set[Key]] = {}
        self._stream_of: dict[Key, str] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._in_sync: dict[str, bool] = {}

    @property
    def in_sync(self) -> bool:
        """False before the first list, and while a watch is lost."""
        return bool(self._in_sync) and all(self._in_sync.values())

    async def start(self) -> None:
        """Raises StoreUnavailableError if the API server does not answer in time."""
        ready = []
        for kind in self._tables:
            synced = asyncio.Event()
            ready.append(synced.wait())
            self._in_sync[kind.plural] = False
            task = self._follow_for_ever(kind, synced)
            self._tasks.append(asyncio.create_task(task, name=f"watch-{kind.plural}"))
        try:
            async with asyncio.timeout(SYNC_TIMEOUT_SECONDS):
                await asyncio.gather(*ready)
        except TimeoutError:
            raise StoreUnavailableError("the Kubernetes API server does not answer") from None

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    def stream_object(self, name: str) -> Body | None:
        """The Stream object behind a stream's name."""
        found = (self._tables[kube.STREAM].get(key) for key in self._by_stream.get(name, ()))
        return min((body for body in found if body is not None), key=age_of, default=None)

    def stream_at(self, key: Key) -> Body | None:
        return self._tables[kube.STREAM].get(key)

    def external_object(self, hostname: str) -> Body | None:
        """The Streamer object of an external server."""
        bodies = self._tables[kube.STREAMER].named(hostname)
        return next((body for body in bodies if is_external(body)), None)

    def pool_at(self, key: Key) -> Body | None:
        return self._tables[kube.STREAMER].get(key)

    def pool_objects(self) -> list[Body]:
        """All Streamers."""
        return list(self._tables[kube.STREAMER].all())

    def is_told(self, hostname: str) -> bool:
        """Whether it is known where viewers reach a streamer; of servers outside it is."""
        pods = self._pods(hostname)
        return not pods or any(
            translate.is_told(pod, self._tables[kube.STREAMER].get(_pool_of(pod)) or {})
            for pod in pods
        )

    def ready_pods(self) -> list[ReadyPod]:
        """Streamer pods that Kubernetes calls ready and that are to stay."""
        return [
            found
            for pod in self._tables[kube.POD].all()
            if (found := translate.ready_pod(pod, _pool_of(pod))) is not None
        ]

    def saw(self, kind: kube.Kind, body: Body) -> None:
        """An object as the API server answered it."""
        if self._tables[kind].put(body):
            self._refresh(kind, body)

    def deleted(self, kind: kube.Kind, body: Body) -> None:
        """The API server has confirmed the deletion of this object."""
        self._tables[kind].deleted_here(body)
        self._refresh(kind, body)

    async def _follow_for_ever(self, kind: kube.Kind, synced: asyncio.Event) -> None:
        while True:
            try:
                await self._follow(kind, synced)
            except Exception:
                # One odd object must not end the watch: everything would be old from then on.
                log.exception("the watch of %s failed and begins anew", kind.plural)
            self._in_sync[kind.plural] = False
            await asyncio.sleep(RESTART_PAUSE_SECONDS)

    async def _follow(self, kind: kube.Kind, synced: asyncio.Event) -> None:
        """Keep one table like the API server's."""
        table = self._tables[kind]
        listing = False
        events = self._client.watch(kind, self._namespace, _selector(kind))
        async with contextlib.aclosing(events):  # type: ignore[type-var]  # an async generator
            async for event in events:
                match event:
                    case WatchEvent("LOST"):
                        self._in_sync[kind.plural] = False
                    case WatchEvent("RELIST"):
                        listing = True
                        table.begin_list()
                    case WatchEvent("SYNCED", body):
                        listing = False
                        for gone in table.end_list(version_of(body)):
                            self._refresh(kind, gone)
                        self._in_sync[kind.plural] = True
                        synced.set()
                    case WatchEvent("DELETED", body):
                        if table.deleted_event(body):
                            self._refresh(kind, body)
                    case WatchEvent("ADDED" | "MODIFIED", body):
                        if table.listed(body) if listing else table.put(body):
                            self._refresh(kind, body)

    def _refresh(self, kind: kube.Kind, body: Body) -> None:
        """Bring the records that depend on this object up to date."""
        if kind == kube.STREAM:
            self._refresh_stream(key_of(body))
            return
        if kind == kube.POD:
            self._refresh_streamer(self._hostname(body))
            return
        self._refresh_streamer(body["metadata"]["name"])
        for pod in self._tables[kube.POD].all():
            if _pool_of(pod) == key_of(body):
                self._refresh_streamer(self._hostname(pod))

    def _refresh_stream(self, key: Key) -> None:
        """The stream that the object names now, and the one that it named before."""
        before = self._stream_of.pop(key, "")
        body = self._tables[kube.STREAM].get(key)
        now = translate.stream_name(body) if body else ""
        self._by_stream.get(before, set()).discard(key)
        if now:
            self._stream_of[key] = now
            self._by_stream.setdefault(now, set()).add(key)
        for name in {before, now} - {""}:
            live = self.stream_object(name)
            if live is not None:
                self.cache.set(translate.stream_record(live))
            else:
                self._by_stream.pop(name, None)
                self.cache.remove(Kind.STREAM, name)

    def _refresh_streamer(self, hostname: str) -> None:
        record = self._streamer_record(hostname)
        if record is None:
            self.cache.remove(Kind.STREAMER, hostname)
        else:
            self.cache.set(record)

    def _streamer_record(self, hostname: str) -> Record | None:
        external = self.external_object(hostname)
        if external is not None:
            return translate.external_record(external, self._cluster_key)
        for pod in self._pods(hostname):
            pool = self._tables[kube.STREAMER].get(_pool_of(pod)) or {}
            record = translate.pod_record(pod, pool, self._cluster_key, hostname)
            if record is not None:
                return record
        return None

    def _hostname(self, pod: Body) -> str:
        namespace, name = key_of(pod)
        return pod_hostname(name, namespace, cluster_wide=self._namespace is None)

    def _pods(self, hostname: str) -> list[Body]:
        if self._namespace is not None:
            return self._tables[kube.POD].named(hostname)
        pod = self._tables[kube.POD].get(pod_of_hostname(hostname))
        return [] if pod is None else [pod]


def is_external(body: Body) -> bool:
    """Whether a Streamer names a server outside of the cluster."""
    return bool((body.get("spec") or {}).get("apiUrl"))


def _pool_of(pod: Body) -> Key:
    labels = pod["metadata"].get("labels") or {}
    return pod["metadata"]["namespace"], labels.get(POOL_LABEL, "")


def _selector(kind: kube.Kind) -> str:
    return STREAMER_PODS if kind == kube.POD else ""
