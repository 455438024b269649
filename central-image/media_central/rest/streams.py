"""`/streams`: declare, change, delete, read, and where they ran."""

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from operator import itemgetter
from typing import Any

from aiohttp import web
from media_api.base import JsonObject
from media_api.status import PlayToken
from media_rest import stream_states
from media_rest.errors import ApiError, not_found
from media_rest.openmetrics import stream_families
from media_rest.query import parse_query, selected
from media_rest.route import Route
from media_rest.unknown import told
from prometheus_client.core import Metric

from media_central.access import Caller
from media_central.history.search import EVENTS, LAYOUTS, search
from media_central.layouter import situation_of
from media_central.models import CentralStream, CentralStreamState, Layout
from media_central.models.events import Event
from media_central.rest import writing
from media_central.rest.access import caller_of, check, shown
from media_central.rest.answers import json_answer, json_body, metrics_answer, object_body
from media_central.rest.asking import answered, client_of
from media_central.rest.context import Context, context, viewer
from media_central.rest.pages import run_paged
from media_central.rest.polling import poll_seconds
from media_central.store.documents import target_key
from media_central.store.port import Kind, Record
from media_central.streamers.client import stream_path

OWN_PARAMETERS = (
    *stream_states.PARAMETERS, "streamer",
    "include_ingest_history", "poll_timeout", "client_ip", "scheme", "format",
)  # fmt: skip
MAX_BATCH = 10_000
_BY_NAME = itemgetter("name")
PLACEMENT_SECONDS = 1.0
"""Placement takes milliseconds; longer means that there is nobody to decide it."""


async def list_streams(request: web.Request) -> web.StreamResponse:
    """All streams with their statistics, as JSON or as metrics; may wait for a match."""
    ctx = context(request)
    caller = caller_of(request)
    seen = partial(may_see, caller, "streams")

    def families() -> Iterable[Metric]:
        streams = [item for item in ctx.views.streams(viewer(request)) if seen(item["name"])]
        return stream_families(streams, ctx.server_id)

    if (metrics := metrics_answer(request, families)) is not None:
        return metrics
    query = parse_query(request.query.items(), CentralStreamState, OWN_PARAMETERS)
    history = request.query.get("include_ingest_history") == "true"
    by_state, streamer = stream_states.StateQuery(request.query), request.query.get("streamer")

    def answer() -> JsonObject:
        records = ctx.store.all(Kind.STREAM)
        ctx.views.forget(Kind.STREAM, len(records))
        if not caller.sees_all:
            records = [record for record in records if seen(record.key)]
        states = (
            {record.key: ctx.views.state(record) for record in records}
            if by_state.needs_states
            else {}
        )
        if states:
            records = [record for record in records if states[record.key] in by_state.wanted]
        if streamer:
            records = [one for one in records if (one.layout or {}).get("ingest") == streamer]

        def build(config: JsonObject) -> JsonObject:
            record = ctx.store.get(Kind.STREAM, config["name"])
            assert record is not None, "it is in the list that the store gave"
            return ctx.views.stream(record, viewer(request), history=history)

        configs = ctx.views.effectives(records)
        order = by_state.order(states) if by_state.by_state else _BY_NAME
        found = run_paged(configs, query, "streams", order, build, ctx.views.searched)
        if by_state.with_totals:
            found["totals"] = stream_states.totals(states)
        return {**found, "server_id": ctx.server_id}

    return json_answer(shown(request, await _poll(ctx, poll_seconds(request), answer)))


async def _poll(ctx: Context, seconds: float, answer: Callable[[], JsonObject]) -> JsonObject:
    """The answer as soon as it is not empty, at the latest after `seconds`."""
    found = answer()
    if found["streams"] or not seconds:
        return found
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    with ctx.store.watch() as watch:
        while not found["streams"] and (left := deadline - loop.time()) > 0:
            await watch.next(left)
            found = answer()
    return found


