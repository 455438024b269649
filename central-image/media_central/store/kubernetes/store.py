"""The resource store on custom resources.

Reads come from memory that watches keep fresh. Writes are server-side apply as manager `central`,
never forced, and only of the fields that Central changes: what belongs to a Git repository stays
its own, and a change of it is refused with the owner's name. Where a stream runs is decided by the
operator and read from the status.
"""

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from media_api import kube
from media_api.base import JsonObject
from media_api.kube import KubeClient, KubeError, WatchEvent

from media_central.store.cache import RecordCache, Watch
from media_central.store.documents import next_document, target_key
from media_central.store.kubernetes import translate
from media_central.store.kubernetes.translate import MANAGER
from media_central.store.port import (
    InvalidResourceError,
    Kind,
    NameTakenError,
    OwnerConflictError,
    Record,
    StoreUnavailableError,
)

log = logging.getLogger(__name__)

Body = dict[str, Any]
Key = tuple[str, str]

STREAMER_PODS = "app.kubernetes.io/part-of=media-appliance,app.kubernetes.io/component=streamer"
SYNC_TIMEOUT_SECONDS = 60.0


class KubernetesStore:
    """See `media_central.store.port.ResourceStore`."""

    def __init__(
        self, client: KubeClient, *, namespace: str | None, home: str, cluster_key: str
    ) -> None:
        """`namespace`: the one that is served, None for all; `home`: where REST creates."""
        self._client = client
        self._namespace = namespace
        self._home = namespace or home
        self._cluster_key = cluster_key
        self._cache = RecordCache(Kind)
        self._streams: dict[Key, Body] = {}
        self._by_name: dict[str, set[Key]] = {}
        """Stream objects by stream name; more than one is a conflict that the oldest wins."""
        self._name_of: dict[Key, str] = {}
        self._pools: dict[Key, Body] = {}
        self._pods: dict[Key, Body] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._available: dict[str, bool] = {}

    @property
    def available(self) -> bool:
        return all(self._available.values())

    async def start(self) -> None:
        """Raises StoreUnavailableError if the API server does not answer in time."""
        followed = (
            (kube.STREAM, "", self._streams),
            (kube.STREAMER, "", self._pools),
            (kube.POD, STREAMER_PODS, self._pods),
        )
        synced = []
        for kind, selector, table in followed:
            ready = asyncio.Event()
            synced.append(ready.wait())
            self._tasks.append(
                asyncio.create_task(
                    self._follow(kind, selector, table, ready), name=f"watch-{kind.plural}"
                )
            )
        try:
            async with asyncio.timeout(SYNC_TIMEOUT_SECONDS):
                await asyncio.gather(*synced)
        except TimeoutError:
            raise StoreUnavailableError("the Kubernetes API server does not answer") from None

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    def all(self, kind: Kind) -> Sequence[Record]:
        return self._cache.all(kind)

    def get(self, kind: Kind, key: str) -> Record | None:
        return self._cache.get(kind, key)

    def watch(self) -> Watch:
        return self._cache.subscribe()

    def stream_object(self, name: str) -> Body | None:
        """The Stream object behind a stream's name."""
        candidates = (self._streams[key] for key in self._by_name.get(name, ()))
        return min(candidates, key=_age, default=None)

    def external_object(self, hostname: str) -> Body | None:
        """The Streamer object of an external server."""
        bodies = (body for (_, name), body in self._pools.items() if name == hostname)
        return next((body for body in bodies if body["spec"].get("apiUrl")), None)

    async def put(self, kind: Kind, key: str, patch: JsonObject) -> Record:
        return (await self.put_many(kind, [(key, patch)]))[0]

    async def put_many(
        self, kind: Kind, patches: Sequence[tuple[str, JsonObject]]
    ) -> Sequence[Record]:
        plan = self._plan_stream if kind is Kind.STREAM else self._plan_streamer
        planned = [plan(key, patch) for key, patch in patches]
        if len(planned) > 1:
            # All or none, as far as an API without transactions can promise it.
            for resource, namespace, body in planned:
                await self._apply(resource, namespace, body, dry_run=True)
        records = []
        for resource, namespace, body in planned:
            written = await self._apply(resource, namespace, body)
            records.append(self._written(kind, written))
        return records

    def _plan_stream(self, key: str, patch: JsonObject) -> tuple[kube.Kind, str, Body]:
        """What to apply for a patch of a stream. Raises the errors of `put`."""
        target = target_key(Kind.STREAM, key, patch)
        live = self.stream_object(key)
        other = self.stream_object(target)
        if target != key and live is not None and other is not None:
            raise NameTakenError(f"{target} exists: {key} cannot get its name")
        live = live or other
        current = translate.to_document(live) if live else None
        if current is not None:
            current["name"] = target
        document = next_document(Kind.STREAM, target, current, patch)
        if live is None:
            name = translate.object_name(target)
            spec = translate.to_spec(document, name)
            return kube.STREAM, self._home, _body(name, spec)
        meta = live["metadata"]
        before, after = dict(live.get("spec") or {}), translate.to_spec(document, meta["name"])
        if "edgeCache" in before:
            after["edgeCache"] = before["edgeCache"]
        body = _body(meta["name"], _to_apply(live, before, after), live)
        return kube.STREAM, meta["namespace"], body

    def _plan_streamer(self, key: str, patch: JsonObject) -> tuple[kube.Kind, str, Body]:
        record = self._cache.get(Kind.STREAMER, key)
        live = self._pools.get((self._home, key))
        if (record is not None and live is None) or (live and not live["spec"].get("apiUrl")):
            raise InvalidResourceError(
                f"{key} is a pod of this cluster: change its Streamer resource"
            )
        if patch.get("cluster_key") not in (None, self._cluster_key):
            raise InvalidResourceError(
                "in Kubernetes an external streamer has the cluster key of the Secret"
                " media-central: give the server that key",
                "/cluster_key",
            )
        current = dict(record.config) if record else None
        document = next_document(Kind.STREAMER, key, current, patch)
        spec = translate.to_external_spec(document)
        if live is None:
            return kube.STREAMER, self._home, _body(key, spec)
        before = dict(live["spec"])
        body = _body(key, _to_apply(live, before, {**before, **spec}), live)
        return kube.STREAMER, self._home, body

    async def delete(self, kind: Kind, key: str) -> bool:
        if kind is Kind.STREAM:
            resource, live = kube.STREAM, self.stream_object(key)
        else:
            resource, live = kube.STREAMER, self._pools.get((self._home, key))
            if live is None and self._cache.get(kind, key) is not None:
                raise InvalidResourceError(f"{key} is a pod: change its Streamer resource")
        if live is None:
            return False
        foreign = translate.foreign_owners(live)
        if foreign:
            raise OwnerConflictError(key, ", ".join(sorted(foreign)))
        meta = live["metadata"]
        try:
            await self._client.delete(resource, meta["namespace"], meta["name"])
        except (KubeError, TimeoutError) as error:
            raise _store_error(error) from error
        table = self._streams if kind is Kind.STREAM else self._pools
        table.pop((meta["namespace"], meta["name"]), None)
        self._refresh(resource, live)
        return True

    async def set_layouts(
        self, layouts: Mapping[str, tuple[int, JsonObject | None]]
    ) -> Sequence[str]:
        """The operator places streams; Central's layouter does not run in a cluster."""
        raise StoreUnavailableError("in Kubernetes the operator places the streams")

    async def _apply(
        self, resource: kube.Kind, namespace: str, body: Body, *, dry_run: bool = False
    ) -> Body:
        try:
            return await self._client.apply(
                resource, namespace, body, manager=MANAGER, dry_run=dry_run
            )
        except (KubeError, TimeoutError) as error:
            raise _store_error(error) from error

    def _written(self, kind: Kind, body: Body) -> Record:
        resource = kube.STREAM if kind is Kind.STREAM else kube.STREAMER
        table = self._streams if kind is Kind.STREAM else self._pools
        table[_key(body)] = body
        self._refresh(resource, body)
        if kind is Kind.STREAM:
            return translate.stream_record(body)
        return translate.external_record(body, self._cluster_key)

    async def _follow(
        self, kind: kube.Kind, selector: str, table: dict[Key, Body], ready: asyncio.Event
    ) -> None:
        """Keep one table like the API server's, for ever."""
        self._available[kind.plural] = False
        seen: set[Key] = set()
        events = self._client.watch(kind, self._namespace, selector)
        async with contextlib.aclosing(events):  # type: ignore[type-var]  # an async generator
            async for event in events:
                match event:
                    case WatchEvent("RELIST"):
                        self._available[kind.plural] = False
                        seen = set()
                    case WatchEvent("SYNCED"):
                        for key in [key for key in table if key not in seen]:
                            self._refresh(kind, table.pop(key))
                        self._available[kind.plural] = True
                        ready.set()
                    case WatchEvent("DELETED", body):
                        table.pop(_key(body), None)
                        self._refresh(kind, body)
                    case WatchEvent("ADDED" | "MODIFIED", body):
                        seen.add(_key(body))
                        table[_key(body)] = body
                        self._refresh(kind, body)

    def _refresh(self, kind: kube.Kind, body: Body) -> None:
        """Bring the records that depend on this object up to date."""
        if kind is kube.STREAM:
            self._refresh_stream(body)
        elif kind is kube.POD:
            self._refresh_pod(body)
        else:
            self._refresh_pool(body)

    def _refresh_stream(self, body: Body) -> None:
        """The stream that the object names now, and the one that it named before."""
        key = _key(body)
        names = {_stream_name(body), self._name_of.get(key, "")} - {""}
        for name in names:
            self._by_name.get(name, set()).discard(key)
        if key in self._streams:
            self._name_of[key] = _stream_name(body)
            self._by_name.setdefault(_stream_name(body), set()).add(key)
        else:
            self._name_of.pop(key, None)
        for name in names:
            live = self.stream_object(name)
            if live is not None:
                self._cache.apply(translate.stream_record(live))
            else:
                self._by_name.pop(name, None)
                self._cache.remove(Kind.STREAM, name)

    def _refresh_pod(self, body: Body) -> None:
        meta = body["metadata"]
        record = None
        if _key(body) in self._pods:
            pool = (meta.get("labels") or {}).get("app.kubernetes.io/instance", "")
            owner = self._pools.get((meta["namespace"], pool), {})
            record = translate.pod_record(body, owner, self._cluster_key)
        if record is None:
            self._cache.remove(Kind.STREAMER, meta["name"])
        else:
            self._cache.apply(record)

    def _refresh_pool(self, body: Body) -> None:
        meta = body["metadata"]
        if (body.get("spec") or {}).get("apiUrl"):
            if _key(body) in self._pools:
                self._cache.apply(translate.external_record(body, self._cluster_key))
            else:
                self._cache.remove(Kind.STREAMER, meta["name"])
            return
        for pod in list(self._pods.values()):
            labels = pod["metadata"].get("labels") or {}
            same = pod["metadata"]["namespace"] == meta["namespace"]
            if same and labels.get("app.kubernetes.io/instance") == meta["name"]:
                self._refresh_pod(pod)


