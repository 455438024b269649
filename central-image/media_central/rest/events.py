"""`/events` and `/audit`: what happened, who did it; and where streamers deliver their events."""

from typing import Any

from aiohttp import web
from media_rest.errors import ApiError
from media_rest.route import Route

from media_central.history.search import AUDIT, EVENTS, search
from media_central.models.events import AuditEntry, Event, EventBatch
from media_central.rest.access import caller_of
from media_central.rest.answers import json_answer, json_body
from media_central.rest.context import context
from media_central.store.documents import is_storable
from media_central.store.port import Kind

MAX_BATCH = 10_000
UNKNOWN = "unknown"


async def list_events(request: web.Request) -> web.StreamResponse:
    """Events of all servers, newest first."""
    history = context(request).history
    return json_answer(await search(history, EVENTS, request.query.items(), "events"))


async def list_audit(request: web.Request) -> web.StreamResponse:
    """Changes that somebody made, newest first."""
    history = context(request).history
    return json_answer(await search(history, AUDIT, request.query.items(), "audit"))


async def collect(request: web.Request) -> web.StreamResponse:
    """Keeps a batch of events. What is no event is left out: its sender would send it for ever."""
    ctx = context(request)
    batch = await json_body(request)
    items = batch.get("events") if isinstance(batch, dict) else batch
    if not isinstance(items, list):
        raise ApiError(400, "bad_body", "the body must be a JSON array of events")
    if len(items) > MAX_BATCH:
        raise ApiError(400, "bad_body", f"more than {MAX_BATCH} events: split the batch")
    sender = request.query.get("server", "")
    trusted = caller_of(request).role != "streamer"
    taken = 0
    for item in items:
        if not _is_event(item):
            continue
        said = item.get("server")
        # A streamer tells of itself only, whatever its events say.
        server = str(said) if trusted and said else sender or str(said or UNKNOWN)
        media = str(item.get("media") or "")
        kept = ctx.store.shown_of(media, item) if media else item
        ctx.history.add_delivered(server, kept)
        taken += 1
    if sender and taken and ctx.store.get(Kind.STREAMER, sender) is not None:
        link = ctx.fleet.link(sender)
        if link is not None:
            link.delivers_events = True
    return json_answer({"received": taken, "refused": len(items) - taken})


def _is_event(item: Any) -> bool:
    if not isinstance(item, dict) or not isinstance(item.get("event"), str) or not item["event"]:
        return False
    return is_storable(item)


_TIMES = {"utc_ms_gt": "only after, Unix ms", "utc_ms_lt": "only before, Unix ms"}
ROUTES = (
    Route(
        "GET", "/events", list_events, "What happened, newest first",
        operation="central_events_list", response=Event, collection="events",
        query={
            "event": "kinds, separated by commas", "server": "of these servers",
            "media": "of these streams", "entity_id": "of these resources", **_TIMES,
        },
    ),
    Route(
        "POST", "/events/collector", collect, "Keep events that a streamer delivers",
        need="backend", operation="events_collect", request=EventBatch,
        query={"server": "the streamer that sends them"},
    ),
    Route(
        "GET", "/audit", list_audit, "Who changed what, newest first", need="admin",
        operation="audit_list", response=AuditEntry, collection="audit",
        query={
            "originator": "by these callers", "entity_type": "stream, streamer, …",
            "entity_id": "of these resources", **_TIMES,
        },
    ),
)  # fmt: skip
