"""`/streams`: declare, change, delete, read, and where they ran."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from media_api.base import JsonObject
from media_rest.errors import ApiError, not_found
from media_rest.openmetrics import CONTENT_TYPES, render, stream_families, wanted_metrics
from media_rest.query import QueryError, parse_query

from media_central.models import CentralStreamState
from media_central.rest.answers import json_answer, json_body
from media_central.rest.context import Context, context, viewer
from media_central.rest.pages import run_paged
from media_central.store.port import Kind, Record
from media_central.streamers.client import StreamerError, stream_path

OWN_PARAMETERS = ("include_ingest_history", "poll_timeout", "client_ip", "scheme", "format")
MAX_POLL_SECONDS = 60.0
MAX_BATCH = 10_000
PLACEMENT_SECONDS = 1.0
"""Placement takes milliseconds; longer means that there is nobody to decide it."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def routes() -> list[tuple[str, str, Handler]]:
    """Method, path below the base, handler. Longer paths come first: names hold slashes."""
    return [
        ("GET", "/streams", list_streams),
        ("GET", "/streams/{name:.+}/layouts", list_layouts),
        ("GET", "/streams/{name:.+}/events", list_events),
        ("POST", "/streams/{name:.+}/stop", stop_stream),
        ("POST", r"/streams/{name:.+}/inputs/{index:\d+}/select", select_input),
        ("PUT", "/streams/batch", put_batch),
        ("GET", "/streams/{name:.+}", get_stream),
        ("PUT", "/streams/{name:.+}", put_stream),
        ("DELETE", "/streams/{name:.+}", delete_stream),
    ]


async def list_streams(request: web.Request) -> web.StreamResponse:
    """All streams with their statistics, as JSON or as metrics; may wait for a match."""
    ctx = context(request)
    form = wanted_metrics(request.headers.get("Accept"), request.query.get("format"))
    if form is not None:
        families = stream_families(ctx.views.streams(viewer(request)), ctx.server_id)
        headers = {"Content-Type": CONTENT_TYPES[form]}
        return web.Response(body=render(families, form), headers=headers)
    query = parse_query(request.query.items(), CentralStreamState, OWN_PARAMETERS)
    history = request.query.get("include_ingest_history") == "true"

    def answer() -> JsonObject:
        records = {record.key: record for record in ctx.store.all(Kind.STREAM)}
        configs = [ctx.views.effective(record) for record in records.values()]

        def build(config: JsonObject) -> JsonObject:
            return ctx.views.stream(records[config["name"]], viewer(request), history=history)

        found = run_paged(configs, query, "streams", _by_name, build)
        return {**found, "server_id": ctx.server_id}

    return json_answer(await _poll(ctx, _poll_seconds(request), answer))


def _by_name(item: JsonObject) -> str:
    return str(item["name"])


def _poll_seconds(request: web.Request) -> float:
    text = request.query.get("poll_timeout", "0")
    try:
        return min(max(float(text), 0.0), MAX_POLL_SECONDS)
    except ValueError:
        raise QueryError("poll_timeout must be a number of seconds", "poll_timeout") from None


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
    return json_answer(context(request).views.stream(record, viewer(request), history=history))


async def put_stream(request: web.Request) -> web.StreamResponse:
    """Creates or changes; the name in the body wins over the one in the path."""
    ctx = context(request)
    body = await json_body(request)
    if not isinstance(body, dict):
        raise ApiError(400, "bad_body", "the body must be a JSON object")
    record = await ctx.store.put(Kind.STREAM, request.match_info["name"], body)
    record = await _placed(ctx, record)
    return json_answer(ctx.views.stream(record, viewer(request)))


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
    body = await json_body(request)
    if isinstance(body, dict):  # a stream may be called batch
        ctx = context(request)
        record = await ctx.store.put(Kind.STREAM, "batch", body)
        return json_answer(ctx.views.stream(record, viewer(request)))
    patches = batch_patches(body, "name")
    ctx = context(request)
    records = await ctx.store.put_many(Kind.STREAM, patches)
    items = [ctx.views.stream(record, viewer(request)) for record in records]
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


async def delete_stream(request: web.Request) -> web.StreamResponse:
    name = request.match_info["name"]
    if not await context(request).store.delete(Kind.STREAM, name):
        raise not_found("stream", name)
    return web.Response(status=204)


async def list_layouts(request: web.Request) -> web.StreamResponse:
    """Where the stream ran, newest first; `created_at_gt` and `created_at_lt` in Unix ms."""
    ctx = context(request)
    record = _record(request)
    since, until = _milliseconds(request, "created_at_gt"), _milliseconds(request, "created_at_lt")
    items = await ctx.history.layouts(record.key, since, until)
    return json_answer({"layouts": items, "estimated_count": len(items)})


async def list_events(request: web.Request) -> web.StreamResponse:
    """What happened to the stream, newest first."""
    ctx = context(request)
    record = _record(request)
    since, until = _milliseconds(request, "utc_ms_gt"), _milliseconds(request, "utc_ms_lt")
    items = await ctx.history.events(record.key, since, until)
    return json_answer({"events": items, "estimated_count": len(items)})


def _milliseconds(request: web.Request, parameter: str) -> int | None:
    text = request.query.get(parameter)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 14:
        raise QueryError(f"{parameter} must be Unix milliseconds", parameter)
    return int(text)


async def stop_stream(request: web.Request) -> web.StreamResponse:
    """Restart: the streamer that runs it stops it, and a static stream starts again."""
    return await _forward(request, "/stop")


async def select_input(request: web.Request) -> web.StreamResponse:
    return await _forward(request, f"/inputs/{request.match_info['index']}/select")


async def _forward(request: web.Request, suffix: str) -> web.StreamResponse:
    record = _record(request)
    ingest = (record.layout or {}).get("ingest")
    link = context(request).fleet.link(ingest) if ingest else None
    if link is None:
        raise ApiError(409, "stream_not_placed", f"no streamer runs {record.key} now")
    try:
        await link.client.post(stream_path(record.key) + suffix)
    except StreamerError as error:
        status = error.status if error.status in (400, 404) else 502
        raise ApiError(status, "streamer_error", str(error)) from None
    return web.Response(status=204)


def _record(request: web.Request) -> Record:
    name = request.match_info["name"]
    record = context(request).store.get(Kind.STREAM, name)
    if record is None:
        raise not_found("stream", name)
    return record
