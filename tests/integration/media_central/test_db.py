import asyncio

import asyncpg
import pytest
from media_central.db import (
    Database,
    DatabaseUnavailable,
    Migration,
    MigrationError,
    packaged_migrations,
)


def test_migrations_are_numbered_without_a_gap():
    numbers = [migration.number for migration in packaged_migrations()]
    assert numbers == list(range(1, len(numbers) + 1))


async def test_several_centrals_may_start_at_once(new_database_url):
    opened = await asyncio.gather(
        *(Database.open(new_database_url, max_connections=2, retries=0) for _ in range(4))
    )
    async with opened[0].acquire() as connection:
        count = await connection.fetchval("SELECT count(*) FROM schema_migration")
    assert count == len(packaged_migrations())
    for database in opened:
        await database.close()


async def test_an_edited_migration_is_refused(database):
    first, *rest = packaged_migrations()
    edited = Migration(first.number, first.name, first.sql + "-- edited")
    with pytest.raises(MigrationError, match="must not be edited"):
        await database.migrate([edited, *rest])


async def test_a_schema_of_a_newer_release_is_refused(database):
    with pytest.raises(MigrationError, match="newer Central"):
        await database.migrate(packaged_migrations()[:-1])


async def test_a_failed_migration_leaves_nothing(database):
    number = len(packaged_migrations()) + 1
    broken = Migration(number, "broken", "CREATE TABLE half (); SELECT 1/0")
    with pytest.raises(asyncpg.PostgresError):
        await database.migrate([*packaged_migrations(), broken])
    async with database.acquire() as connection:
        assert await connection.fetchval("SELECT to_regclass('half')") is None
    await database.migrate(packaged_migrations())


async def test_an_absent_server_is_told_without_the_password(free_port):
    url = f"postgres://central:hidden@127.0.0.1:{free_port()}/x"
    with pytest.raises(DatabaseUnavailable) as caught:
        await Database.open(url, retries=1, pause=0.01)
    assert "hidden" not in str(caught.value)
