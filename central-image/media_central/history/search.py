"""Lists of rows of history: filters, pages, newest first. SQL is made here and nowhere else.

Names of columns come from the tables below, values always as parameters.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from media_api.base import JsonObject
from media_rest.query import QueryError
from media_rest.select import select_fields

from media_central.history.store import MAX_UNIX_MS, History

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
MAX_VALUES = 1000
COUNT_LIMIT = 10_000
"""Rows that are counted; of more `estimated_count` says this."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
OPERATORS = {"_gt": ">", "_gte": ">=", "_lt": "<", "_lte": "<="}


@dataclass(frozen=True, slots=True)
class Listing:
    """How rows of a table are shown. `columns`: API field -> SQL of a text; `time`: API field."""

    table: str
    columns: Mapping[str, str]
    time: str
    shown: Callable[[Mapping[str, Any]], JsonObject]


def milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _event(row: Mapping[str, Any]) -> JsonObject:
    event = {
        **row["body"],
        "event": row["event"],
        "media": row["media"] or None,
        "server": row["server"],
        "event_id": row["event_id"],
        "utc_ms": milliseconds(row["at"]),
    }
    return {key: value for key, value in event.items() if value is not None}


def _audit(row: Mapping[str, Any]) -> JsonObject:
    hidden = ("at", "seq")
    return {
        "utc_ms": milliseconds(row["at"]),
        **{key: value for key, value in row.items() if key not in hidden},
    }


def _session(row: Mapping[str, Any]) -> JsonObject:
    times = {key: milliseconds(row[key]) for key in ("opened_at", "closed_at")}
    rest = {
        key: value
        for key, value in row.items()
        if key not in ("at", "seq", "stream", "streamer", *times) and value is not None
    }
    return {**rest, "name": row["stream"], "server": row["streamer"], **times}


def _layout(row: Mapping[str, Any]) -> JsonObject:
    return {**row["layout"], "name": row["stream"], "utc_ms": milliseconds(row["at"])}


EVENTS = Listing(
    "event",
    {
        "event": "event", "server": "server", "media": "media",
        **{
            name: f"body->>'{name}'"
            for name in (
                "loglevel", "entity_type", "entity_id", "originator", "operation_id", "ip",
                "proto", "id", "country", "user_id", "reason", "trace_id", "type",
            )
        },
    },
    "utc_ms",
    _event,
)  # fmt: skip
AUDIT = Listing(
    "audit",
    {
        name: name
        for name in ("originator", "role", "ip", "method", "path", "entity_type", "entity_id")
    },
    "utc_ms",
    _audit,
)
SESSIONS = Listing(
    "session",
    {
        "name": "stream", "server": "streamer",
        **{name: name for name in ("id", "type", "proto", "ip", "country", "user_agent")},
    },
    "closed_at",
    _session,
)  # fmt: skip
LAYOUTS = Listing(
    "layout_event",
    {
        "name": "stream", "ingest": "layout->>'ingest'", "originator": "layout->>'originator'",
        "change_reason": "layout->>'change_reason'",
    },
    "created_at",
    _layout,
)  # fmt: skip


@dataclass(slots=True)
class _Query:
    where: list[str]
    values: list[Any]

    def value(self, value: Any) -> str:
        self.values.append(value)
        return f"${len(self.values)}"


