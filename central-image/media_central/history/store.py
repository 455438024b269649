"""History tables: rows are queued, written by COPY in batches, and dropped a day at a time.

History is optional for control: nothing waits for it. While PostgreSQL is away rows are kept up to
a bound, then the oldest are dropped and counted.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
from media_api.base import JsonObject
from media_rest.errors import ApiError
from media_rest.redact import redact

from media_central.db import Database, DatabaseUnavailable
from media_central.history.partitions import maintain

log = logging.getLogger(__name__)

COLUMNS: dict[str, tuple[str, ...]] = {
    "stream_event": ("at", "stream", "streamer", "event", "detail"),
    "layout_event": ("at", "stream", "layout"),
    "audit": (
        "at", "originator", "role", "ip", "method", "path", "entity_type", "entity_id", "before",
        "after",
    ),
    "session": (
        "at", "id", "streamer", "stream", "type", "proto", "ip", "opened_at", "closed_at", "bytes",
        "country", "user_agent",
    ),
    "stream_sample": (
        "at", "stream", "streamer", "status", "bitrate_kbit", "clients_avg", "clients_max",
        "bytes_in", "bytes_out",
    ),
}  # fmt: skip
FLUSH_SECONDS = 1.0
BATCH_ROWS = 5_000
MAX_QUEUED_ROWS = 200_000  # about 100 MB; a minute of samples of 100,000 streams
MAINTENANCE_SECONDS = 3600.0
RETRY_SECONDS = 60.0
PAGE_ROWS = 1000


class History:
    """`start()`, `add_*` from the event loop, `close()` writes what is queued."""

    def __init__(self, database: Database, retention_days: int) -> None:
        self._database = database
        self._retention = timedelta(days=retention_days)
        self._queues: dict[str, deque[tuple[Any, ...]]] = {name: deque() for name in COLUMNS}
        self.dropped_rows = 0
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        self._tasks = [
            asyncio.create_task(self._maintain(), name="history-partitions"),
            asyncio.create_task(self._write(), name="history-writer"),
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
        """Rows that wait to be written."""
        return sum(map(len, self._queues.values()))

    def add_event(
        self, stream: str, streamer: str | None, event: str, detail: JsonObject | None = None
    ) -> None:
        """Secrets in `detail` are hidden here."""
        row = (datetime.now(UTC), stream, streamer, event, redact(detail or {}))
        self.add("stream_event", row)

    def add_layout(self, stream: str, layout: JsonObject) -> None:
        kept = {key: value for key, value in layout.items() if key != "ingest_history"}
        self.add("layout_event", (datetime.now(UTC), stream, kept))

    def add_audit(self, *, before: JsonObject | None, after: JsonObject | None, **who: str) -> None:
        """A change that somebody made. Secrets are hidden here."""
        words = ("originator", "role", "ip", "method", "path", "entity_type", "entity_id")
        row = (datetime.now(UTC), *(who[word] for word in words), redact(before), redact(after))
        self.add("audit", row)

    def add(self, table: str, row: tuple[Any, ...]) -> None:
        """A row in the order of COLUMNS[table]."""
        queue = self._queues[table]
        if len(queue) >= MAX_QUEUED_ROWS:
            queue.popleft()
            self.dropped_rows += 1
        queue.append(row)

    async def flush(self) -> None:
        """Writes everything queued. Raises DatabaseUnavailable; unwritten rows stay queued."""
        for table, queue in self._queues.items():
            while queue:
                batch = [queue.popleft() for _ in range(min(BATCH_ROWS, len(queue)))]
                try:
                    await self._copy_what_can_be(table, batch)
                except BaseException:
                    queue.extendleft(reversed(batch))
                    raise

    async def _copy_what_can_be(self, table: str, batch: Sequence[tuple[Any, ...]]) -> None:
        """A row that PostgreSQL refuses is dropped, found by halving the batch."""
        try:
            await self._copy(table, batch)
        except (asyncpg.PostgresError, ValueError, TypeError) as error:
            if len(batch) == 1:
                self.dropped_rows += 1
                log.error("history: a row of %s is refused and dropped: %s", table, error)
                return
            middle = len(batch) // 2
            await self._copy_what_can_be(table, batch[:middle])
            await self._copy_what_can_be(table, batch[middle:])

    async def _copy(self, table: str, batch: Sequence[tuple[Any, ...]]) -> None:
        try:
            async with self._database.acquire() as connection:
                await connection.copy_records_to_table(
                    table, records=batch, columns=COLUMNS[table], timeout=30
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
                async with self._database.acquire() as connection:
                    await maintain(connection, tuple(COLUMNS), today, self.oldest_day(today))
            except (DatabaseUnavailable, asyncpg.PostgresError) as error:
                log.warning("history partitions: %s; trying again", error)
                pause = RETRY_SECONDS
            await asyncio.sleep(pause)

    def oldest_day(self, today: date) -> date:
        """The oldest day that is kept whole."""
        return today - self._retention

    async def layouts(
        self, stream: str, since_ms: int | None = None, until_ms: int | None = None
    ) -> list[JsonObject]:
        """Layouts of a stream, newest first, at most 1000. Raises ApiError 503."""
        rows = await self._select("layout_event", stream, since_ms, until_ms)
        return [row["layout"] for row in rows]

    async def events(
        self, stream: str, since_ms: int | None = None, until_ms: int | None = None
    ) -> list[JsonObject]:
        """Events of a stream, newest first, at most 1000. Raises ApiError 503."""
        rows = await self._select("stream_event", stream, since_ms, until_ms)
        return [
            {
                **row["detail"],
                "event": row["event"],
                "media": stream,
                "server": row["streamer"],
                "utc_ms": round(row["at"].timestamp() * 1000),
            }
            for row in rows
        ]

    async def _select(
        self, table: str, stream: str, since_ms: int | None, until_ms: int | None
    ) -> Sequence[Any]:
        try:
            await self.flush()
            async with self._database.acquire() as connection:
                rows: Sequence[Any] = await connection.fetch(
                    f"SELECT * FROM {table} WHERE stream = $1 AND at > $2 AND at < $3"
                    f" ORDER BY at DESC LIMIT {PAGE_ROWS}",
                    stream,
                    _moment(since_ms, datetime(1970, 1, 1, tzinfo=UTC)),
                    _moment(until_ms, datetime(9999, 1, 1, tzinfo=UTC)),
                )
        except DatabaseUnavailable as error:
            raise ApiError(503, "history_unavailable", str(error)) from None
        return rows


def _moment(milliseconds: int | None, default: datetime) -> datetime:
    if milliseconds is None:
        return default
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
