"""History tables: rows are queued, written by COPY in batches, and dropped a day at a time.

History is optional for control: nothing waits for it. While PostgreSQL is away rows are kept up to
a bound, then the oldest are dropped and counted.

A batch is written once, though its answer may be lost after PostgreSQL has committed it (a
time-out, a connection that ends, a task that is cancelled): each writer counts its batches and has
one under way for a table, its number is written in the same transaction, and who comes again with a
number that is written writes nothing.
"""

import asyncio
import contextlib
import logging
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

import asyncpg
from media_api.base import JsonObject
from media_rest.errors import ApiError
from media_rest.redact import redact

from media_central.db import Database, DatabaseUnavailable, affected_rows, raise_if_cancelled
from media_central.history.partitions import DAYS_AHEAD, maintain
from media_central.history.rollup import roll_up
from media_central.history.tables import COLUMNS, PARTITIONED, Retention

log = logging.getLogger(__name__)

FLUSH_SECONDS = 1.0
BATCH_ROWS = 5_000
MAX_QUEUED_ROWS = 200_000  # about 100 MB; a minute of samples of 100,000 streams
MAINTENANCE_SECONDS = 3600.0
ROLLUP_SECONDS = 300.0
RETRY_SECONDS = 60.0
START_SECONDS = 5.0
FLUSH_BEFORE_READ_SECONDS = 5.0
MAX_UNIX_MS = 10**13
_EVENT_COLUMNS = frozenset({"event", "event_id", "utc_ms", "media", "server"})
_INSERT_EVENTS = (
    "INSERT INTO event (at, event_id, server, media, event, body)"
    " SELECT * FROM unnest($1::timestamptz[], $2::bigint[], $3::text[], $4::text[], $5::text[],"
    " $6::jsonb[]) ON CONFLICT DO NOTHING"
)
_COUNT_BATCH = (
    "INSERT INTO history_writer (writer, history, batch) VALUES ($1, $2, $3)"
    " ON CONFLICT (writer, history) DO UPDATE SET batch = excluded.batch, at = now()"
    " WHERE history_writer.batch < excluded.batch"
)
_FORGET_WRITERS = "DELETE FROM history_writer WHERE history = $1 AND at < $2::date"
Row = tuple[Any, ...]


@dataclass(slots=True)
class _Batch:
    """Rows of a table that are written at once, or not at all."""

    rows: Sequence[Row]
    number: int = 0
    """From the first attempt on: numbers grow in the order of attempts, also those of halves."""

    def halves(self) -> tuple["_Batch", "_Batch"]:
        middle = len(self.rows) // 2
        return _Batch(self.rows[:middle]), _Batch(self.rows[middle:])


async def forget_writers(connection: asyncpg.Connection, oldest: Mapping[str, date]) -> None:
    """Those that wrote nothing since the oldest day that a table keeps.

    Not before: a Central that was cut off comes back with the batch of which it lost the answer,
    however much others have written. From then on it matters no more, as rows of that batch are
    older than what is kept.
    """
    await connection.executemany(_FORGET_WRITERS, list(oldest.items()))


