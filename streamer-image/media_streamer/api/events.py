"""`/event_sinks/NAME/events`: what a sink was given lately, for who looks why it is silent."""

from aiohttp import web
from media_api.events import EventRecord
from media_rest.errors import not_found
from media_rest.query import parse_query, run_query
from media_rest.redact import redact

from media_streamer.api.answers import JsonObject, json_answer
from media_streamer.api.guard import reads_only
from media_streamer.api.route import Route, server_of


async def list_events(request: web.Request) -> web.Response:
    server, name = server_of(request), request.match_info["name"]
    if not any(one.name == name for one in server.configuration.current.event_sinks):
        raise not_found("event_sink", name)
    found: list[JsonObject] = server.recent_events(name)
    if reads_only(request):
        found = [redact(event) for event in found]
    query = parse_query(request.query.items(), EventRecord)
    return json_answer(run_query(found, query, "events", "event_id"))


ROUTES = (
    Route(
        "GET",
        "/event_sinks/{name}/events",
        list_events,
        "The last events that a sink was given",
        response=EventRecord,
        collection="events",
    ),
)
