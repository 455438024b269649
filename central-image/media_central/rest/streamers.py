"""`/streamers`: connect, change, disconnect, read with health; sessions of all of them."""

import asyncio
from collections.abc import Mapping

from aiohttp import web
from media_api.base import JsonObject
from media_api.status import SessionInfo
from media_rest.errors import ApiError, not_found
from media_rest.query import parse_query, run_query
from media_rest.route import Route
from media_rest.unknown import told

from media_central.models import CentralStreamer, CentralStreamerState
from media_central.rest import writing
from media_central.rest.access import caller_of, check, shown
from media_central.rest.answers import json_answer, json_body, object_body
from media_central.rest.context import context
from media_central.rest.streams import batch_patches, check_each, may_see
from media_central.store.documents import next_document, target_key
from media_central.store.port import Kind
from media_central.streamers.client import StreamerError
from media_central.streamers.link import StreamerLink

SESSIONS_TIMEOUT_SECONDS = 5.0


async def list_streamers(request: web.Request) -> web.StreamResponse:
    query = parse_query(request.query.items(), CentralStreamerState)
    caller = caller_of(request)
    items = [
        item
        for item in context(request).views.streamers()
        if may_see(caller, "streamers", item["hostname"])
    ]
    return json_answer(shown(request, run_query(items, query, "streamers", "hostname")))


async def get_streamer(request: web.Request) -> web.StreamResponse:
    ctx = context(request)
    record = ctx.store.get(Kind.STREAMER, request.match_info["hostname"])
    if record is None:
        raise not_found("streamer", request.match_info["hostname"])
    return json_answer(
        shown(request, ctx.views.streamer(record)), headers=writing.tag_header(record)
    )


async def put_streamer(request: web.Request) -> web.StreamResponse:
    """Creates or changes; `?checks_enable=true` saves only a streamer that answers."""
    ctx = context(request)
    hostname = request.match_info["hostname"]
    body = await object_body(request)
    check(caller_of(request), "write", f"streamers/{target_key(Kind.STREAMER, hostname, body)}")
    if request.query.get("checks_enable") == "true":
        known = ctx.store.get(Kind.STREAMER, hostname)
        target = target_key(Kind.STREAMER, hostname, body)
        config = next_document(Kind.STREAMER, target, known.config if known else None, body)
        try:
            await ctx.fleet.check(config)
        except StreamerError as error:
            raise ApiError(400, "streamer_unreachable", f"not saved: {error}") from None
    record = await writing.put(request, Kind.STREAMER, hostname, body)
    view = shown(request, ctx.views.streamer(record))
    answer = told(view, body, CentralStreamer, CentralStreamerState)
    return json_answer(answer, headers=writing.tag_header(record))


async def put_batch(request: web.Request) -> web.StreamResponse:
    """All or none of an array of merge patches, each with its hostname."""
    ctx = context(request)
    patches = batch_patches(await json_body(request), "hostname")
    check_each(request, "streamers", patches)
    records = await writing.put_many(request, Kind.STREAMER, patches)
    items = [ctx.views.streamer(record) for record in records]
    return json_answer({"streamers": items, "estimated_count": len(items)})


async def delete_streamer(request: web.Request) -> web.StreamResponse:
    """Its streams move to others; the streamer itself goes on until it is told otherwise."""
    hostname = request.match_info["hostname"]
    if not await writing.delete(request, Kind.STREAMER, hostname):
        raise not_found("streamer", hostname)
    return web.Response(status=204)


async def list_sessions(request: web.Request) -> web.StreamResponse:
    """Sessions of all streamers that answer in time."""
    query = parse_query(request.query.items(), SessionInfo)
    links = [link for link in context(request).fleet.links() if link.online]
    # The streamers know the same filters: what nobody asked for is not sent here.
    filters = {key: value for key, value in request.query.items() if key not in _PAGING}
    answers = await asyncio.gather(*(_sessions(link, filters) for link in links))
    items = [item for answer in answers for item in answer]
    return json_answer(shown(request, run_query(items, query, "sessions", "id")))


_PAGING = frozenset({"limit", "cursor", "sort", "select", "q"})


async def _sessions(link: StreamerLink, filters: Mapping[str, str]) -> list[JsonObject]:
    try:
        async with asyncio.timeout(SESSIONS_TIMEOUT_SECONDS):
            return await link.client.collection("sessions", **filters)
    except (StreamerError, TimeoutError):
        return []


async def close_session(request: web.Request) -> web.StreamResponse:
    """The streamer that has the session is found by asking all."""
    links = [link for link in context(request).fleet.links() if link.online]
    identity = request.match_info["id"]
    found = await asyncio.gather(*(_close(link, identity) for link in links))
    if not any(found):
        raise not_found("session", identity)
    return web.Response(status=204)


async def _close(link: StreamerLink, identity: str) -> bool:
    if not any(str(item.get("id")) == identity for item in await _sessions(link, {"id": identity})):
        return False
    try:
        await link.client.delete(f"/sessions/{identity}")
    except StreamerError:
        return False
    return True


ROUTES = (
    Route(
        "GET", "/streamers", list_streamers, "List of streamers", operation="streamers_list",
        response=CentralStreamerState, collection="streamers",
    ),
    Route(
        "PUT", "/streamers/batch", put_batch, "Create or change many streamers, all or none",
        operation="streamers_batch_update", request=CentralStreamer, batch=True,
        response=CentralStreamerState, collection="streamers",
    ),
    Route(
        "GET", "/streamers/{hostname}", get_streamer, "A streamer", operation="streamer_get",
        response=CentralStreamerState,
    ),
    Route(
        "PUT", "/streamers/{hostname}", put_streamer, "Connect or change a streamer: JSON merge",
        operation="streamer_save", request=CentralStreamer, response=CentralStreamerState,
        query={"checks_enable": "true: save only a streamer that answers"},
    ),
    Route(
        "DELETE", "/streamers/{hostname}", delete_streamer, "Disconnect a streamer",
        operation="streamer_delete",
    ),
    Route(
        "GET", "/sessions", list_sessions, "Sessions of all streamers", operation="sessions_list",
        response=SessionInfo, collection="sessions",
    ),
    Route(
        "DELETE", "/sessions/{id}", close_session, "Close a session", operation="session_delete"
    ),
)  # fmt: skip