async def search(
    history: History,
    listing: Listing,
    parameters: Iterable[tuple[str, str]],
    collection: str,
    fixed: Mapping[str, str] | None = None,
) -> JsonObject:
    """A page of rows, newest first, as a collection. `fixed`: filters that the caller does not
    choose. Raises QueryError, ApiError 503."""
    query = _Query([], [])
    for field, value in (fixed or {}).items():
        query.where.append(f"{listing.columns[field]} = {query.value(value)}")
    limit, cursor, selected = DEFAULT_LIMIT, None, None
    for name, text in parameters:
        if name == "limit":
            limit = _limit(text)
        elif name == "cursor":
            cursor = _cursor(text)
        elif name == "select":
            selected = {word.partition(".")[0]: None for word in text.split(",") if word} or None
        elif name == "sort":
            if text not in ("", f"-{listing.time}"):
                raise QueryError(f"rows come by -{listing.time} only", "sort")
        elif name == "q":
            _free_text(query, listing, text)
        elif name not in ("format", "dvr_presence_check"):
            _filter(query, listing, name, text)
    where = " AND ".join(query.where) or "true"
    counted = await history.select(
        f"SELECT count(*) AS found FROM (SELECT 1 FROM {listing.table} WHERE {where}"
        f" LIMIT {COUNT_LIMIT}) AS matching",
        *query.values,
    )
    if cursor is not None:
        query.where.append(f"(at, seq) < ({query.value(cursor[0])}, {query.value(cursor[1])})")
        where = " AND ".join(query.where)
    rows = await history.select(
        f"SELECT * FROM {listing.table} WHERE {where} ORDER BY at DESC, seq DESC LIMIT {limit + 1}",
        *query.values,
    )
    page = rows[:limit]
    items = [listing.shown(row) for row in page]
    if selected is not None:
        items = [select_fields(item, selected) for item in items]
    return {
        collection: items,
        "estimated_count": counted[0]["found"],
        "next": _encoded(page[-1]) if len(rows) > limit else None,
        "prev": None,
    }


def _limit(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not int(text[:9]) > 0:
        raise QueryError("limit must be an integer above 0", "limit")
    return min(int(text[:9]), MAX_LIMIT)


def _cursor(text: str) -> tuple[datetime, int] | None:
    if not text:
        return None
    try:
        padded = text.replace("-", "+").replace("_", "/").replace(" ", "+")
        raw = base64.b64decode(padded + "=" * (-len(padded) % 4), validate=True).decode()
        microseconds, _, seq = raw.partition(":")
        return EPOCH + timedelta(microseconds=int(microseconds)), int(seq)
    except (binascii.Error, ValueError, OverflowError):
        raise QueryError("the cursor is broken: start again without it", "cursor") from None


def _encoded(row: Mapping[str, Any]) -> str:
    microseconds = (row["at"] - EPOCH) // timedelta(microseconds=1)
    return base64.urlsafe_b64encode(f"{microseconds}:{row['seq']}".encode()).decode()


def _free_text(query: _Query, listing: Listing, text: str) -> None:
    if not text:
        return
    literal = re.sub(r"([\\%_])", r"\\\1", _storable(text, "q"))
    pattern = query.value(f"%{literal}%")
    query.where.append(
        "(" + " OR ".join(f"{column} ILIKE {pattern}" for column in listing.columns.values()) + ")"
    )


def _filter(query: _Query, listing: Listing, name: str, text: str) -> None:
    for suffix, operator in OPERATORS.items():
        if name == listing.time + suffix:
            query.where.append(f"at {operator} {query.value(_moment(name, text))}")
            return
    for suffix, form in (("_like", "position({1} IN {0}) > 0"), ("_ne", "{0} <> ALL({1})")):
        field = name.removesuffix(suffix)
        if name.endswith(suffix) and field in listing.columns:
            value: Any = _storable(text, name)
            value = value if suffix == "_like" else value.split(",")
            query.where.append(form.format(listing.columns[field], query.value(value)))
            return
    if name not in listing.columns:
        known = ", ".join(sorted([*listing.columns, listing.time + "_gt", listing.time + "_lt"]))
        raise QueryError(f"there is no filter {name!r}: {known}", name)
    values = _storable(text, name).split(",")
    if len(values) > MAX_VALUES:
        raise QueryError(f"more than {MAX_VALUES} values", name)
    query.where.append(f"{listing.columns[name]} = ANY({query.value(values)})")


def _moment(name: str, text: str) -> datetime:
    if not text.isascii() or not text.isdigit() or len(text) > 14 or int(text) > MAX_UNIX_MS:
        raise QueryError(f"{name} must be Unix milliseconds", name)
    return EPOCH + timedelta(milliseconds=int(text))


def _storable(text: str, name: str) -> str:
    """PostgreSQL refuses U+0000, and nothing that it holds has one."""
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise QueryError("that is no text", name)
    return text
