"""Placement on request: by hand, evened out, and what a change would move."""

import time
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from aiohttp import web
from media_api.base import JsonObject
from media_rest.errors import ApiError, not_found
from media_rest.query import parse_query, run_query
from media_rest.route import Route
from pydantic import ValidationError

from media_central import forecast
from media_central.layouter import Layouter, situation_of
from media_central.models import CentralStream, CentralStreamer
from media_central.models.layouts import StreamerForecast, StreamLayout, StreamLayouts
from media_central.placement import Situation
from media_central.rest import writing
from media_central.rest.access import caller_of, check
from media_central.rest.answers import json_answer, json_body, object_body
from media_central.rest.context import Context, context
from media_central.rest.streams import batch_patches, check_each
from media_central.store.port import Kind, Record


async def post_layouts(request: web.Request) -> web.StreamResponse:
    """Moves streams by hand, all or none."""
    ctx = context(request)
    body = await json_body(request)
    try:
        parsed = StreamLayouts.parse({"layouts": body} if isinstance(body, list) else body)
    except ValidationError as error:
        raise ApiError(400, "validation_error", _first(error)) from None
    wanted = {item.name: item.ingest or "" for item in parsed.layouts}
    check_each(request, "streams", [(name, {}) for name in wanted])
    now = situation_of(ctx.store, ctx.fleet)
    for name, hostname in wanted.items():
        _check_fits(now, name, hostname)
    if writing.is_dry_run(request):
        return web.Response(status=204)
    if ctx.settings.in_cluster:
        # The operator places; what is said by hand is a preference that it follows.
        patches = [(name, {"preferred_streamer": hostname}) for name, hostname in wanted.items()]
        await writing.put_many(request, Kind.STREAM, patches)
    else:
        await _layouter(ctx).assign(wanted)
        for name, hostname in wanted.items():
            before = (now.streams[name].layout or {}).get("ingest")
            writing.audit(request, Kind.STREAM, name, {"layout": before}, {"layout": hostname})
    return web.Response(status=204)


def _first(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, found['loc'])) or 'body'}: {found['msg']}"


def _check_fits(now: Situation, name: str, hostname: str) -> None:
    """Raises ApiError 400, 404."""
    record = now.streams.get(name)
    if record is None:
        raise not_found("stream", name)
    if record.config.get("disabled"):
        raise ApiError(400, "stream_disabled", f"{name} is disabled: it runs nowhere")
    if hostname not in now.streamers:
        raise ApiError(400, "streamer_not_found", f"{name}: ingest {hostname!r} is no streamer")
    verdict = next(item for item in now.verdicts(record) if item["hostname"] == hostname)
    already = (record.layout or {}).get("ingest") == hostname
    if not verdict["node_decision"] and not already:
        reasons = ", ".join(verdict["reasons"])
        raise ApiError(400, "streamer_does_not_fit", f"{name} cannot run on {hostname}: {reasons}")


async def preview_stream(request: web.Request) -> web.StreamResponse:
    """What one changed configuration would move."""
    name, body = request.match_info["name"], await object_body(request)
    return await _preview_streams(request, [(name, body)])


async def preview_streams(request: web.Request) -> web.StreamResponse:
    """What many changed configurations would move."""
    items = _items(await json_body(request), "streams")
    return await _preview_streams(request, batch_patches(items, "name"))


async def _preview_streams(
    request: web.Request, patches: Sequence[tuple[str, JsonObject]]
) -> web.StreamResponse:
    query = parse_query(request.query.items(), StreamLayout)
    changes = await _trial(request, Kind.STREAM, patches)
    ctx = context(request)
    then = forecast.with_streams(situation_of(ctx.store, ctx.fleet), changes)
    found = forecast.moves(then, round(time.time() * 1000))
    return json_answer(run_query(found, query, "changes", "name"))


async def preview_streamer(request: web.Request) -> web.StreamResponse:
    """How many streams each streamer would have, with one configuration changed."""
    hostname, body = request.match_info["hostname"], await object_body(request)
    return await _preview_streamers(request, [(hostname, body)])