class History:
    """`start()`, `add_*` from the event loop, `close()` writes what is queued."""

    def __init__(self, database: Database, retention: Retention) -> None:
        self._database = database
        self._retention = retention
        self._queues: dict[str, deque[Row]] = {name: deque() for name in COLUMNS}
        self._batches: dict[str, deque[_Batch]] = {name: deque() for name in COLUMNS}
        """Taken from the queues, and not known to be written."""
        self._flushing = asyncio.Lock()
        self._writer = uuid.uuid4()
        self._numbers = count(1)
        self.dropped_rows = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._looked_after = asyncio.Event()
        """Partitions were looked after, or that failed; so it is where nobody does."""
        self._looked_after.set()

    async def start(self) -> None:
        self._looked_after.clear()
        self._tasks = [
            asyncio.create_task(self._maintain(), name="history-partitions"),
            asyncio.create_task(self._write(), name="history-writer"),
            asyncio.create_task(self._roll_up(), name="history-rollups"),
        ]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        with contextlib.suppress(DatabaseUnavailable, TimeoutError):
            async with asyncio.timeout(5):
                await self.flush()

    @property
    def queued_rows(self) -> int:
        """Rows that are not known to be written."""
        taken = sum(len(batch.rows) for batches in self._batches.values() for batch in batches)
        return taken + sum(map(len, self._queues.values()))

    def add_event(
        self, media: str | None, server: str | None, event: str, body: JsonObject | None = None
    ) -> None:
        """Secrets in `body` are hidden here."""
        row = (datetime.now(UTC), None, server, media, event, redact(body or {}))
        self.add("event", row)

    def add_delivered(self, server: str, item: JsonObject) -> None:
        """An event as a streamer sent it; one that comes again is written once."""
        body = {key: value for key, value in item.items() if key not in _EVENT_COLUMNS}
        at = _moment(_whole(item.get("utc_ms")), datetime.now(UTC))
        media = item.get("media")
        self.add(
            "event",
            (
                at, _whole(item.get("event_id")), server,
                str(media) if media is not None else None, str(item["event"]), redact(body),
            ),
        )  # fmt: skip

    def add_layout(self, stream: str, layout: JsonObject) -> None:
        kept = {key: value for key, value in layout.items() if key != "ingest_history"}
        self.add("layout_event", (datetime.now(UTC), stream, kept))

    def add_audit(self, *, before: JsonObject | None, after: JsonObject | None, **who: str) -> None:
        """A change that somebody made. Secrets are hidden here."""
        words = ("originator", "role", "ip", "method", "path", "entity_type", "entity_id")
        row = (datetime.now(UTC), *(who[word] for word in words), redact(before), redact(after))
        self.add("audit", row)

    def add(self, table: str, row: Row) -> None:
        """A row in the order of COLUMNS[table]."""
        queue = self._queues[table]
        if len(queue) >= MAX_QUEUED_ROWS:
            queue.popleft()
            self.dropped_rows += 1
        queue.append(row)

    async def flush(self) -> None:
        """Writes everything queued. Raises DatabaseUnavailable; unwritten rows stay queued."""
        async with self._flushing:
            for table, queue in self._queues.items():
                batches = self._batches[table]
                while batches or queue:
                    if not batches:
                        rows = [queue.popleft() for _ in range(min(BATCH_ROWS, len(queue)))]
                        batches.append(_Batch(rows))
                    await self._write_first(table, batches)

    async def _write_first(self, table: str, batches: deque[_Batch]) -> None:
        """Takes the first batch away once it is written. A row that PostgreSQL refuses is dropped,
        found by halving its batch."""
        batch = batches[0]
        try:
            await self._write_beside_maintenance(table, batch)
        except (asyncpg.PostgresError, ValueError, TypeError) as error:
            batches.popleft()
            if len(batch.rows) == 1:
                self.dropped_rows += 1
                log.error("history: a row of %s is refused and dropped: %s", table, error)
            else:
                batches.extendleft(reversed(batch.halves()))
        else:
            batches.popleft()

    async def _write_beside_maintenance(self, table: str, batch: _Batch) -> None:
        """Rows whose partition is being made wait for the lock of the default one, and are refused
        by it in the moment when they belong there no more: the next attempt finds where to. There
        is one such moment for each day that is made."""
        for further in reversed(range(DAYS_AHEAD + 2)):
            try:
                await self._write_once(table, batch)
                break
            except asyncpg.CheckViolationError as error:
                if not further:
                    raise DatabaseUnavailable(f"partitions are being made: {error}") from error

    async def _write_once(self, table: str, batch: _Batch) -> None:
        """Unless it was written before, and its answer was lost."""
        batch.number = batch.number or next(self._numbers)
        try:
            async with self._database.acquire() as connection, connection.transaction():
                # Waits for an attempt that is still under way.
                told = await connection.execute(_COUNT_BATCH, self._writer, table, batch.number)
                if not affected_rows(told):
                    return
                if table == "event":
                    # COPY knows no "unless it is there".
                    columns = zip(*batch.rows, strict=True)
                    await connection.execute(_INSERT_EVENTS, *columns, timeout=30)
                else:
                    await connection.copy_records_to_table(
                        table, records=batch.rows, columns=COLUMNS[table], timeout=30
                    )
        except DatabaseUnavailable as error:
            # A value that asyncpg cannot send is an error of its interface, as a lost server is.
            if isinstance(error.__cause__, ValueError):
                raise error.__cause__ from None
            raise

    async def _write(self) -> None:
        away = False
        reported = 0
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            try:
                await self.flush()
                away = False
            except DatabaseUnavailable as error:
                raise_if_cancelled(error)
                if not away:
                    log.warning("history waits: %s", error)
                away = True
            if self.dropped_rows > reported:
                log.warning("history: %d rows dropped so far", self.dropped_rows)
                reported = self.dropped_rows

    async def _maintain(self) -> None:
        while True:
            pause = MAINTENANCE_SECONDS
            try:
                today = datetime.now(UTC).date()
                oldest = {table: self.oldest_day(table, today) for table in PARTITIONED}
                async with self._database.acquire() as connection:
                    await maintain(connection, oldest, today)
                    await forget_writers(connection, oldest)
            except (DatabaseUnavailable, asyncpg.PostgresError) as error:
                raise_if_cancelled(error)
                log.warning("history partitions: %s; trying again", error)
                pause = RETRY_SECONDS
            self._looked_after.set()
            await asyncio.sleep(pause)

    async def _roll_up(self) -> None:
        while True:
            pause = ROLLUP_SECONDS
            try:
                async with self._database.acquire() as connection:
                    await roll_up(connection, self._retention, datetime.now(UTC))
            except (DatabaseUnavailable, asyncpg.PostgresError) as error:
                raise_if_cancelled(error)
                log.warning("history roll-ups: %s; trying again", error)
                pause = RETRY_SECONDS
            await asyncio.sleep(pause)

    def oldest_day(self, table: str, today: date) -> date:
        """The oldest day that is kept whole."""
        return today - timedelta(days=self._retention.days(table))

    async def select(self, sql: str, *values: Any) -> Sequence[Any]:
        """Rows of a query, what is queued among them as far as it is written within seconds.
        Raises ApiError 503."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_SECONDS):
                await self._looked_after.wait()  # else what is queued may have no partition yet
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_BEFORE_READ_SECONDS):
                    await self.flush()
            async with self._database.acquire() as connection:
                rows: Sequence[Any] = await connection.fetch(sql, *values)
        except DatabaseUnavailable as error:
            raise ApiError(
                503, "history_unavailable", str(error), headers={"Retry-After": "5"}
            ) from None
        return rows


def _moment(milliseconds: int | None, default: datetime) -> datetime:
    if milliseconds is None or not 0 <= milliseconds < MAX_UNIX_MS:
        return default
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)


def _whole(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value < 2**63 else None
