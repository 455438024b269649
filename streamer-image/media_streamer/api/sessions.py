"""`/sessions`: who watches and publishes."""

from aiohttp import web
from media_api.status import SessionInfo
from media_rest.errors import ApiError, not_found
from media_rest.query import parse_query, run_query
from media_rest.redact import redact

from media_streamer.api.answers import JsonObject, json_answer, no_content
from media_streamer.api.guard import reads_only
from media_streamer.api.route import Route, server_of


async def list_sessions(request: web.Request) -> web.Response:
    server = server_of(request)
    query = parse_query(request.query.items(), SessionInfo)
    sessions: list[JsonObject] = [session.info() for session in server.sessions]
    if reads_only(request):
        sessions = [redact(session) for session in sessions]
    answer = run_query(sessions, query, "sessions", "opened_at,id")
    answer["server_id"] = server.id
    return json_answer(answer)


async def get_session(request: web.Request) -> web.Response:
    session = server_of(request).sessions.get(request.match_info["id"])
    if session is None:
        raise not_found("session", request.match_info["id"])
    info = session.info()
    return json_answer(redact(info) if reads_only(request) else info)


async def close_session(request: web.Request) -> web.Response:
    if not server_of(request).sessions.close(request.match_info["id"], "closed by API"):
        raise not_found("session", request.match_info["id"])
    return no_content()


async def reauthorize(request: web.Request) -> web.Response:
    """Ask the backend again about all sessions of a stream."""
    server, name = server_of(request), request.query.get("name", "")
    if not name:
        raise ApiError(400, "bad_query", "say which stream: ?name=", parameter="name")
    if server.streams.get(name) is None:
        raise not_found("stream", name)
    return json_answer({"estimated_count": await server.reauthorize(name)})


ROUTES = (
    Route(
        "GET",
        "/sessions",
        list_sessions,
        "Open sessions",
        response=SessionInfo,
        collection="sessions",
    ),
    Route("POST", "/sessions/reauth", reauthorize, "Authorise the sessions of a stream again"),
    Route("GET", "/sessions/{id}", get_session, "A session", response=SessionInfo),
    Route("DELETE", "/sessions/{id}", close_session, "Close a session"),
)
