"""PostgreSQL: a pool that is there even when the server is not, and the schema's migrations.

Invariants:
- Migrations are numbered SQL files, forward only, one transaction each, under an advisory lock, so
  that several Centrals may start at once. An applied file must never change: its checksum is kept
  and compared.
- After the first start nothing here waits for PostgreSQL without a time-out, and a lost server is a
  `DatabaseUnavailable`, never a stuck request.
"""

import asyncio
import contextlib
import hashlib
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from importlib import resources

import asyncpg
from media_rest.redact import redact_url

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_SECONDS = 10.0
ACQUIRE_TIMEOUT_SECONDS = 5.0
COMMAND_TIMEOUT_SECONDS = 30.0
MIGRATION_TIMEOUT_SECONDS = 600.0
_MIGRATION_LOCK = 0x63656E7472616C  # "central": any constant that all Centrals share

LOST_ERRORS = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # it broke within an operation, which seems to go on
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shutting down, starting up
    asyncpg.TooManyConnectionsError,
    asyncpg.ReadOnlySQLTransactionError,  # talking to a replica after a failover
)
"""What says "not now", in contrast to a statement that is wrong."""


class DatabaseUnavailable(Exception):  # noqa: N818 - a state that ends by itself
    """PostgreSQL does not answer. Reads go on from memory, writes must be repeated."""


class MigrationError(Exception):
    """The schema cannot be brought to this release."""


@dataclass(frozen=True, slots=True)
class Migration:
    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def packaged_migrations() -> list[Migration]:
    """The migrations of this release, by number."""
    found = []
    for item in resources.files("media_central").joinpath("migrations").iterdir():
        number, _, name = item.name.removesuffix(".sql").partition("_")
        if item.name.endswith(".sql"):
            found.append(Migration(int(number), name, item.read_text(encoding="utf-8")))
    return sorted(found, key=lambda migration: migration.number)


async def _prepare(connection: asyncpg.Connection) -> None:
    # Binary, because COPY knows no other; the wire form is a version byte and the text.
    await connection.set_type_codec(
        "jsonb",
        encoder=lambda value: b"\x01" + json.dumps(value).encode(),
        decoder=lambda raw: json.loads(raw[1:]),
        schema="pg_catalog",
        format="binary",
    )


