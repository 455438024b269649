"""Central itself: probes, statistics, UI settings, OpenAPI."""

import socket
import time
from collections.abc import Iterable
from functools import partial

from aiohttp import web
from media_api.base import JsonObject
from media_rest.document import Document
from media_rest.openmetrics import MetricSpec, cluster_families, server_families
from media_rest.paths import value_at
from media_rest.route import Route
from media_web import documentation
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from media_central.cluster_stats import by_pool, cluster_stats, fleet_totals
from media_central.models.cluster import CentralServerStats, ClusterHealth, WhoAmICentral
from media_central.rest.answers import json_answer, metrics_answer
from media_central.rest.context import Context, context, viewer
from media_central.store.port import Kind
from media_central.version import BUILD, central_version, version_number


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
    return metrics_answer(request, partial(central_families, ctx)) or json_answer(
        central_stats(ctx)
    )


def central_stats(ctx: Context) -> JsonObject:
    """`/config/stats`: of this Central, and the sums over its streamers."""
    history = {"queued_rows": ctx.history.queued_rows, "dropped_rows": ctx.history.dropped_rows}
    return {
        **_whoami(ctx),
        "id": ctx.server_id,
        "hostname": socket.gethostname(),
        "streamer_status": "running",
        "uptime": round(time.time() - ctx.started_at),
        "database": _database_state(ctx),
        "history": history,
        "wrong_passwords": ctx.guesses.failures_total,
        "total_streams": len(ctx.store.all(Kind.STREAM)),
        "total_streamers": len(ctx.store.all(Kind.STREAMER)),
        **fleet_totals(
            link.observed.stats for link in ctx.fleet.links() if link.observed is not None
        ),
    }


CENTRAL_METRICS: tuple[MetricSpec, ...] = (
    MetricSpec(
        "central_wrong_passwords_total", ("wrong_passwords",), True, "Wrong passwords and keys"
    ),
    MetricSpec(
        "central_history_dropped_rows_total",
        ("history", "dropped_rows"),
        True,
        "Rows of history that were lost",
    ),
    MetricSpec(
        "central_history_queued_rows",
        ("history", "queued_rows"),
        False,
        "Rows of history that wait for PostgreSQL",
    ),
)
"""Those that only Central has."""


def central_families(ctx: Context) -> Iterable[Metric]:
    """The same as metrics, with those that only Central has."""
    stats = central_stats(ctx)
    own = [_family(spec, value_at(stats, spec.path)) for spec in CENTRAL_METRICS]
    return [*server_families(stats, ctx.server_id), *own]


def _family(spec: MetricSpec, value: int) -> Metric:
    if spec.counter:
        return CounterMetricFamily(spec.name, spec.help, value=value)
    return GaugeMetricFamily(spec.name, spec.help, value=value)


async def get_cluster_stats(request: web.Request) -> web.StreamResponse:
    ctx = context(request)
    streamers = list(ctx.views.streamers())
    stats = cluster_stats(ctx.views.streams(viewer(request)), streamers, round(time.time() * 1000))
    stats |= {"server_id": ctx.server_id, "version": version_number(central_version())}
    rows = by_pool(stats["streamer_metrics"], streamers)
    families = partial(cluster_families, stats, ctx.server_id, rows)
    return metrics_answer(request, families) or json_answer(stats)


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
            "documentation": documentation.is_made(),
            "locales": ["en", "ru"],
            "default_locale": "en",
        }
    )


async def get_openapi(request: web.Request) -> web.StreamResponse:
    return await request.app[DOCUMENT].answer(request)


DOCUMENT = web.AppKey("document", Document)
"""Of all operations that are served."""


_FORMAT = {"format": "openmetrics or prometheus: metrics in place of JSON"}
ROUTES = (
    Route(
        "GET", "/config/stats", get_stats, "Statistics of Central", operation="config_stats_get",
        response=CentralServerStats, query=_FORMAT,
    ),
    Route(
        "GET", "/cluster/stats", get_cluster_stats, "Health of the cluster",
        operation="cluster_stats_get", response=ClusterHealth, query=_FORMAT,
    ),
    Route(
        "GET", "/ui_settings", get_ui_settings, "What the UI shows", need="open",
        operation="ui_settings_get",
    ),
    Route(
        "GET", "/monitoring/liveness", get_liveness, "It answers", need="open",
        operation="liveness_probe", response=WhoAmICentral,
    ),
    Route(
        "GET", "/monitoring/readiness", get_readiness, "It can be asked", need="open",
        operation="readiness_probe", response=WhoAmICentral,
    ),
    Route(
        "GET", "/openapi.json", get_openapi, "This document", need="open", operation="openapi_get"
    ),
)  # fmt: skip
