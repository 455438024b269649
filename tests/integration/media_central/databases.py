"""One database for test after test: to make one and bring the schema into it costs as much CPU time
as what most tests do with it.

Invariant: who is lent one finds what the migrations made, and no row, as in a new database.
"""

import asyncpg
from media_central.db import Database
from media_central.embedded import EmbeddedPostgres

_TABLES = "SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'public'::regnamespace"
_SEQUENCES = f"{_TABLES} AND relkind = 'S'"
_TABLES += " AND relkind IN ('r', 'p')"
_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
_KEPT = "schema_migration"


def url_of(server: EmbeddedPostgres, name: str) -> str:
    return server.url.replace("/central?", f"/{name}?")


class Databases:
    """Of one server."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self._server = server
        self._made = 0
        self._tables: set[str] = set()
        """That the migrations make."""
        self._free = ""

    async def take(self) -> str:
        """Name of one that nobody else uses."""
        name, self._free = self._free, ""
        return name or await self._make()

    async def give_back(self, name: str) -> None:
        """Without its rows and whoever is connected to it; it is dropped if tables are missing."""
        connection = await asyncpg.connect(url_of(self._server, name))
        try:
            await connection.execute(_OTHERS)
            found = {row[0] for row in await connection.fetch(_TABLES)}
            if is_whole := found >= self._tables:
                await self._clear(connection, found)
        finally:
            await connection.close()
        if is_whole and not self._free:
            self._free = name
        else:
            await self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    async def _clear(self, connection: asyncpg.Connection, found: set[str]) -> None:
        steps = ["SET session_replication_role = replica"]  # nobody is told
        if more := found - self._tables:  # partitions of days
            steps.append(f"DROP TABLE {', '.join(sorted(more))}")
        steps += [f"DELETE FROM {name}" for name in sorted(self._tables - {_KEPT})]
        for row in await connection.fetch(_SEQUENCES):
            steps.append(f"ALTER SEQUENCE {row[0]} RESTART")
        await connection.execute(";".join(steps))

    async def _make(self) -> str:
        self._made += 1
        name = f"lent_{self._made}"
        await self._execute(f"CREATE DATABASE {name}")
        opened = await Database.open(url_of(self._server, name), max_connections=1, retries=0)
        try:
            async with opened.acquire() as connection:
                self._tables = {row[0] for row in await connection.fetch(_TABLES)}
                for table in self._tables - {_KEPT}:
                    assert not await connection.fetchval(f"SELECT count(*) FROM {table}"), table
        finally:
            await opened.close()
        return name

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self._server.url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()
