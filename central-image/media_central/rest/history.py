"""`/history`: figures over time as JSON or CSV, and lists of what was."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from aiohttp import web
from media_api.base import JsonObject
from media_api.status import SessionInfo
from media_rest.csv_table import CONTENT_TYPE, attachment, csv_table, wants_csv
from media_rest.query import QueryError
from media_rest.route import Route

from media_central.history.graph import (
    DEFAULT_POINTS,
    MAX_POINTS,
    Kind,
    Span,
    points,
    span_of,
)
from media_central.history.search import LAYOUTS, SESSIONS, search
from media_central.history.store import MAX_UNIX_MS
from media_central.models.history import ClusterGraph, SessionTotals, StreamerGraph, StreamGraph
from media_central.models.layouts import StreamLayout
from media_central.rest.answers import json_answer
from media_central.rest.context import Context, context

DEFAULT_SPAN = timedelta(days=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_TOTALS = 10_000


async def stream_graph(request: web.Request) -> web.StreamResponse:
    return await _graph(request, "stream", request.match_info["name"])


async def streamer_graph(request: web.Request) -> web.StreamResponse:
    return await _graph(request, "streamer", request.match_info["hostname"])


async def cluster_graph(request: web.Request) -> web.StreamResponse:
    return await _graph(request, "cluster", "")


async def _graph(request: web.Request, kind: Kind, name: str) -> web.StreamResponse:
    ctx = context(request)
    if "\0" in name or any("\ud800" <= letter <= "\udfff" for letter in name):
        raise QueryError("that is no name", "name")
    span = _span(ctx, request)
    found = await points(ctx.history, kind, name, span)
    if _wants_csv(request):
        return _csv(found, f"{kind}-{name or 'all'}.csv")
    return json_answer(
        {
            **({"name": name} if name else {}),
            "from": _ms(span.since),
            "to": _ms(span.until),
            "step": span.step // timedelta(milliseconds=1),
            "points": found,
        }
    )


def _span(ctx: Context, request: web.Request) -> Span:
    """Raises QueryError."""
    until = _moment(request, "to") or datetime.now(UTC)
    since = _moment(request, "from") or until - DEFAULT_SPAN
    text = request.query.get("points", str(DEFAULT_POINTS))
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:9]) <= MAX_POINTS:
        raise QueryError(f"points must be 1 to {MAX_POINTS}", "points")
    minutes_from = datetime.now(UTC) - timedelta(days=ctx.settings.history_retention_days)
    try:
        return span_of(since, until, int(text), minutes_from)
    except (ValueError, OverflowError) as error:
        raise QueryError(str(error), "from") from None


def _moment(request: web.Request, parameter: str) -> datetime | None:
    text = request.query.get(parameter)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 14 or int(text) > MAX_UNIX_MS:
        raise QueryError(f"{parameter} must be Unix milliseconds", parameter)
    return EPOCH + timedelta(milliseconds=int(text))


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _wants_csv(request: web.Request) -> bool:
    return wants_csv(request.query, request.headers.get("Accept", ""))


def _csv(rows: Iterable[JsonObject], name: str) -> web.Response:
    return web.Response(
        body=csv_table(rows),
        content_type=CONTENT_TYPE,
        charset="utf-8",
        headers=attachment(name),
    )


async def list_sessions(request: web.Request) -> web.StreamResponse:
    """Sessions that have ended, newest first."""
    query = [(key, value) for key, value in request.query.items() if key != "format"]
    found = await search(context(request).history, SESSIONS, query, "sessions")
    return _csv(found["sessions"], "sessions.csv") if _wants_csv(request) else json_answer(found)


async def list_placements(request: web.Request) -> web.StreamResponse:
    """Where streams ran, newest first."""
    query = [(key, value) for key, value in request.query.items() if key != "format"]
    found = await search(context(request).history, LAYOUTS, query, "layouts")
    return _csv(found["layouts"], "placements.csv") if _wants_csv(request) else json_answer(found)


async def session_totals(request: web.Request) -> web.StreamResponse:
    """Sessions of each day by stream, protocol and country."""
    until = _moment(request, "to") or datetime.now(UTC)
    since = _moment(request, "from") or until - timedelta(days=30)
    names = [word for word in request.query.get("name", "").split(",") if word and "\0" not in word]
    rows = await context(request).history.select(
        "SELECT * FROM session_day WHERE at >= $1 AND at < $2"
        " AND ($3::text[] = '{}' OR stream = ANY($3)) ORDER BY at, stream, type, proto, country"
        f" LIMIT {MAX_TOTALS}",
        since,
        until,
        [name.encode(errors="replace").decode() for name in names],
    )
    found = [
        {
            "at": _ms(row["at"]),
            "name": row["stream"],
            **{key: value for key, value in row.items() if key not in ("at", "stream")},
        }
        for row in rows
    ]
    if _wants_csv(request):
        return _csv(found, "sessions-by-day.csv")
    return json_answer({"totals": found, "estimated_count": len(found)})


_SPAN = {
    "from": "begin, Unix ms; default a day before the end", "to": "end, Unix ms; default now",
    "points": f"about so many points, 1 to {MAX_POINTS}", "format": "csv",
}  # fmt: skip
ROUTES = (
    Route(
        "GET", "/history/streams/{name}", stream_graph, "Figures of a stream over time",
        operation="history_stream_get", response=StreamGraph, query=_SPAN,
    ),
    Route(
        "GET", "/history/streamers/{hostname}", streamer_graph, "Figures of a streamer over time",
        operation="history_streamer_get", response=StreamerGraph, query=_SPAN,
    ),
    Route(
        "GET", "/history/cluster", cluster_graph, "Figures of all streamers over time",
        operation="history_cluster_get", response=ClusterGraph, query=_SPAN,
    ),
    Route(
        "GET", "/history/sessions", list_sessions, "Sessions that have ended, newest first",
        operation="history_sessions_list", response=SessionInfo, collection="sessions",
        query={"format": "csv"},
    ),
    Route(
        "GET", "/history/sessions/days", session_totals, "Sessions by day, protocol and country",
        operation="history_session_days_list", response=SessionTotals, collection="totals",
        query={"name": "of these streams", **_SPAN},
    ),
    Route(
        "GET", "/history/placements", list_placements, "Where streams ran, newest first",
        operation="history_placements_list", response=StreamLayout, collection="layouts",
        query={"format": "csv"},
    ),
)  # fmt: skip
