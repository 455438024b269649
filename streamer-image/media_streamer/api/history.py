"""`/history`: figures over time for graphs, as Central answers them for all its streamers."""

import asyncio
import time

from aiohttp import web
from media_api.graphs import ServerHistory, StreamHistory
from media_api.status import EndedSession
from media_rest.csv_table import CONTENT_TYPE, attachment, csv_table, wants_csv
from media_rest.errors import ApiError, not_found
from media_rest.query import parse_query, run_query
from media_rest.redact import redact

from media_streamer.api.answers import JsonObject, json_answer
from media_streamer.api.guard import reads_only
from media_streamer.api.route import Route, server_of
from media_streamer.pulse.points import Kind
from media_streamer.pulse.span import DEFAULT_POINTS, MAX_POINTS, MAX_UNIX, Span, span_of
from media_streamer.supervisor.pulse import HistoryUnavailable
from media_streamer.supervisor.session_log import SessionLogUnavailable

DEFAULT_SECONDS = 86_400
MAX_DIGITS = 14


async def stream_history(request: web.Request) -> web.Response:
    server, name = server_of(request), request.match_info["name"]
    span = _span(request)
    if server.streams.get(name) is None and not await server.history.knows(name):
        raise not_found("stream", name)
    return _answer(request, {"name": name, **await _graph(request, "stream", name, span)})


async def server_history(request: web.Request) -> web.Response:
    return _answer(request, await _graph(request, "server", "", _span(request)))


def _answer(request: web.Request, graph: JsonObject) -> web.Response:
    """As CSV, if that is asked for."""
    if not wants_csv(request.query, request.headers.get("Accept", "")):
        return json_answer(graph)
    return web.Response(
        body=csv_table(graph["points"]),
        content_type=CONTENT_TYPE,
        charset="utf-8",
        headers=attachment(f"{graph.get('name', 'server')}.csv"),
    )


async def _graph(request: web.Request, kind: Kind, name: str, span: Span) -> JsonObject:
    history = server_of(request).history
    try:
        points = await history.points(kind, name, span)
    except HistoryUnavailable as error:
        status, code = (503, "unavailable") if history.is_kept else (404, "no_history")
        raise ApiError(status, code, str(error)) from None
    return {
        "from": span.since * 1000,
        "to": span.until * 1000,
        "step": span.step * 1000,
        "points": points,
    }


async def ended_sessions(request: web.Request) -> web.Response:
    """Sessions that have ended, the newest first."""
    ended = server_of(request).ended
    query = parse_query(request.query.items(), EndedSession, own_params={"from", "to"})
    now = int(time.time() * 1000)
    until = _seconds(request, "to")
    until_ms = now + 1000 if until is None else until * 1000
    since = _seconds(request, "from")
    since_ms = max(0, until_ms - DEFAULT_SECONDS * 1000) if since is None else since * 1000
    if not since_ms < until_ms <= MAX_UNIX * 1000:
        title = "the time must end after its begin"
        raise ApiError(400, "bad_query", title, parameter="from")
    try:
        found, complete = await ended.search(since_ms, until_ms, query.accepts)
    except SessionLogUnavailable as error:
        status, code = (503, "unavailable") if ended.is_kept else (404, "no_session_log")
        raise ApiError(status, code, str(error)) from None
    if reads_only(request):
        found = [redact(one) for one in found]
    answer = await asyncio.to_thread(run_query, found, query, "sessions", "-closed_at,id")
    return json_answer({**answer, "complete": complete})


def _span(request: web.Request) -> Span:
    now = int(time.time())
    until = _seconds(request, "to")
    until = now + 1 if until is None else until
    since = _seconds(request, "from")
    since = max(0, until - DEFAULT_SECONDS) if since is None else since
    text = request.query.get("points", str(DEFAULT_POINTS))
    if not _is_number(text) or not 0 < int(text) <= MAX_POINTS:
        raise ApiError(400, "bad_query", f"points must be 1 to {MAX_POINTS}", parameter="points")
    try:
        return span_of(since, until, int(text), now)
    except ValueError as error:
        raise ApiError(400, "bad_query", str(error), parameter="from") from None


def _seconds(request: web.Request, parameter: str) -> int | None:
    text = request.query.get(parameter)
    if text is None:
        return None
    if not _is_number(text):
        title = f"{parameter} must be Unix milliseconds"
        raise ApiError(400, "bad_query", title, parameter=parameter)
    return int(text) // 1000


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS


_QUERY = {
    "from": "Unix milliseconds; a day ago by default",
    "to": "Unix milliseconds; now by default",
    "points": f"About so many steps, at most {MAX_POINTS}; {DEFAULT_POINTS} by default",
    "format": "csv: a table for spreadsheets",
}
ROUTES = (
    Route(
        "GET",
        "/history/streams/{name}",
        stream_history,
        "Figures of a stream over time",
        response=StreamHistory,
        query=_QUERY,
    ),
    Route(
        "GET",
        "/history/sessions",
        ended_sessions,
        "Sessions that have ended, the newest first",
        response=EndedSession,
        collection="sessions",
        query={name: _QUERY[name] for name in ("from", "to")},
    ),
    Route(
        "GET",
        "/history/server",
        server_history,
        "Figures of the server over time",
        response=ServerHistory,
        query=_QUERY,
    ),
)