async def get_stream(request: web.Request) -> web.StreamResponse:
    record = _record(request)
    history = request.query.get("include_ingest_history") == "true"
    ctx = context(request)
    view = ctx.views.stream(record, viewer(request), history=history)
    verdicts = situation_of(ctx.store, ctx.fleet).verdicts(record)
    if verdicts and not record.config.get("disabled"):
        view["layout"] = {**view.get("layout", {}), "node_layout_decisions": verdicts}
    picked = selected(shown(request, view), request.query.get("select", ""), CentralStreamState)
    return json_answer(picked, headers=writing.tag_header(record))


async def put_stream(request: web.Request) -> web.StreamResponse:
    """Creates or changes; the name in the body wins over the one in the path."""
    ctx = context(request)
    name, body = request.match_info["name"], await object_body(request)
    check(caller_of(request), "write", f"streams/{target_key(Kind.STREAM, name, body)}")
    record = await writing.put(request, Kind.STREAM, name, body)
    if not writing.is_dry_run(request):
        record = await _placed(ctx, record)
    view = shown(request, ctx.views.stream(record, viewer(request)))
    answer = told(view, body, CentralStream, CentralStreamState)
    return json_answer(answer, headers=writing.tag_header(record))


async def _placed(ctx: Context, record: Record) -> Record:
    """The stream once it is placed, or after `PLACEMENT_SECONDS` as it is.

    Whoever plays it right after the answer then finds it; a streamer that is asked for a name that
    is placed nowhere yet refuses.
    """
    if not ctx.settings.layouter_enabled or record.config.get("disabled"):
        return record
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PLACEMENT_SECONDS
    with ctx.store.watch() as watch:
        while (current := ctx.store.get(Kind.STREAM, record.key)) is not None:
            left = deadline - loop.time()
            if current.layout or left <= 0:
                return current
            await watch.next(left)
    return record


async def put_batch(request: web.Request) -> web.StreamResponse:
    """All or none of an array of merge patches, each with its name."""
    patches = batch_patches(await json_body(request), "name")
    check_each(request, "streams", patches)
    ctx = context(request)
    records = await writing.put_many(request, Kind.STREAM, patches)
    items = [
        told(ctx.views.stream(record, viewer(request)), patch, CentralStream, CentralStreamState)
        for record, (_, patch) in zip(records, patches, strict=True)
    ]
    return json_answer({"streams": items, "estimated_count": len(items)})


def batch_patches(body: Any, key: str) -> list[tuple[str, JsonObject]]:
    """(name, patch) of each element. Raises ApiError 400."""
    if not isinstance(body, list):
        raise ApiError(400, "bad_body", "the body must be a JSON array")
    if len(body) > MAX_BATCH:
        raise ApiError(400, "bad_body", f"more than {MAX_BATCH} elements: split the batch")
    patches: list[tuple[str, JsonObject]] = []
    for index, item in enumerate(body):
        if not isinstance(item, dict) or not isinstance(item.get(key), str) or not item[key]:
            raise ApiError(
                400, "bad_body", f"element {index} has no {key}", pointer=f"/{index}/{key}"
            )
        patches.append((item[key], item))
    return patches


def check_each(
    request: web.Request, collection: str, patches: Iterable[tuple[str, JsonObject]]
) -> None:
    """Raises ApiError 403 if the caller may not write one of them."""
    for name, _ in patches:
        check(caller_of(request), "write", f"{collection}/{name}")


def may_see(caller: Caller, collection: str, name: str) -> bool:
    """Whether a resource is among those that a list shows to the caller."""
    return caller.sees_all or caller.may("list", f"{collection}/{name}")


async def delete_stream(request: web.Request) -> web.StreamResponse:
    name = request.match_info["name"]
    if not await writing.delete(request, Kind.STREAM, name):
        raise not_found("stream", name)
    return web.Response(status=204)


async def list_layouts(request: web.Request) -> web.StreamResponse:
    """Where the stream ran, newest first; `created_at_gt` and `created_at_lt` in Unix ms."""
    record = _record(request)
    return json_answer(
        await search(
            context(request).history,
            LAYOUTS,
            request.query.items(),
            "layouts",
            {"name": record.key},
        )
    )


