"""Central itself: probes, cluster statistics, UI settings, OpenAPI."""

import time
from importlib.metadata import PackageNotFoundError, version

from aiohttp import web
from media_api.base import JsonObject
from media_rest.openmetrics import CONTENT_TYPES, cluster_families, render, wanted_metrics

from media_central.cluster_stats import cluster_stats
from media_central.rest.answers import json_answer
from media_central.rest.context import Context, context, viewer
from media_central.rest.openapi import openapi_document
from media_central.rest.streams import Handler

BUILD = 1


def routes() -> list[tuple[str, str, Handler]]:
    """Method, path below the base, handler."""
    return [
        ("GET", "/config/stats", get_stats),
        ("GET", "/cluster/stats", get_cluster_stats),
        ("GET", "/ui_settings", get_ui_settings),
        ("GET", "/monitoring/liveness", get_liveness),
        ("GET", "/monitoring/readiness", get_readiness),
        ("GET", "/openapi.json", get_openapi),
    ]


def central_version() -> str:
    """Version of the installed distribution."""
    try:
        return version("media-appliance")
    except PackageNotFoundError:
        return "0"


def _whoami(ctx: Context) -> JsonObject:
    return {
        "server_version": central_version(),
        "build": BUILD,
        "now": round(time.time() * 1000),
        "started_at": round(ctx.started_at),
    }


async def get_liveness(request: web.Request) -> web.StreamResponse:
    """The process answers."""
    return json_answer(_whoami(context(request)))


async def get_readiness(request: web.Request) -> web.StreamResponse:
    """Ready also while PostgreSQL is away: reads and the configuration backend go on."""
    ctx = context(request)
    return json_answer({**_whoami(ctx), "database": _database_state(ctx)})


def _database_state(ctx: Context) -> str:
    return "available" if ctx.store.available else "unavailable"


async def get_stats(request: web.Request) -> web.StreamResponse:
    ctx = context(request)
    return json_answer(
        {
            **_whoami(ctx),
            "id": ctx.server_id,
            "streamer_status": "running",
            "uptime": round(time.time() - ctx.started_at),
            "database": _database_state(ctx),
            "history_dropped_rows": ctx.history.dropped_rows,
        }
    )


async def get_cluster_stats(request: web.Request) -> web.StreamResponse:
    ctx = context(request)
    stats = cluster_stats(
        ctx.views.streams(viewer(request)), ctx.views.streamers(), round(time.time() * 1000)
    )
    stats |= {"server_id": ctx.server_id, "version": central_version()}
    form = wanted_metrics(request.headers.get("Accept"), request.query.get("format"))
    if form is None:
        return json_answer(stats)
    body = render(cluster_families(stats, ctx.server_id), form)
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPES[form]})


MENU = (
    "pulse", "streamer_config", "cluster", "ipcam", "audit_logs", "iptv", "upload_logs", "usages",
    "chassis", "main_templates", "main_transponders", "main_cluster_sources",
    "main_vod_locations", "main_dvb_cards", "main_agents",
)  # fmt: skip


async def get_ui_settings(request: web.Request) -> web.StreamResponse:
    """Open to all: the login page needs it."""
    return json_answer(
        {
            "title": "Central",
            "brand": "media-appliance",
            "product": "central",
            "login_required": True,
            "menu_items": {name: name in ("cluster", "main_agents") for name in MENU},
            "locales": ["en"],
            "default_locale": "en",
        }
    )


async def get_openapi(request: web.Request) -> web.StreamResponse:
    return json_answer(openapi_document(central_version()))
