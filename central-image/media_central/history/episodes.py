"""Episodes in PostgreSQL: saved at once, read from there.

They say which stretches of archives must not be deleted, so an answer is whole or it is an error:
what cannot be read now is never taken for nothing.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import asyncpg
from media_api.base import JsonObject

from media_central.db import Database, DatabaseUnavailable, affected_rows
from media_central.history.search import EPOCH, Listing, milliseconds

TIMES = ("opened_at", "updated_at", "closed_at")
MAX_KEPT = 100_000
"""Episodes in one answer to a streamer; there are pages."""


def _episode(row: Any) -> JsonObject:
    body: JsonObject = dict(row["body"])
    times = {key: milliseconds(row[key]) for key in TIMES if row[key] is not None}
    return {
        "episode_id": row["episode_id"],
        "media": row["media"],
        "episode_type": row["episode_type"],
        **body,
        **times,
    }


LISTING = Listing(
    # Lists are newest first by the last sign of an episode.
    "(SELECT *, updated_at AS at, episode_id AS seq FROM episode) AS episodes",
    {"media": "media", "episode_type": "episode_type", "episode_id": "episode_id::text"},
    "updated_at",
    _episode,
)


class ClosedAtError(ValueError):
    """`closed_at` is said once and never changes."""


class Episodes:
    """All methods raise DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.changed = asyncio.Event()
        """Set and replaced at each change here, for those who wait."""

    async def get(self, episode_id: int) -> JsonObject | None:
        async with self._database.acquire() as connection:
            row = await connection.fetchrow(
                "SELECT * FROM episode WHERE episode_id = $1", episode_id
            )
        return _episode(row) if row is not None else None

    async def save(self, episode_id: int, merge: "Merge") -> JsonObject:
        """`merge`: what is there, or None, to the whole new episode. Raises ClosedAtError and what
        `merge` raises."""
        async with self._database.acquire() as connection, connection.transaction():
            # Two that make the same episode at once must both be merged.
            await connection.execute("SELECT pg_advisory_xact_lock($1)", episode_id)
            row = await connection.fetchrow(
                "SELECT * FROM episode WHERE episode_id = $1", episode_id
            )
            before = _episode(row) if row is not None else None
            after = merge(before)
            closed = before.get("closed_at") if before else None
            if closed is not None and after.get("closed_at") != closed:
                raise ClosedAtError("closed_at was said already and never changes")
            columns = ("episode_id", "media", "episode_type", *TIMES)
            body = {key: value for key, value in after.items() if key not in columns}
            times = [_moment(after.get(key)) for key in TIMES]
            row = await connection.fetchrow(
                "INSERT INTO episode (episode_id, media, episode_type, opened_at, updated_at,"
                " closed_at, body) VALUES ($1, $2, $3, $4, $5, $6, $7)"
                " ON CONFLICT (episode_id) DO UPDATE SET media = excluded.media,"
                " episode_type = excluded.episode_type, opened_at = excluded.opened_at,"
                " updated_at = excluded.updated_at, closed_at = excluded.closed_at,"
                " body = excluded.body RETURNING *",
                episode_id,
                after["media"],
                after["episode_type"],
                *times,
                body,
            )
        self._tell()
        return _episode(row)

    async def delete(self, episode_id: int) -> bool:
        async with self._database.acquire() as connection:
            tag = await connection.execute("DELETE FROM episode WHERE episode_id = $1", episode_id)
        return affected_rows(tag) > 0

    async def kept(
        self, media: Sequence[str], opened_before: int | None, closed_after: int | None
    ) -> list[JsonObject]:
        """Episodes of these streams that touch a span, oldest first. Times are Unix ms.

        One that is not closed lasts until its last sign.
        """
        async with self._database.acquire() as connection:
            rows = await connection.fetch(
                "SELECT episode_id, media, opened_at, updated_at, closed_at FROM episode"
                " WHERE media = ANY($1) AND ($2::timestamptz IS NULL OR opened_at < $2)"
                " AND ($3::timestamptz IS NULL OR coalesce(closed_at, updated_at) > $3)"
                f" ORDER BY opened_at, episode_id LIMIT {MAX_KEPT}",
                list(media),
                _moment(opened_before),
                _moment(closed_after),
            )
        return [
            {
                "episode_id": row["episode_id"],
                "media": row["media"],
                **{key: milliseconds(row[key]) for key in TIMES if row[key] is not None},
            }
            for row in rows
        ]

    async def expire(self, seconds: dict[str, int]) -> int:
        """Deletes what is older than its stream says (stream -> seconds). Returns how many."""
        async with self._database.acquire() as connection:
            tag = await connection.execute(
                "DELETE FROM episode USING unnest($1::text[], $2::float8[]) AS limits (media, age)"
                " WHERE episode.media = limits.media AND coalesce(closed_at, updated_at)"
                " < now() - make_interval(secs => limits.age)",
                list(seconds),
                [float(value) for value in seconds.values()],
            )
        return affected_rows(tag)

    def _tell(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


def _moment(value: int | None) -> datetime | None:
    return None if value is None else datetime.fromtimestamp(value / 1000, UTC)


Merge = Any
"""Callable[[JsonObject | None], JsonObject]"""
UNAVAILABLE = (DatabaseUnavailable, asyncpg.PostgresError)
assert EPOCH.tzinfo is UTC
