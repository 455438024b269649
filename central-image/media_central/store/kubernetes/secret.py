"""Resources that have no kind of their own in the cluster: documents of one Secret.

Balancers, rule sets of viewers and tokens are few, small and partly secret. One Secret holds them,
so that Central needs rights for that one object only. Every write is a compare-and-swap of the
whole Secret; the copy in memory follows its watch.
"""

import asyncio
import base64
import contextlib
import hashlib
import json
import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from media_api.base import JsonObject
from media_kube import client as kube
from media_kube.client import KubeClient, Object, WatchEvent
from media_kube.errors import KubeError

from media_central.store.cache import RecordCache
from media_central.store.documents import next_document, target_key
from media_central.store.port import (
    Condition,
    InvalidResourceError,
    Kind,
    NameTakenError,
    OwnerConflictError,
    Record,
    StoreError,
    StoreUnavailableError,
)

log = logging.getLogger(__name__)

SECRET_NAME = "media-central-documents"
DOCUMENT_KINDS = frozenset({Kind.BALANCER, Kind.AUTH_BACKEND, Kind.API_TOKEN})
MAX_SECRET_BYTES = 900_000
"""The API server takes 1 MiB, metadata included."""
WRITE_LIMIT_SECONDS = 30.0
SYNC_TIMEOUT_SECONDS = 60.0
RESTART_PAUSE_SECONDS = 5.0
_PLAIN = re.compile(r"[A-Za-z0-9_.-]{1,150}")
_BAD_PATCH = "failed to create typed patch object"
"""An unknown field, a wrong type or a repeated list key is a 500 in server-side apply."""
_DENIED = ("denied the request", "denied request", "exceeded quota")
"""By a webhook, by a policy of the API server, by a quota."""
Changed = TypeVar("Changed")
_Documents = dict[Kind, dict[str, JsonObject]]
"""{config, created_at, updated_at, version} by kind and name."""


class SecretDocuments:
    """`start()` before use, `close()` after; `cache` gets the records."""

    def __init__(self, client: KubeClient, namespace: str, cache: RecordCache) -> None:
        self._client = client
        self._namespace = namespace
        self._cache = cache
        self._task: asyncio.Task[None] | None = None
        self._version = -1
        self.in_sync = False

    async def start(self) -> None:
        """Raises StoreUnavailableError if the API server does not answer in time."""
        ready = asyncio.Event()
        self._task = asyncio.create_task(self._follow_for_ever(ready), name="watch-documents")
        try:
            async with asyncio.timeout(SYNC_TIMEOUT_SECONDS):
                await ready.wait()
        except TimeoutError:
            raise StoreUnavailableError(
                f"the Secret {SECRET_NAME} cannot be read: may Central get and watch it?"
            ) from None

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def put_many(
        self,
        kind: Kind,
        patches: Sequence[tuple[str, JsonObject]],
        *,
        condition: Condition | None,
        dry_run: bool,
    ) -> Sequence[Record]:
        """See the port."""

        def change(documents: _Documents) -> list[Record]:
            before, answers = _put_all(documents, kind, patches, condition)
            found = documents[kind]
            return [
                replace(_record(kind, name, found[name]), before=before[name])
                for name in answers
                if name in found
            ]

        if dry_run:
            return change(unpack(await self._read()))
        return await self._change(change)

    async def delete(self, kind: Kind, key: str, condition: Condition | None) -> bool:
        """See the port."""

        def change(documents: _Documents) -> bool:
            gone = documents[kind].pop(key, None)
            if condition is not None:
                condition.check(gone["config"] if gone else None)
            return gone is not None

        return await self._change(change)

    async def _change(self, change: Callable[[_Documents], Changed]) -> Changed:
        """Put a change on the newest Secret, as often as others write it meanwhile."""
        deadline = asyncio.get_running_loop().time() + WRITE_LIMIT_SECONDS
        while asyncio.get_running_loop().time() < deadline:
            live = await self._read()
            documents = unpack(live)
            result = change(documents)
            if not result:
                return result
            with contextlib.suppress(_OutdatedError):
                self._take(await self._write(live, documents))
                return result
        raise StoreUnavailableError(f"others write {SECRET_NAME} all the time")

    async def _read(self) -> Object | None:
        try:
            return await self._client.get(kube.SECRET, self._namespace, SECRET_NAME)
        except (KubeError, TimeoutError) as error:
            if isinstance(error, KubeError) and error.is_gone:
                return None
            raise store_error(error) from error

    async def _write(self, live: Object | None, documents: _Documents) -> Object:
        """Raises _OutdatedError if the Secret is not what was read any more."""
        data = pack(documents)
        if sum(map(len, data.values())) > MAX_SECRET_BYTES:
            raise InvalidResourceError(
                f"the Secret {SECRET_NAME} would be larger than {MAX_SECRET_BYTES} bytes:"
                " delete what is not used"
            )
        try:
            if live is None:
                body: Object = {"metadata": {"name": SECRET_NAME}, "data": data}
                return await self._client.create(kube.SECRET, self._namespace, body)
            return await self._client.replace(kube.SECRET, self._namespace, {**live, "data": data})
        except (KubeError, TimeoutError) as error:
            if isinstance(error, KubeError) and error.is_conflict:
                raise _OutdatedError from None
            raise store_error(error) from error

    def _take(self, body: Object | None) -> None:
        """The Secret as it is now, unless something newer is known."""
        version = int(body["metadata"]["resourceVersion"]) if body else 0
        if body and version <= self._version:
            return
        self._version = version
        for kind, documents in unpack(body).items():
            for record in self._cache.all(kind):
                if record.key not in documents:
                    self._cache.remove(kind, record.key)
            for name, document in documents.items():
                self._cache.set(_record(kind, name, document))

    async def _follow_for_ever(self, ready: asyncio.Event) -> None:
        while True:
            try:
                await self._follow(ready)
            except Exception:
                log.exception("the watch of %s failed and begins anew", SECRET_NAME)
            self.in_sync = False
            await asyncio.sleep(RESTART_PAUSE_SECONDS)

    async def _follow(self, ready: asyncio.Event) -> None:
        seen = False
        events = self._client.watch(kube.SECRET, self._namespace, name=SECRET_NAME)
        async with contextlib.aclosing(events):  # type: ignore[type-var]  # an async generator
            async for event in events:
                match event:
                    case WatchEvent("LOST"):
                        self.in_sync = False
                    case WatchEvent("RELIST"):
                        seen = False
                    case WatchEvent("SYNCED"):
                        if not seen:
                            self._take(None)
                        self.in_sync = True
                        ready.set()
                    case WatchEvent("DELETED"):
                        self._take(None)
                    case WatchEvent("ADDED" | "MODIFIED", body):
                        seen = True
                        self._take(body)