def _key(body: Mapping[str, Any]) -> Key:
    return body["metadata"]["namespace"], body["metadata"]["name"]


def _age(body: Mapping[str, Any]) -> tuple[str, str]:
    return body["metadata"].get("creationTimestamp") or "", body["metadata"]["name"]


def _stream_name(body: Mapping[str, Any]) -> str:
    return str((body.get("spec") or {}).get("name") or body["metadata"]["name"])


_MADE_BY_US = {"app.kubernetes.io/managed-by": MANAGER}


def _body(name: str, spec: JsonObject, live: Body | None = None) -> Body:
    """What to apply; only objects that Central made carry its label."""
    metadata: Body = {"name": name}
    labels = (live["metadata"].get("labels") or {}) if live else _MADE_BY_US
    if labels.items() >= _MADE_BY_US.items():
        metadata["labels"] = _MADE_BY_US
    return {"metadata": metadata, "spec": spec}


def _to_apply(live: Body, before: JsonObject, after: JsonObject) -> JsonObject:
    """Central's own fields and those that change; raises OwnerConflictError for others' fields."""
    changed = {key for key in {*before, *after} if before.get(key) != after.get(key)}
    for key in sorted(changed & set(before)):
        foreign = translate.owners(live, key)
        if foreign:
            raise OwnerConflictError(key, ", ".join(sorted(foreign)))
    mine = translate.owned_by_central(live) | changed
    return {key: value for key, value in after.items() if key in mine}


def _store_error(error: KubeError | TimeoutError) -> Exception:
    if isinstance(error, TimeoutError):
        return StoreUnavailableError("the Kubernetes API server does not answer in time")
    if error.is_conflict:
        return OwnerConflictError("a field", error.message)
    if error.status in (400, 422):
        return InvalidResourceError(error.message)
    return StoreUnavailableError(f"the Kubernetes API server refuses: {error}")