def raise_if_cancelled(error: Exception) -> None:
    """For tasks that go on after `error`: whoever is cancelled within a statement may get the
    error of its broken connection in place of the cancellation, and would never end."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError from error


class Database:
    """A pool of connections. `await Database.open(...)`, `acquire()`, `close()`."""

    def __init__(self, pool: asyncpg.Pool, url: str) -> None:
        self._pool = pool
        self._url = url

    @classmethod
    async def open(
        cls, url: str, *, max_connections: int = 40, retries: int = 20, pause: float = 1.0
    ) -> "Database":
        """Connects and migrates. Raises DatabaseUnavailable after `retries` more attempts (each
        logged), MigrationError, or asyncpg.PostgresError for a refused login or database."""
        for attempt in range(retries + 1):
            try:
                pool = await asyncpg.create_pool(
                    url,
                    min_size=1,
                    max_size=max_connections,
                    init=_prepare,
                    timeout=CONNECT_TIMEOUT_SECONDS,
                    command_timeout=COMMAND_TIMEOUT_SECONDS,
                    server_settings={"application_name": "central"},
                )
                break
            except LOST_ERRORS as error:
                where = redact_url(url)
                if attempt == retries:
                    raise DatabaseUnavailable(
                        f"PostgreSQL at {where} does not answer: {error}"
                    ) from error
                log.warning(
                    "PostgreSQL at %s does not answer (%s); attempt %d of %d",
                    where,
                    error,
                    attempt + 1,
                    retries,
                )
                await asyncio.sleep(pause)
        database = cls(pool, url)
        try:
            await database.migrate(packaged_migrations())
        except BaseException:
            await database.close()
            raise
        return database

    @classmethod
    async def late(cls, url: str, *, max_connections: int = 40) -> "Database":
        """A database that need not be there yet: nothing is connected, and nothing migrated."""
        pool = await asyncpg.create_pool(
            url,
            min_size=0,
            max_size=max_connections,
            init=_prepare,
            timeout=CONNECT_TIMEOUT_SECONDS,
            command_timeout=COMMAND_TIMEOUT_SECONDS,
            server_settings={"application_name": "central"},
        )
        return cls(pool, url)

    async def close(self) -> None:
        """Waits for running statements, at most 10 s."""
        try:
            async with asyncio.timeout(10):
                await self._pool.close()
        except LOST_ERRORS:
            self._pool.terminate()

    @contextlib.asynccontextmanager
    async def acquire(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection of the pool; a lost server becomes DatabaseUnavailable.

        What has been done with it is done, whether or not the pool can have it back: one that is
        lost by then is let go.
        """
        try:
            connection = await self._pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS)
            try:
                yield connection
            finally:
                with contextlib.suppress(*LOST_ERRORS):
                    await self._pool.release(connection)
        except LOST_ERRORS as error:
            raise DatabaseUnavailable(f"PostgreSQL does not answer: {error}") from error

    async def listen_connection(self) -> asyncpg.Connection:
        """A connection of its own, outside the pool, for LISTEN. The caller closes it."""
        try:
            connection = await asyncpg.connect(
                self._url,
                timeout=CONNECT_TIMEOUT_SECONDS,
                command_timeout=COMMAND_TIMEOUT_SECONDS,
                server_settings={"application_name": "central-listen"},
            )
        except LOST_ERRORS as error:
            raise DatabaseUnavailable(f"PostgreSQL does not answer: {error}") from error
        await _prepare(connection)
        return connection

    async def migrate(self, migrations: list[Migration]) -> None:
        """Applies what is missing. Raises MigrationError for a changed or an unknown file."""
        async with self.acquire() as connection:
            await connection.execute(
                "SELECT pg_advisory_lock($1)", _MIGRATION_LOCK, timeout=MIGRATION_TIMEOUT_SECONDS
            )
            try:
                await self._migrate_locked(connection, migrations)
            finally:
                await connection.execute("SELECT pg_advisory_unlock($1)", _MIGRATION_LOCK)

    async def _migrate_locked(
        self, connection: asyncpg.Connection, migrations: list[Migration]
    ) -> None:
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_migration (number integer PRIMARY KEY,"
            " name text NOT NULL, checksum text NOT NULL,"
            " applied_at timestamptz NOT NULL DEFAULT now())"
        )
        rows = await connection.fetch("SELECT number, checksum FROM schema_migration")
        applied: dict[int, str] = {row["number"]: row["checksum"] for row in rows}
        _check_applied(applied, migrations)
        for migration in migrations:
            if migration.number in applied:
                continue
            async with connection.transaction():
                await connection.execute(migration.sql, timeout=MIGRATION_TIMEOUT_SECONDS)
                await connection.execute(
                    "INSERT INTO schema_migration (number, name, checksum) VALUES ($1, $2, $3)",
                    migration.number,
                    migration.name,
                    migration.checksum,
                )
            log.info("database schema: applied %04d %s", migration.number, migration.name)


def _check_applied(applied: dict[int, str], migrations: list[Migration]) -> None:
    known = {migration.number: migration for migration in migrations}
    newer = sorted(set(applied) - set(known))
    if newer:
        raise MigrationError(
            f"the database has the schema of a newer Central (migration {newer[-1]:04d}):"
            " start that release, or restore a backup made before the upgrade"
        )
    for number, checksum in applied.items():
        if known[number].checksum != checksum:
            raise MigrationError(
                f"migration {number:04d}_{known[number].name}.sql differs from the one that made"
                " this database: an applied migration must not be edited"
            )


def affected_rows(tag: str) -> int:
    """Rows of a command tag such as `DELETE 3`."""
    last = tag.rsplit(" ", 1)[-1]
    return int(last) if last.isdigit() else 0