class _OutdatedError(Exception):
    """Somebody else wrote the Secret meanwhile."""


def _put_all(
    documents: _Documents,
    kind: Kind,
    patches: Sequence[tuple[str, JsonObject]],
    condition: Condition | None,
) -> tuple[dict[str, JsonObject | None], list[str]]:
    """Changes `documents`; returns what was before, and the names, by the patches' order."""
    found, now = documents[kind], round(time.time() * 1000)
    before: dict[str, JsonObject | None] = {}
    answers: list[str] = []
    for key, patch in patches:
        target = target_key(kind, key, patch)
        if target != key and key in found and target in found:
            raise NameTakenError(f"{target} exists: {key} cannot get its name")
        old = found.get(key) or found.get(target)
        if condition is not None:
            condition.check(old["config"] if old else None)
        config = next_document(kind, target, old["config"] if old else None, patch)
        before.setdefault(target, old["config"] if old else None)
        if target != key:
            found.pop(key, None)
        found[target] = {
            "config": config,
            "created_at": old["created_at"] if old else now,
            "updated_at": now,
            "version": old["version"] + 1 if old else 1,
        }
        answers.append(target)
    return before, answers


def pack(documents: Mapping[Kind, Mapping[str, JsonObject]]) -> dict[str, str]:
    """`data` of the Secret: a key for each document."""
    return {
        _data_key(kind, name): base64.b64encode(
            json.dumps({"name": name, **document}, separators=(",", ":")).encode()
        ).decode()
        for kind, found in documents.items()
        for name, document in found.items()
    }


def unpack(body: Object | None) -> _Documents:
    """The documents of the Secret; what cannot be read is left out, with a line in the log."""
    documents: _Documents = {kind: {} for kind in DOCUMENT_KINDS}
    for key, text in ((body or {}).get("data") or {}).items():
        try:
            kind = Kind(key.partition(".")[0])
            document: dict[str, Any] = json.loads(base64.b64decode(text))
            name = str(document.pop("name"))
            config = next_document(kind, name, None, document["config"])
            documents[kind][name] = {**document, "config": config}
        except (ValueError, KeyError, TypeError, AttributeError, StoreError) as error:
            log.error("Secret %s: %s cannot be read and is left out: %s", SECRET_NAME, key, error)
    return documents


def _data_key(kind: Kind, name: str) -> str:
    """Keys of a Secret have few characters (RFC 1123 and `_`); other names are known by a hash."""
    plain = name if _PLAIN.fullmatch(name) else f"x-{hashlib.sha256(name.encode()).hexdigest()}"
    return f"{kind}.{plain}"


def _record(kind: Kind, name: str, document: JsonObject) -> Record:
    return Record(
        kind=kind,
        key=name,
        config=document["config"],
        layout=None,
        version=document["version"],
        created_at=document["created_at"],
        updated_at=document["updated_at"],
    )


def store_error(error: KubeError | TimeoutError) -> StoreError:
    if isinstance(error, TimeoutError):
        return StoreUnavailableError(
            "the Kubernetes API server does not answer in time", unknown=True
        )
    if error.owners:
        fields = ", ".join(sorted({field.removeprefix(".spec.") for field, _ in error.owners}))
        names = ", ".join(sorted({owner for _, owner in error.owners}))
        return OwnerConflictError(fields, names)
    if error.status in (400, 422) or _BAD_PATCH in error.message or _is_denied(error):
        return InvalidResourceError(error.message)
    if not error.status:
        return StoreUnavailableError(
            f"the Kubernetes API server does not answer: {error.message}", unknown=True
        )
    return StoreUnavailableError(f"the Kubernetes API server refuses: {error}")


def _is_denied(error: KubeError) -> bool:
    """Refused for what it says, by a policy, a webhook or a quota; not for who writes it (RBAC).
    A webhook may choose any code: with one that is no 400, 403 or 422 it is taken for unavailable.
    """
    return error.status == 403 and any(words in error.message for words in _DENIED)
