"""A partition a day and table: made ahead, dropped when old. Dropping a table costs nothing, where
DELETE would write every row once more and leave the space for vacuum."""

import re
from collections.abc import Mapping
from datetime import date, timedelta

import asyncpg

DAYS_AHEAD = 3
_LOCK = 0x686973746F7279  # "history": one Central does this at a time
_NAME = re.compile(r"(?P<table>[a-z_]+)_(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)")


def partition_name(table: str, day: date) -> str:
    """`stream_event_20261121`."""
    return f"{table}_{day:%Y%m%d}"


def day_of(name: str) -> date | None:
    """The day of a partition's name, None for others."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    try:
        return date(int(match["year"]), int(match["month"]), int(match["day"]))
    except ValueError:
        return None


async def maintain(connection: asyncpg.Connection, oldest: Mapping[str, date], today: date) -> None:
    """Makes the partitions of today and DAYS_AHEAD days more; `oldest`: the oldest day that each
    table keeps, those before are dropped."""
    if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
        return  # another Central is at it
    try:
        for table, first in oldest.items():
            existing = await _partitions(connection, table)
            for ahead in range(DAYS_AHEAD + 1):
                day = today + timedelta(days=ahead)
                if partition_name(table, day) not in existing:
                    await _create(connection, table, day)
            for name in existing:
                day_made = day_of(name)
                if day_made is not None and day_made < first:
                    await connection.execute(f"DROP TABLE {name}")
            await connection.execute(f"DELETE FROM {table}_default WHERE at < $1::date", first)
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)


async def _partitions(connection: asyncpg.Connection, table: str) -> set[str]:
    rows = await connection.fetch(
        "SELECT child.relname FROM pg_inherits"
        " JOIN pg_class child ON child.oid = inhrelid"
        " WHERE inhparent = to_regclass($1)",
        table,
    )
    return {row["relname"] for row in rows}


async def _create(connection: asyncpg.Connection, table: str, day: date) -> None:
    """Rows of that day which went to the default partition meanwhile are moved over."""
    start, end = f"{day} 00:00:00+00", f"{day + timedelta(days=1)} 00:00:00+00"
    span = f"at >= '{start}' AND at < '{end}'"
    name = partition_name(table, day)
    async with connection.transaction():
        # Else a row may come between the two steps, and the partition is refused.
        await connection.execute(f"LOCK TABLE {table}_default IN ACCESS EXCLUSIVE MODE")
        await connection.execute(f"CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS)")
        await connection.execute(
            f"WITH moved AS (DELETE FROM {table}_default WHERE {span} RETURNING *)"
            f" INSERT INTO {name} SELECT * FROM moved"
        )
        await connection.execute(
            f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ('{start}') TO ('{end}')"
        )