async def list_events(request: web.Request) -> web.StreamResponse:
    """What happened to the stream, newest first."""
    record = _record(request)
    return json_answer(
        await search(
            context(request).history,
            EVENTS,
            request.query.items(),
            "events",
            {"media": record.key},
        )
    )


async def stop_stream(request: web.Request) -> web.StreamResponse:
    """Restart: the streamer that runs it stops it, and a static stream starts again."""
    return await _forward(request, "/stop")


async def select_input(request: web.Request) -> web.StreamResponse:
    index = request.match_info["index"]
    if not index.isascii() or not index.isdigit():
        raise ApiError(400, "input_not_found", "an input has a number, from 0")
    return await _forward(request, f"/inputs/{index}/select")


async def play_token(request: web.Request) -> web.StreamResponse:
    """Of the streamer that runs it: to watch the stream with, whatever its viewers need."""
    name = request.match_info["name"]
    call = client_of(request, name).get(stream_path(name) + "/play_token")
    return json_answer(await answered(call))


async def _forward(request: web.Request, suffix: str) -> web.StreamResponse:
    name = request.match_info["name"]
    await answered(client_of(request, name).post(stream_path(name) + suffix))
    return web.Response(status=204)


def _record(request: web.Request) -> Record:
    name = request.match_info["name"]
    record = context(request).store.get(Kind.STREAM, name)
    if record is None:
        raise not_found("stream", name)
    return record


_FORMAT = {"format": "openmetrics or prometheus: metrics in place of JSON"}
_SEEN_FROM = {"client_ip": "address of the viewer", "scheme": "http or https of play URLs"}
_HISTORY = {"include_ingest_history": "true: with the last 5 placements"}
ROUTES = (
    Route(
        "GET", "/streams", list_streams, "List of streams", operation="streams_list",
        response=CentralStreamState, collection="streams",
        query={
            "poll_timeout": "seconds to wait for a match", **_SEEN_FROM, **_HISTORY, **_FORMAT,
            "streamer": "only those placed there", **stream_states.QUERY,
        },
    ),
    Route(
        "PUT", "/streams/batch", put_batch, "Create or change many streams, all or none",
        operation="streams_batch_update", request=CentralStream, batch=True,
        response=CentralStreamState, collection="streams",
    ),
    Route(
        "GET", "/streams/{name}", get_stream, "A stream", operation="stream_get",
        response=CentralStreamState,
        query={**_SEEN_FROM, **_HISTORY, "select": "name,stats.alive: these fields alone"},
    ),
    Route(
        "PUT", "/streams/{name}", put_stream, "Create or change a stream: JSON merge",
        operation="stream_save", request=CentralStream, response=CentralStreamState,
    ),
    Route("DELETE", "/streams/{name}", delete_stream, "Delete a stream", operation="stream_delete"),
    Route(
        "GET", "/streams/{name}/layouts", list_layouts, "Where the stream ran",
        operation="stream_layouts_get", response=Layout, collection="layouts",
        query={"created_at_gt": "only after, Unix ms", "created_at_lt": "only before, Unix ms"},
    ),
    Route(
        "GET", "/streams/{name}/events", list_events, "What happened to the stream",
        operation="stream_events_list", response=Event, collection="events",
        query={"utc_ms_gt": "only after, Unix ms", "utc_ms_lt": "only before, Unix ms"},
    ),
    Route(
        "GET", "/streams/{name}/play_token", play_token,
        "A token to watch the stream with, past `on_play`",
        operation="stream_play_token_get", response=PlayToken,
    ),
    Route(
        "POST", "/streams/{name}/stop", stop_stream, "Restart the stream", operation="stream_stop"
    ),
    Route(
        "POST", "/streams/{name}/inputs/{index}/select", select_input, "Show this input",
        operation="stream_input_select",
    ),
)  # fmt: skip
