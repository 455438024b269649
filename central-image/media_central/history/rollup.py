"""Figures of hours from those of minutes, of days from those of hours. SQL only.

Once an hour the last hours and days are made again, because rows may come late: while PostgreSQL
was away they waited in Central. What is older stays as it was made, so that minutes can be dropped
and hours remain. What has not ended yet is read from the finer figures (`graph.py`). One Central
does this at a time.
"""

from datetime import UTC, datetime, timedelta

import asyncpg

from media_central.history.tables import Retention

LATE_HOURS = 6
"""Rows wait at most for a full queue, and minutes of the last hours are there anyway."""
LATE_DAYS = 2
_LOCK = 0x726F6C6C  # "roll"
_STREAM_VALUES = (
    "samples, bitrate_kbit, bitrate_max, clients_avg, clients_max, bytes_in, bytes_out, alive"
)
_STREAMER_VALUES = (
    "samples, online, cpu, memory, streams, clients, clients_max, input_kbit, output_kbit"
)


def _upsert(columns: str, values: str) -> str:
    names = [name.strip() for name in values.split(",")]
    return f" ON CONFLICT ({columns}) DO UPDATE SET " + ", ".join(
        f"{name} = excluded.{name}" for name in names
    )


STREAM_HOURS = (
    f"INSERT INTO stream_hour (at, stream, streamer, {_STREAM_VALUES})"
    " SELECT date_trunc('hour', at, 'UTC') AS hour, stream, streamer, count(*),"
    " avg(bitrate_kbit), max(bitrate_kbit), avg(clients_avg), max(clients_max),"
    " sum(bytes_in), sum(bytes_out), avg(alive)"
    " FROM stream_sample WHERE at >= $1 AND at < $2 GROUP BY hour, stream, streamer"
    + _upsert("stream, at, streamer", _STREAM_VALUES)
)
STREAM_DAYS = (
    f"INSERT INTO stream_day (at, stream, streamer, {_STREAM_VALUES})"
    " SELECT date_trunc('day', at, 'UTC') AS day, stream, streamer, sum(samples),"
    " sum(bitrate_kbit * samples) / sum(samples), max(bitrate_max),"
    " sum(clients_avg * samples) / sum(samples), max(clients_max), sum(bytes_in), sum(bytes_out),"
    " sum(alive * samples) / sum(samples)"
    " FROM stream_hour WHERE at >= $1 AND at < $2 GROUP BY day, stream, streamer"
    + _upsert("stream, at, streamer", _STREAM_VALUES)
)
STREAMER_HOURS = (
    f"INSERT INTO streamer_hour (at, streamer, {_STREAMER_VALUES})"
    " SELECT date_trunc('hour', at, 'UTC') AS hour, streamer, count(*), avg(online), avg(cpu),"
    " avg(memory), avg(streams), avg(clients), max(clients_max), avg(input_kbit), avg(output_kbit)"
    " FROM streamer_sample WHERE at >= $1 AND at < $2 GROUP BY hour, streamer"
    + _upsert("streamer, at", _STREAMER_VALUES)
)
STREAMER_DAYS = (
    f"INSERT INTO streamer_day (at, streamer, {_STREAMER_VALUES})"
    " SELECT date_trunc('day', at, 'UTC') AS day, streamer, sum(samples),"
    + ", ".join(
        f" sum({name} * samples) / sum(samples)"
        for name in ("online", "cpu", "memory", "streams", "clients")
    )
    + ", max(clients_max),"
    " sum(input_kbit * samples) / sum(samples), sum(output_kbit * samples) / sum(samples)"
    " FROM streamer_hour WHERE at >= $1 AND at < $2 GROUP BY day, streamer"
    + _upsert("streamer, at", _STREAMER_VALUES)
)
SESSION_DAYS = (
    "INSERT INTO session_day (at, stream, type, proto, country, sessions, seconds, bytes)"
    " SELECT date_trunc('day', at, 'UTC') AS day, stream, type, coalesce(proto, ''),"
    " coalesce(country, ''), count(*),"
    " sum(greatest(0, extract(epoch FROM closed_at - opened_at))), sum(bytes)"
    " FROM session WHERE at >= $1 AND at < $2 GROUP BY 1, 2, 3, 4, 5"
    + _upsert("stream, at, type, proto, country", "sessions, seconds, bytes")
)
_MARK = "SELECT value FROM central_state WHERE name = 'rolled_up'"
_SET_MARK = (
    "INSERT INTO central_state (name, value) VALUES ('rolled_up', $1)"
    " ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)
_DAILY = ("stream_day", "streamer_day", "session_day", "streamer_hour")


async def roll_up(connection: asyncpg.Connection, retention: Retention, now: datetime) -> bool:
    """Makes the hours and days that have ended, if that was not done yet; drops what is too old of
    the tables without partitions. Returns whether anything was done."""
    if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
        return False  # another Central is at it
    try:
        hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        mark = await connection.fetchval(_MARK)
        if mark == hour.isoformat():
            return False
        # The first time, or after a long sleep, everything that is there is due.
        done = datetime.fromisoformat(mark) if mark else hour - timedelta(days=retention.rows)
        since = min(done, hour - timedelta(hours=LATE_HOURS))
        for sql in (STREAM_HOURS, STREAMER_HOURS):
            await connection.execute(sql, since, hour, timeout=300)
        day = hour.replace(hour=0)
        for sql in (STREAM_DAYS, STREAMER_DAYS, SESSION_DAYS):
            first = min(since.replace(hour=0), day - timedelta(days=LATE_DAYS))
            await connection.execute(sql, first, day, timeout=300)
        for table in _DAILY:
            oldest = day - timedelta(days=retention.days(table))
            await connection.execute(f"DELETE FROM {table} WHERE at < $1", oldest, timeout=300)
        await connection.execute(_SET_MARK, hour.isoformat())
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)
    return True