async def preview_streamers(request: web.Request) -> web.StreamResponse:
    """How many streams each streamer would have, with many configurations changed."""
    items = _items(await json_body(request), "streamers")
    return await _preview_streamers(request, batch_patches(items, "hostname"))


async def _preview_streamers(
    request: web.Request, patches: Sequence[tuple[str, JsonObject]]
) -> web.StreamResponse:
    query = parse_query(request.query.items(), StreamerForecast)
    changes = await _trial(request, Kind.STREAMER, patches)
    ctx = context(request)
    now = situation_of(ctx.store, ctx.fleet)
    then = forecast.with_streamers(now, changes)
    found = forecast.counts(now, then.plan(Random(0)), then)
    return json_answer(run_query(found, query, "changes", "hostname"))


def _items(body: Any, name: str) -> Any:
    """An array, bare or under its own name: both are in use."""
    return body[name] if isinstance(body, dict) and name in body else body


async def _trial(
    request: web.Request, kind: Kind, patches: Sequence[tuple[str, JsonObject]]
) -> Mapping[str, Record | None]:
    """The records that the patches would make. Raises StoreError, ApiError 409."""
    ctx = context(request)
    if not ctx.settings.layouter_enabled:
        raise ApiError(409, "layouter_disabled", "LAYOUTER_ENABLED is false: nothing would move")
    records = await ctx.store.put_many(kind, patches, dry_run=True)
    changes: dict[str, Record | None] = {key: None for key, _ in patches}
    return changes | {record.key: record for record in records}


async def rebalance(request: web.Request) -> web.StreamResponse:
    """Evens the load of the streamers; `?dry_run=true` only tells."""
    ctx = context(request)
    check(caller_of(request), "execute", "streams")
    now = situation_of(ctx.store, ctx.fleet)
    now_ms = round(time.time() * 1000)
    if ctx.settings.in_cluster or writing.is_dry_run(request):
        decisions = now.rebalance()
        if ctx.settings.in_cluster and not writing.is_dry_run(request):
            raise ApiError(
                409, "operator_places", "in Kubernetes ask the operator: docs/kubernetes.md"
            )
    else:
        decisions = await _layouter(ctx).rebalance()
    changes = forecast.layouts_of(now, decisions, now_ms, "other")
    return json_answer({"changes": changes, "estimated_count": len(changes)})


def _layouter(ctx: Context) -> Layouter:
    if ctx.layouter is None:
        raise ApiError(409, "layouter_disabled", "LAYOUTER_ENABLED is false: nothing is placed")
    return ctx.layouter


_DRY_RUN = {"dry_run": "true: only check"}
ROUTES = (
    Route(
        "POST", "/streams/layouts", post_layouts, "Move streams by hand, all or none",
        operation="batch_update_streams_layouts", request=StreamLayouts, query=_DRY_RUN,
    ),
    Route(
        "POST", "/streams/preview_layout_change", preview_streams,
        "What changed streams would move", need="view", operation="batch_stream_layout_preview",
        request=CentralStream, batch=True, response=StreamLayout, collection="changes",
    ),
    Route(
        "POST", "/streams/{name}/preview_layout_change", preview_stream,
        "What a changed stream would move", need="view", operation="stream_layout_preview",
        request=CentralStream, response=StreamLayout, collection="changes",
    ),
    Route(
        "POST", "/streamers/preview_layout_change", preview_streamers,
        "What changed streamers would move", need="view",
        operation="batch_streamer_layout_preview", request=CentralStreamer, batch=True,
        response=StreamerForecast, collection="changes",
    ),
    Route(
        "POST", "/streamers/{hostname}/preview_layout_change", preview_streamer,
        "What a changed streamer would move", need="view", operation="streamer_layout_preview",
        request=CentralStreamer, response=StreamerForecast, collection="changes",
    ),
    Route(
        "POST", "/cluster/rebalance", rebalance, "Even the load of the streamers",
        operation="cluster_rebalance", response=StreamLayout, collection="changes", query=_DRY_RUN,
    ),
)  # fmt: skip
