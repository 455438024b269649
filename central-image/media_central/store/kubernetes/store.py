"""The resource store on custom resources.

Reads come from memory that watches keep fresh. Writes are server-side apply as manager `central`,
never forced, and only of the fields that Central changes: what belongs to a Git repository stays
its own, and a change of it is refused with the owner's name. Each write is for one known state of
its object; if others changed it meanwhile, the patches are put on the newer one. Where a stream
runs is decided by the operator and read from the status.
"""

import asyncio
import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from media_api.base import JsonObject
from media_kube import client as kube
from media_kube.client import KubeClient
from media_kube.errors import KubeError

from media_central.store.documents import target_key
from media_central.store.kubernetes import translate
from media_central.store.kubernetes.credentials import (
    Credentials,
    references,
    resolved,
    without_secrets,
    without_urls,
)
from media_central.store.kubernetes.drafts import Draft, StreamDrafts
from media_central.store.kubernetes.heartbeat import ReadyPod
from media_central.store.kubernetes.mirror import Mirror, is_external
from media_central.store.kubernetes.ownership import MANAGER, foreign_owners
from media_central.store.kubernetes.secret import DOCUMENT_KINDS, SecretDocuments, store_error
from media_central.store.kubernetes.table import Body
from media_central.store.port import (
    Condition,
    ConditionError,
    InvalidResourceError,
    Kind,
    OwnerConflictError,
    Record,
    StoreUnavailableError,
    Watch,
)

log = logging.getLogger(__name__)

WRITE_LIMIT_SECONDS = 30.0
"""Of one object, with all repetitions because others change it at the same time."""
REPEAT_PAUSE_SECONDS = 0.05
PARALLEL_WRITES = 8
MAX_REMEMBERED = 100_000
"""Streams whose spec has named a Secret since this process began."""


