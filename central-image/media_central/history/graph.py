"""Figures over time: which table answers a span, and in which steps. Pure but for `History`.

A point is the figures of one step. Hours and days that have not ended are taken from the finer
tables, so a graph ends now whatever its step is.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from media_api.base import JsonObject

from media_central.history.store import History

Level = Literal["minute", "hour", "day"]
MAX_POINTS = 2000
DEFAULT_POINTS = 300
MINUTES_SPAN = timedelta(hours=12)
"""A longer span is answered from hours: 720 rows of a stream in place of one."""
HOURS_SPAN = timedelta(days=45)


@dataclass(frozen=True, slots=True)
class Span:
    """`since` to `until` in steps of `step`; `level`: the coarsest figures that serve it."""

    since: datetime
    until: datetime
    step: timedelta
    level: Level


def span_of(since: datetime, until: datetime, points: int, minutes_from: datetime) -> Span:
    """The steps of a graph with about so many points. `minutes_from`: older minutes are dropped.

    Raises ValueError for a span that is none.
    """
    if until <= since:
        raise ValueError("the span must end after its begin")
    length = until - since
    level: Level = "minute"
    if length > HOURS_SPAN:
        level = "day"
    elif length > MINUTES_SPAN or since < minutes_from:
        level = "hour"
    unit = {
        "minute": timedelta(minutes=1),
        "hour": timedelta(hours=1),
        "day": timedelta(days=1),
    }[level]
    steps = max(1, -(-length // (unit * max(1, min(points, MAX_POINTS)))))
    step = unit * steps
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return Span(since - (since - epoch) % step, until, step, level)


_STREAM = (
    "at, samples, bitrate_kbit, bitrate_max, clients_avg, clients_max, bytes_in, bytes_out, alive"
)
_STREAM_MINUTES = (
    "at, 1 AS samples, bitrate_kbit::real, bitrate_kbit AS bitrate_max, clients_avg, clients_max,"
    " bytes_in, bytes_out, alive"
)
_STREAMER = (
    "at, samples, online, cpu, memory, streams, clients, clients_max, input_kbit, output_kbit"
)
_STREAMER_MINUTES = _STREAMER.replace("samples", "1 AS samples")


def _levels(kind: str, level: Level, columns: str, minutes: str, whose: str) -> str:
    """Rows from $2 to $3, each from the coarsest table that has it already.

    `whose`: condition with $1; $5, $6: begin of this day and of this hour.
    """
    where = f"{whose} AND at >= $2 AND at < $3"
    parts = []
    if level == "day":
        parts.append(f"SELECT {columns} FROM {kind}_day WHERE {where} AND at < $5")
    if level in ("day", "hour"):
        begin = " AND at >= $5" if level == "day" else ""
        parts.append(f"SELECT {columns} FROM {kind}_hour WHERE {where}{begin} AND at < $6")
    begin = " AND at >= $6" if level != "minute" else ""
    # Every parameter must be named, or PostgreSQL does not know its type.
    typed = " AND $5::timestamptz <= $6::timestamptz"
    parts.append(f"SELECT {minutes} FROM {kind}_sample WHERE {where}{begin}{typed}")
    return " UNION ALL ".join(parts)


def stream_sql(level: Level) -> str:
    """Figures of a stream, on whichever streamers it ran."""
    rows = _levels("stream", level, _STREAM, _STREAM_MINUTES, "stream = $1")
    return (
        "SELECT date_bin($4, at, $2) AS bin,"
        " sum(bitrate_kbit * samples) / sum(samples) AS bitrate, max(bitrate_max) AS bitrate_max,"
        " sum(clients_avg * samples) / sum(samples) AS clients, max(clients_max) AS clients_max,"
        " sum(bytes_in)::bigint AS bytes_in, sum(bytes_out)::bigint AS bytes_out,"
        " sum(alive * samples) / sum(samples) AS alive"
        f" FROM ({rows}) AS figures GROUP BY bin ORDER BY bin"
    )


def streamer_sql(level: Level) -> str:
    """Figures of a streamer."""
    rows = _levels("streamer", level, _STREAMER, _STREAMER_MINUTES, "streamer = $1")
    means = ", ".join(
        f"sum({name} * samples) / sum(samples) AS {name}"
        for name in ("online", "cpu", "memory", "streams", "clients", "input_kbit", "output_kbit")
    )
    return (
        f"SELECT date_bin($4, at, $2) AS bin, {means}, max(clients_max) AS clients_max"
        f" FROM ({rows}) AS figures GROUP BY bin ORDER BY bin"
    )


def cluster_sql(level: Level) -> str:
    """Figures of all streamers together; $1 is not looked at."""
    columns, minutes = f"streamer, {_STREAMER}", f"streamer, {_STREAMER_MINUTES}"
    rows = _levels("streamer", level, columns, minutes, "$1::text IS NOT NULL")
    each = ", ".join(
        f"sum({name} * samples) / sum(samples) AS {name}"
        for name in ("online", "streams", "clients", "input_kbit", "output_kbit")
    )
    sums = ", ".join(
        f"sum({name}) AS {name}"
        for name in ("online", "streams", "clients", "input_kbit", "output_kbit")
    )
    return (
        f"SELECT bin, {sums}, sum(clients_max) AS clients_max FROM (SELECT date_bin($4, at, $2)"
        f" AS bin, streamer, {each}, max(clients_max) AS clients_max FROM ({rows}) AS figures"
        " GROUP BY bin, streamer) AS each GROUP BY bin ORDER BY bin"
    )


_SQL = {"stream": stream_sql, "streamer": streamer_sql, "cluster": cluster_sql}
Kind = Literal["stream", "streamer", "cluster"]


async def points(history: History, kind: Kind, name: str, span: Span) -> list[JsonObject]:
    """The figures of each step that has any. Raises ApiError 503."""
    now = datetime.now(UTC)
    hour = now.replace(minute=0, second=0, microsecond=0)
    rows = await history.select(
        _SQL[kind](span.level), name, span.since, span.until, span.step, hour.replace(hour=0), hour
    )
    return [
        {
            "at": round(row["bin"].timestamp() * 1000),
            **{key: _short(value) for key, value in row.items() if key != "bin"},
        }
        for row in rows
    ]


def _short(value: float | int | None) -> float | int | None:
    return round(value, 3) if isinstance(value, float) else value
