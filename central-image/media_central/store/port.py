"""What Central needs of a resource store; PostgreSQL and Kubernetes each have an adapter.

Invariants of every adapter, held by one test suite:
- Reads never wait: they come from a copy in memory that the adapter keeps fresh, also while its
  backend is away.
- A write that returned is seen by the next read of the same process, and by others soon.
- A write is all or nothing. `StoreUnavailableError` means that it was not made, or that nobody
  knows: all writes are idempotent, so the way out is to repeat it.
- Configurations are kept as they were set (`explicit`), without defaults.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, Self

from media_api.base import JsonObject


class Kind(StrEnum):
    """A kind of resource; the value is the name of its collection."""

    STREAM = "streams"
    STREAMER = "streamers"
    BALANCER = "load_balancers"
    AUTH_BACKEND = "auth_backends"
    API_TOKEN = "api_tokens"


@dataclass(frozen=True, slots=True)
class Record:
    """One resource. Times are UTC milliseconds. Treat `config` and `layout` as read-only.

    `before`: in the answer to a write, the configuration that it replaced.
    """

    kind: Kind
    key: str
    config: JsonObject
    layout: JsonObject | None
    version: int
    created_at: int
    updated_at: int
    before: JsonObject | None = field(default=None, compare=False, repr=False)

    @property
    def tag(self) -> str:
        return tag_of(self.config)


def tag_of(document: JsonObject) -> str:
    """Changes with the configuration and with nothing else: a stream that moves keeps its tag."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:24]


@dataclass(frozen=True, slots=True)
class Condition:
    """What must hold of a resource when it is written (RFC 9110 section 13.1).

    `tags`: it is as one of them says; empty: whatever it is, as long as it is there. `absent`: it
    is not there.
    """

    tags: frozenset[str] | None = None
    absent: bool = False

    def check(self, document: JsonObject | None) -> None:
        """Raises ConditionError."""
        if self.absent and document is not None:
            raise ConditionError("it exists already")
        if self.tags is None:
            return
        if document is None:
            raise ConditionError("it does not exist any more")
        if self.tags and tag_of(document) not in self.tags:
            raise ConditionError("somebody else changed it: read it again, then change that")


class Watch(Protocol):
    """Keys that changed since it was made; repeated changes of a key are one. A context manager."""

    async def next(self, within: float | None = None) -> list[tuple[Kind, str]]:
        """Waits for changes, at most `within` seconds; an empty list if there were none."""
        ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class StoreError(Exception):
    """A write that was not made."""


class StoreUnavailableError(StoreError):
    """The backend does not answer now, or refuses all writes."""

    def __init__(self, message: str, *, unknown: bool = False) -> None:
        """`unknown`: nobody knows whether the write was made; to repeat it does no harm."""
        super().__init__(message)
        self.unknown = unknown


class UnreadError(StoreUnavailableError):
    """What a streamer is to be told names a Secret that was not read yet."""


class ConditionError(StoreError):
    """The resource is not as the writer thinks."""


class NameTakenError(StoreError):
    """A rename to the name of another resource."""


class InvalidResourceError(StoreError):
    """The merged document is not a resource.

    `pointer`: JSON pointer of the first bad value; `errors`: each of them, as the API answers it.
    """

    def __init__(
        self, message: str, pointer: str = "", errors: Sequence[JsonObject] | None = None
    ) -> None:
        super().__init__(message)
        self.pointer = pointer
        self.errors = errors


class OwnerConflictError(StoreError):
    """A field belongs to somebody else, such as a Git repository; it must be changed there."""

    def __init__(self, field: str, owner: str) -> None:
        super().__init__(f"{field} is owned by {owner}: change it there")
        self.field = field
        self.owner = owner


class ResourceStore(Protocol):
    """All resources. `start()` before use, `close()` after."""

    @property
    def available(self) -> bool:
        """False while the backend does not answer: reads may be old, writes fail."""
        ...

    async def start(self) -> None:
        """Fills the copy in memory and keeps it fresh until `close`."""
        ...

    async def close(self) -> None: ...

    def all(self, kind: Kind) -> Sequence[Record]:
        """All resources of a kind, in no particular order."""
        ...

    def get(self, kind: Kind, key: str) -> Record | None: ...

    def told(self, stream: Record) -> JsonObject:
        """The configuration of a stream as a streamer is told it: with the secrets that the
        resource only names. For nobody else. Raises UnreadError; `read_secrets` helps."""
        ...

    def shown(self, stream: Record, value: Any) -> Any:
        """What a streamer tells of a stream, for people: without what stands in a Secret only."""
        ...

    def shown_of(self, name: str, value: Any) -> Any:
        """The same of a stream by its name, which may be one that is gone."""
        ...

    @property
    def secrets_version(self) -> int:
        """Another one means that `told` may answer otherwise, though no record changed."""
        ...

    async def read_secrets(self) -> None:
        """Wait a while for the Secrets that `told` could not answer for."""
        ...

    async def put(
        self,
        kind: Kind,
        key: str,
        patch: JsonObject,
        *,
        condition: Condition | None = None,
        dry_run: bool = False,
    ) -> Record:
        """Creates or changes by JSON merge; a different name in `patch` renames.

        `condition` is looked at together with the write; `dry_run`: everything but the write.
        Raises InvalidResourceError, ConditionError, NameTakenError, OwnerConflictError,
        StoreUnavailableError.
        """
        ...

    async def put_many(
        self,
        kind: Kind,
        patches: Sequence[tuple[str, JsonObject]],
        *,
        condition: Condition | None = None,
        dry_run: bool = False,
    ) -> Sequence[Record]:
        """`put` of each, all or none. Raises like `put`."""
        ...

    async def delete(self, kind: Kind, key: str, *, condition: Condition | None = None) -> bool:
        """False if there was none. Raises ConditionError, OwnerConflictError,
        StoreUnavailableError."""
        ...

    async def set_layouts(
        self, layouts: Mapping[str, tuple[int, JsonObject | None]], *, whole: bool = False
    ) -> Sequence[str]:
        """Where streams run: name -> (version that was read, layout). A stream that changed since
        is left alone; `whole`: then all are. Returns the names that were set. Raises
        StoreUnavailableError."""
        ...

    def watch(self) -> Watch:
        """Changes from now on, also those made by others. Close it after use."""
        ...