class KubernetesStore:
    """See `media_central.store.port.ResourceStore`."""

    def __init__(
        self, client: KubeClient, *, namespace: str | None, home: str, cluster_key: str
    ) -> None:
        """`namespace`: the one that is served, None for all; `home`: where REST creates."""
        self._client = client
        self._home = namespace or home
        self._cluster_key = cluster_key
        self._mirror = Mirror(client, namespace, cluster_key)
        self._documents = SecretDocuments(client, self._home, self._mirror.cache)
        self.credentials = Credentials(client, self.named_secrets)
        self._did_name_one: dict[str, None] = {}

    @property
    def available(self) -> bool:
        return self._mirror.in_sync and self._documents.in_sync

    async def start(self) -> None:
        """Raises StoreUnavailableError if the API server does not answer in time."""
        await self._mirror.start()
        await self._documents.start()
        self.credentials.start()

    async def close(self) -> None:
        await self.credentials.close()
        await self._documents.close()
        await self._mirror.close()

    def all(self, kind: Kind) -> Sequence[Record]:
        return self._mirror.cache.all(kind)

    def get(self, kind: Kind, key: str) -> Record | None:
        return self._mirror.cache.get(kind, key)

    def told(self, stream: Record) -> JsonObject:
        live = self._mirror.stream_object(stream.key)
        if live is None:
            return stream.config
        namespace = live["metadata"]["namespace"]
        if any(references(stream.config)):
            self._names_one(stream.key)
        return resolved(stream.config, lambda name: self.credentials.find(namespace, name))

    def shown(self, stream: Record, value: Any) -> Any:
        did_name_one = stream.key in self._did_name_one
        if not any(references(stream.config)) and not did_name_one:
            return value
        live = self._mirror.stream_object(stream.key)
        namespace = live["metadata"]["namespace"] if live is not None else self._home
        return without_secrets(
            value,
            stream.config,
            lambda name: self.credentials.known(namespace, name),
            did_name_one=did_name_one,
        )

    def _names_one(self, name: str) -> None:
        self._did_name_one[name] = None
        if len(self._did_name_one) > MAX_REMEMBERED:
            del self._did_name_one[next(iter(self._did_name_one))]

    def shown_of(self, name: str, value: Any) -> Any:
        stream = self.get(Kind.STREAM, name)
        # Of one that is gone nobody knows what its Secrets said.
        return self.shown(stream, value) if stream is not None else without_urls(value)

    @property
    def secrets_version(self) -> int:
        return self.credentials.version

    async def read_secrets(self) -> None:
        await self.credentials.read()

    def named_secrets(self) -> set[tuple[str, str]]:
        """Namespace and name of all Secrets that Streams name."""
        found: set[tuple[str, str]] = set()
        for record in self._mirror.cache.all(Kind.STREAM):
            names = set(references(record.config))
            live = self._mirror.stream_object(record.key) if names else None
            if names:
                self._names_one(record.key)
            if live is not None:
                found.update((live["metadata"]["namespace"], name) for name in names)
        return found

    def watch(self) -> Watch:
        return self._mirror.cache.subscribe()

    def stream_object(self, name: str) -> Body | None:
        """The Stream object behind a stream's name."""
        return self._mirror.stream_object(name)

    def external_object(self, hostname: str) -> Body | None:
        """The Streamer object of an external server."""
        return self._mirror.external_object(hostname)

    def pool_objects(self) -> list[Body]:
        """All Streamers."""
        return self._mirror.pool_objects()

    def is_told(self, hostname: str) -> bool:
        """Whether it is known where viewers reach a streamer."""
        return self._mirror.is_told(hostname)

    def ready_pods(self) -> list[ReadyPod]:
        """Streamer pods that Kubernetes calls ready and that are to stay."""
        return self._mirror.ready_pods()

    def object_at(self, kind: kube.Kind, namespace: str, name: str) -> Body | None:
        """A Stream or Streamer as it is now."""
        key = namespace, name
        is_stream = kind == kube.STREAM
        return self._mirror.stream_at(key) if is_stream else self._mirror.pool_at(key)

    def saw(self, kind: kube.Kind, body: Body) -> None:
        """An object as the API server answered it to somebody else here."""
        self._mirror.saw(kind, body)

    async def put(
        self,
        kind: Kind,
        key: str,
        patch: JsonObject,
        *,
        condition: Condition | None = None,
        dry_run: bool = False,
    ) -> Record:
        patches = [(key, patch)]
        return (await self.put_many(kind, patches, condition=condition, dry_run=dry_run))[0]

    async def put_many(
        self,
        kind: Kind,
        patches: Sequence[tuple[str, JsonObject]],
        *,
        condition: Condition | None = None,
        dry_run: bool = False,
    ) -> Sequence[Record]:
        """All or none, as far as an API without transactions can promise it: everything is tried
        first. Only what happens between the trial and the writes can leave a part undone."""
        if kind in DOCUMENT_KINDS:
            return await self._documents.put_many(
                kind, patches, condition=condition, dry_run=dry_run
            )
        drafts = self._stream_drafts(patches) if kind is Kind.STREAM else self._streamers(patches)
        for draft in drafts:
            draft.condition = condition
            draft.body()  # what Central itself refuses needs no API server
        if len(drafts) > 1 and not dry_run:
            await self._each(drafts, dry_run=True)
        bodies = await self._each(drafts, dry_run=dry_run)
        records = []
        for draft, body in zip(drafts, bodies, strict=True):
            if not dry_run:
                self._mirror.saw(draft.resource, body)
            if kind is Kind.STREAM:
                record = translate.stream_record(body)
            else:
                record = translate.external_record(body, self._cluster_key)
            records.append(replace(record, before=draft.shown_before()))
        return records

    async def delete(self, kind: Kind, key: str, *, condition: Condition | None = None) -> bool:
        if kind in DOCUMENT_KINDS:
            return await self._documents.delete(kind, key, condition)
        known = self.get(kind, key)
        if condition is not None:
            condition.check(known.config if known is not None else None)
        if kind is Kind.STREAM:
            resource, live = kube.STREAM, self._mirror.stream_object(key)
        else:
            resource, live = kube.STREAMER, self._mirror.external_object(key)
            if live is None and self.get(kind, key) is not None:
                raise InvalidResourceError(f"{key} is a pod: change its Streamer resource")
        if live is None:
            return False
        foreign = foreign_owners(live)
        if foreign:
            raise OwnerConflictError(key, ", ".join(sorted(foreign)))
        meta = live["metadata"]
        try:
            await self._client.delete(
                resource,
                meta["namespace"],
                meta["name"],
                # What was looked at, and nothing newer.
                version=meta["resourceVersion"] if condition is not None else "",
            )
        except (KubeError, TimeoutError) as error:
            if condition is not None and isinstance(error, KubeError) and error.is_conflict:
                raise ConditionError("somebody else changed it meanwhile") from None
            raise store_error(error) from error
        self._mirror.deleted(resource, live)
        return True

    async def set_layouts(
        self, layouts: Mapping[str, tuple[int, JsonObject | None]], *, whole: bool = False
    ) -> Sequence[str]:
        """The operator places streams; Central's layouter does not run in a cluster."""
        raise StoreUnavailableError("in Kubernetes the operator places the streams")

    def _stream_drafts(self, patches: Sequence[tuple[str, JsonObject]]) -> list[Draft]:
        drafts = StreamDrafts(
            self._mirror.stream_object,
            lambda key: self._mirror.stream_at(key) is not None,
            self._home,
        )
        for key, patch in patches:
            drafts.add(key, patch)
        return drafts.all()

    def _streamers(self, patches: Sequence[tuple[str, JsonObject]]) -> list[Draft]:
        drafts: dict[str, Draft] = {}
        for key, patch in patches:
            target = target_key(Kind.STREAMER, key, patch)
            if target != key and self.get(Kind.STREAMER, key) is not None:
                raise InvalidResourceError(
                    "an object of Kubernetes cannot be renamed: add the streamer under its new"
                    " name and delete this one",
                    "/hostname",
                )
            draft = drafts.get(target) or self._streamer_draft(target)
            draft.patches.append((target, self._without_known(target, patch)))
            drafts[target] = draft
        return list(drafts.values())

    def _streamer_draft(self, hostname: str) -> Draft:
        live = self._mirror.external_object(hostname)
        pool = self._mirror.pool_at((self._home, hostname))
        known = self.get(Kind.STREAMER, hostname)
        if live is None and (known is not None or (pool is not None and not is_external(pool))):
            raise InvalidResourceError(
                f"{hostname} belongs to this cluster: change its Streamer resource"
            )
        namespace = live["metadata"]["namespace"] if live else self._home
        return Draft(
            Kind.STREAMER,
            namespace,
            hostname,
            live,
            shown=lambda body: translate.external_record(body, self._cluster_key).config,
        )

    def _without_known(self, hostname: str, patch: JsonObject) -> JsonObject:
        """Without what the resource has no field for and what says nothing new."""
        if patch.get("cluster_key") not in (None, self._cluster_key):
            raise InvalidResourceError(
                "in Kubernetes an external streamer has the cluster key of the Secret"
                " media-central: give the server that key",
                "/cluster_key",
            )
        record = self.get(Kind.STREAMER, hostname)
        known = record.config if record else {}
        return {
            key: value
            for key, value in patch.items()
            if key != "cluster_key" and not (key == "labels" and known.get(key) == value)
        }

    async def _each(self, drafts: Sequence[Draft], *, dry_run: bool) -> list[Body]:
        """Applies all, waits for all, then raises the first error."""
        slots = asyncio.Semaphore(PARALLEL_WRITES)

        async def one(draft: Draft) -> Body:
            async with slots:
                return await self._apply(draft, dry_run=dry_run)

        done = await asyncio.gather(*map(one, drafts), return_exceptions=True)
        bodies: list[Body] = []
        for outcome in done:
            if isinstance(outcome, BaseException):
                raise outcome
            bodies.append(outcome)
        return bodies

    async def _apply(self, draft: Draft, *, dry_run: bool) -> Body:
        """Applies a draft, put on the newest state of its object as often as others change it."""
        deadline = asyncio.get_running_loop().time() + WRITE_LIMIT_SECONDS
        while True:
            try:
                return await self._client.apply(
                    draft.resource,
                    draft.namespace,
                    draft.body(),
                    manager=MANAGER,
                    dry_run=dry_run,
                )
            except (KubeError, TimeoutError) as error:
                if not _is_outdated(error):
                    raise store_error(error) from error
            if asyncio.get_running_loop().time() > deadline:
                raise StoreUnavailableError(f"others change {draft.target} all the time")
            # By chance: those who disturb each other must not go on in step.
            await asyncio.sleep(random.random() * REPEAT_PAUSE_SECONDS)
            live = await self._read(draft)
            if live is not None:
                self._mirror.saw(draft.resource, live)
            draft.put_on(live)

    async def _read(self, draft: Draft) -> Body | None:
        try:
            return await self._client.get(draft.resource, draft.namespace, draft.name)
        except (KubeError, TimeoutError) as error:
            if isinstance(error, KubeError) and error.is_gone:
                return None
            raise store_error(error) from error


def _is_outdated(error: KubeError | TimeoutError) -> bool:
    """The object is not what the draft was made for: changed, deleted, or created meanwhile."""
    if not isinstance(error, KubeError):
        return False
    if error.status == 409:
        return not error.owners
    return error.status == 422 and "metadata.resourceVersion" in error.message
