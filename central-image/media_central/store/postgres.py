"""The resource store in PostgreSQL, for Central without Kubernetes.

Reads come from memory. A connection of its own LISTENs for changed keys; on a notification the rows
are read again, and after a lost connection everything is. While PostgreSQL is away, reads go on
from memory and writes raise StoreUnavailableError.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import asyncpg
from media_api.base import JsonObject

from media_central.db import (
    ACQUIRE_TIMEOUT_SECONDS,
    LOST_ERRORS,
    Database,
    DatabaseUnavailable,
    raise_if_cancelled,
)
from media_central.store.cache import RecordCache
from media_central.store.documents import is_storable, next_document, target_key
from media_central.store.port import (
    Condition,
    InvalidResourceError,
    Kind,
    NameTakenError,
    Record,
    StoreUnavailableError,
    Watch,
)

log = logging.getLogger(__name__)

CHANNEL = "central_resources"
RECONNECT_MIN_SECONDS = 0.2
RECONNECT_MAX_SECONDS = 5.0
# A lost server that sends no reset (a pulled cable) is only seen by asking.
PROBE_SECONDS = 10.0
RESYNC_SECONDS = 300.0
YIELD_EVERY = 50
"""Documents validated in one go, about 10 ms: streamers and viewers of the API do not wait."""
_COLUMNS = "name, config, layout, version, created_at, updated_at"


class PostgresStore:
    """See `media_central.store.port.ResourceStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cache = RecordCache(Kind)
        self._available = False
        self._listener: asyncio.Task[None] | None = None
        self._deleted_meanwhile: set[tuple[Kind, str]] = set()

    @property
    def available(self) -> bool:
        return self._available

    async def start(self) -> None:
        """Raises StoreUnavailableError if PostgreSQL is away already."""
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._listener = asyncio.create_task(self._keep_fresh(ready), name="store-listener")
        await ready

    async def close(self) -> None:
        if self._listener is not None:
            self._listener.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listener
            self._listener = None

    def all(self, kind: Kind) -> Sequence[Record]:
        return self._cache.all(kind)

    def get(self, kind: Kind, key: str) -> Record | None:
        return self._cache.get(kind, key)

    def told(self, stream: Record) -> JsonObject:
        return stream.config

    def shown(self, stream: Record, value: Any) -> Any:
        return value

    def shown_of(self, name: str, value: Any) -> Any:
        return value

    @property
    def secrets_version(self) -> int:
        return 0

    async def read_secrets(self) -> None:
        """A document has its secrets in it."""

    def watch(self) -> Watch:
        return self._cache.subscribe()

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
        try:
            async with self._writing() as connection:
                # One writer at a time: two that create the same name must both be merged, and
                # there is no row to lock yet. Reads and other tables go on.
                await connection.execute(f"LOCK TABLE {kind} IN SHARE ROW EXCLUSIVE MODE")
                plan = _Plan(kind, await self._rows(connection, kind, patches), condition)
                for index, (key, patch) in enumerate(patches):
                    plan.put(key, patch)
                    if index % YIELD_EVERY == YIELD_EVERY - 1:
                        await asyncio.sleep(0)
                rows = [] if dry_run else await _apply(connection, kind, plan)
        except asyncpg.DataError as error:
            raise InvalidResourceError(f"PostgreSQL refuses the text: {error}") from error
        if dry_run:
            return plan.unwritten()
        for key in plan.removed:
            self._forget(kind, key)
        records = {row["name"]: _record(kind, row) for row in rows}
        for record in records.values():
            self._cache.apply(record)
        return [
            replace(records[name], before=plan.before.get(name))
            for name in plan.answers
            if name in records
        ]

    @contextlib.asynccontextmanager
    async def _writing(self) -> AsyncIterator[asyncpg.Connection]:
        """A transaction. Raises StoreUnavailableError; DataError and what is raised within pass.

        Where PostgreSQL dies over the COMMIT, nobody knows what it will find when it is back.
        """
        commits = False
        try:
            async with self._database.acquire() as connection:
                async with connection.transaction():
                    yield connection
                    commits = True
                commits = False
        except asyncpg.DataError:
            raise
        except DatabaseUnavailable as error:
            raise StoreUnavailableError(str(error), unknown=commits) from error
        except asyncpg.PostgresError as error:
            words = f"PostgreSQL refuses: {error}"
            raise StoreUnavailableError(words, unknown=commits) from error

    async def _rows(
        self,
        connection: asyncpg.Connection,
        kind: Kind,
        patches: Sequence[tuple[str, JsonObject]],
    ) -> Sequence[Any]:
        names = {name for key, patch in patches for name in (key, target_key(kind, key, patch))}
        if not is_storable(list(names)):
            raise InvalidResourceError("a name must not contain U+0000 or a lone surrogate")
        rows: Sequence[Any] = await connection.fetch(
            f"SELECT {_COLUMNS} FROM {kind} WHERE name = ANY($1)", list(names)
        )
        return rows

    async def delete(self, kind: Kind, key: str, *, condition: Condition | None = None) -> bool:
        if not is_storable(key):
            return False
        async with self._writing() as connection:
            row = await connection.fetchrow(
                f"DELETE FROM {kind} WHERE name = $1 RETURNING config", key
            )
            if condition is not None:
                condition.check(row["config"] if row is not None else None)
        self._forget(kind, key)
        return row is not None

    async def set_layouts(
        self, layouts: Mapping[str, tuple[int, JsonObject | None]], *, whole: bool = False
    ) -> Sequence[str]:
        if not layouts:
            return []
        try:
            async with self._writing() as connection:
                rows = await connection.fetch(
                    "UPDATE streams SET layout = given.layout,"
                    " version = nextval('resource_version')"
                    " FROM unnest($1::text[], $2::bigint[], $3::jsonb[])"
                    " AS given (name, version, layout)"
                    " WHERE streams.name = given.name AND streams.version = given.version"
                    " RETURNING streams.name, streams.config, streams.layout, streams.version,"
                    " streams.created_at, streams.updated_at",
                    list(layouts),
                    [version for version, _ in layouts.values()],
                    [layout for _, layout in layouts.values()],
                )
                if whole and len(rows) < len(layouts):
                    raise _PartlyError
        except _PartlyError:
            return []
        for row in rows:
            self._cache.apply(_record(Kind.STREAM, row))
        return [row["name"] for row in rows]

    def _forget(self, kind: Kind, key: str) -> None:
        # A re-read that began before the deletion may still bring the row.
        self._deleted_meanwhile.add((kind, key))
        self._cache.remove(kind, key)

    async def _keep_fresh(self, ready: asyncio.Future[None]) -> None:
        pause = RECONNECT_MIN_SECONDS
        while True:
            try:
                async for _ in self._listen():
                    pause = RECONNECT_MIN_SECONDS
                    if not self._available:
                        what = "PostgreSQL is back" if ready.done() else "resources"
                        log.info("%s: %s", what, self._describe())
                    self._available = True
                    if not ready.done():
                        ready.set_result(None)
            except (DatabaseUnavailable, asyncpg.PostgresError, *LOST_ERRORS) as error:
                raise_if_cancelled(error)
                if not ready.done():
                    ready.set_exception(StoreUnavailableError(str(error)))
                    return
                if self._available:
                    log.error("PostgreSQL is away (%s): reading from memory, no writes", error)
                self._available = False
                await asyncio.sleep(pause)
                pause = min(pause * 2, RECONNECT_MAX_SECONDS)

    def _describe(self) -> str:
        return ", ".join(f"{len(self._cache.all(kind))} {kind}" for kind in Kind)

    async def _listen(self) -> Any:
        """Yields each time that memory is known to be fresh. Raises DatabaseUnavailable."""
        connection = await self._database.listen_connection()
        changed: set[str] = set()
        wake = asyncio.Event()

        def on_notify(_connection: Any, _pid: int, _channel: str, payload: str) -> None:
            changed.add(payload)
            wake.set()

        try:
            connection.add_termination_listener(lambda _connection: wake.set())
            await connection.add_listener(CHANNEL, on_notify)
            next_resync = 0.0
            while True:
                now = asyncio.get_running_loop().time()
                wake.clear()
                payloads, changed = changed.copy(), changed
                changed.clear()
                if now >= next_resync:
                    await self._read_all(connection)
                    next_resync = now + RESYNC_SECONDS
                elif payloads:
                    await self._read(connection, payloads)
                else:
                    await connection.fetchval("SELECT 1", timeout=ACQUIRE_TIMEOUT_SECONDS)
                yield
                with contextlib.suppress(TimeoutError):
                    # Not wait_for: before Python 3.12 it can swallow a cancellation (gh-86296).
                    async with asyncio.timeout(PROBE_SECONDS):
                        await wake.wait()
        except LOST_ERRORS as error:
            raise DatabaseUnavailable(str(error) or type(error).__name__) from error
        finally:
            connection.terminate()

    async def _read_all(self, connection: asyncpg.Connection) -> None:
        for kind in Kind:
            self._deleted_meanwhile.clear()
            rows = await connection.fetch(f"SELECT {_COLUMNS} FROM {kind}")
            self._cache.replace(kind, self._still_there(kind, rows))

    async def _read(self, connection: asyncpg.Connection, payloads: set[str]) -> None:
        for kind in Kind:
            prefix = f"{kind}:"
            keys = [item.removeprefix(prefix) for item in payloads if item.startswith(prefix)]
            if not keys:
                continue
            self._deleted_meanwhile.clear()
            rows = await connection.fetch(
                f"SELECT {_COLUMNS} FROM {kind} WHERE name = ANY($1)", keys
            )
            records = self._still_there(kind, rows)
            for record in records:
                self._cache.apply(record)
            for key in set(keys) - {row["name"] for row in rows}:
                self._cache.remove(kind, key)

    def _still_there(self, kind: Kind, rows: Sequence[Any]) -> Sequence[Record]:
        return [
            _record(kind, row) for row in rows if (kind, row["name"]) not in self._deleted_meanwhile
        ]


class _PartlyError(Exception):
    """Rolls a transaction back of which only a part could be done."""


@dataclass(slots=True)
class _Planned:
    document: JsonObject | None
    layout: JsonObject | None
    created_at: datetime | None


class _Plan:
    """What a transaction will write, worked out in memory."""

    def __init__(self, kind: Kind, rows: Sequence[Any], condition: Condition | None) -> None:
        self._kind = kind
        self._condition = condition
        self._known = {
            row["name"]: _Planned(row["config"], row["layout"], row["created_at"]) for row in rows
        }
        self.written: dict[str, _Planned] = {}
        self.removed: set[str] = set()
        self.answers: list[str] = []
        self.before: dict[str, JsonObject | None] = {}

    def unwritten(self) -> list[Record]:
        """The records as they would be."""
        now = datetime.now(UTC)
        return [
            _record(
                self._kind,
                {
                    "name": name,
                    "config": self.written[name].document,
                    "layout": self.written[name].layout,
                    "version": 0,
                    "created_at": self.written[name].created_at or now,
                    "updated_at": now,
                },
            )
            for name in self.answers
            if name in self.written
        ]

    def put(self, key: str, patch: JsonObject) -> None:
        """Raises InvalidResourceError, ConditionError, NameTakenError."""
        target = target_key(self._kind, key, patch)
        current = self._known.get(key)
        if target != key and current is not None and target in self._known:
            raise NameTakenError(f"{target} exists: {key} cannot get its name")
        renamed = target != key and current is not None
        current = current or self._known.get(target) or _Planned(None, None, None)
        if self._condition is not None:
            self._condition.check(current.document)
        document = next_document(self._kind, target, current.document, patch)
        self.before.setdefault(target, current.document)
        if renamed:
            del self._known[key]
            self.written.pop(key, None)
            self.removed.add(key)
        self.removed.discard(target)
        planned = _Planned(document, current.layout, current.created_at)
        self._known[target] = self.written[target] = planned
        self.answers.append(target)


async def _apply(connection: asyncpg.Connection, kind: Kind, plan: _Plan) -> Sequence[Any]:
    if plan.removed:
        await connection.execute(f"DELETE FROM {kind} WHERE name = ANY($1)", list(plan.removed))
    planned = list(plan.written.values())
    rows: Sequence[Any] = await connection.fetch(
        f"INSERT INTO {kind} (name, config, layout, created_at)"
        " SELECT name, config, layout, coalesce(created_at, now())"
        " FROM unnest($1::text[], $2::jsonb[], $3::jsonb[], $4::timestamptz[])"
        " AS given (name, config, layout, created_at)"
        " ON CONFLICT (name) DO UPDATE SET config = excluded.config,"
        " version = nextval('resource_version'), updated_at = clock_timestamp()"
        f" RETURNING {_COLUMNS}",
        list(plan.written),
        [item.document for item in planned],
        [item.layout for item in planned],
        [item.created_at for item in planned],
    )
    return rows


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _record(kind: Kind, row: Any) -> Record:
    return Record(
        kind=kind,
        key=row["name"],
        config=row["config"],
        layout=row["layout"],
        version=row["version"],
        created_at=_milliseconds(row["created_at"]),
        updated_at=_milliseconds(row["updated_at"]),
    )
