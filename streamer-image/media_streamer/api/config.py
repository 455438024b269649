"""`/config`: the whole configuration as JSON or as text, statistics of the server, probes."""

from typing import Any

from aiohttp import web
from media_api.base import ApiModel, JsonObject
from media_api.server import ServerConfig
from media_api.server_status import ServerStats, WhoAmI
from media_rest.errors import ApiError
from media_rest.merge import canonical, merge
from media_rest.openmetrics import server_families
from media_rest.query import selected
from media_rest.redact import redact
from media_rest.unknown import told
from media_web import documentation

from media_streamer.api.answers import (
    json_answer,
    json_body,
    metrics_answer,
    metrics_format,
    sends_text,
    text_body,
)
from media_streamer.api.auth import Right, require
from media_streamer.api.guard import reads_only
from media_streamer.api.route import Route, server_of
from media_streamer.config import ConfigProblem
from media_streamer.supervisor.configuration import config_error

_HEAVY = ("streams", "templates", "vods", "sources")
"""Lists that have collections of their own: only in `?full=true`."""


class _Answer(ApiModel):
    """What answers have beside the configuration."""

    server_id: str = ""
    stats: dict[str, Any] | None = None


async def get_config(request: web.Request) -> web.Response:
    server = server_of(request)
    if (form := metrics_format(request)) is not None:
        stats = server.statistics()
        return metrics_answer(server_families(stats, server.id), form)
    if "text/plain" in request.headers.get("Accept", ""):
        # Directives hide their secrets nowhere: the text is for who may change it.
        right: Right = "view" if reads_only(request) else "edit"
        require(right, "edit", server.configuration.current)
        return web.Response(
            text=await server.configuration.text(), content_type="text/plain", charset="utf-8"
        )
    full = request.query.get("full") in {"true", "1"}
    return json_answer(_config_state(request, full))


def _config_state(request: web.Request, full: bool) -> JsonObject:
    server = server_of(request)
    config = server.configuration.current.explicit()
    if not full:
        config = {key: value for key, value in config.items() if key not in _HEAVY}
    state = {**config, "stats": server.statistics(), "server_id": server.id}
    if not reads_only(request):
        return state
    hidden: JsonObject = redact(state)
    return hidden


async def put_config(request: web.Request) -> web.Response:
    """Save text as it is, or merge JSON; a configuration with errors changes nothing."""
    server = server_of(request)
    configuration = server.configuration
    body: JsonObject = {}
    if sends_text(request):
        problems = await configuration.save_text(await text_body(request))
    else:
        body = canonical(ServerConfig, await json_body(request))
        if "streams" in body and configuration.current.config_external:
            raise ApiError(
                400, "config_external", "the streams come from config_external: change them there"
            )
        saved = configuration.current.explicit()
        merged = merge(saved, body)
        known = {key for key in body if key in ServerConfig.model_fields}
        changes = {key: merged.get(key) for key in known if merged.get(key) != saved.get(key)}
        problems = await configuration.save_globals(changes) if changes else []
    if problems:
        return _refused(problems)
    return json_answer(told(_config_state(request, full=True), body, ServerConfig, _Answer))


async def check_config(request: web.Request) -> web.Response:
    """Only say whether it could be saved."""
    configuration = server_of(request).configuration
    body: JsonObject = {}
    if sends_text(request):
        problems = await configuration.check_text(await text_body(request))
        if problems:
            return _refused(problems)
    else:
        body = canonical(ServerConfig, await json_body(request))
        ServerConfig.model_validate(merge(configuration.current.explicit(), body))
    return json_answer(told({"status": "ok"}, body, ServerConfig, _Answer))


def _refused(problems: list[ConfigProblem]) -> web.Response:
    """400 with the config error object; every error is in `errors`."""
    errors = [
        {
            "status": "400",
            "code": item.code,
            "title": str(item),
            "meta": {"line": str(item.line), "col": str(item.col)},
        }
        for item in problems[:100]
    ]
    return json_answer({**(config_error(problems) or {}), "errors": errors}, 400)


async def get_stats(request: web.Request) -> web.Response:
    server = server_of(request)
    stats = server.statistics()
    if (form := metrics_format(request)) is not None:
        return metrics_answer(server_families(stats, server.id), form)
    told = {**stats, "server_id": server.id}
    return json_answer(selected(told, request.query.get("select", ""), ServerStats))


async def liveness(request: web.Request) -> web.Response:
    return json_answer(server_of(request).whoami())


async def readiness(request: web.Request) -> web.Response:
    server = server_of(request)
    return json_answer(server.whoami(), 200 if server.ready else 503)


async def caller(request: web.Request) -> web.Response:
    """What the sender may do, so that a page offers him that."""
    return json_answer({"name": "", "role": "viewer" if reads_only(request) else "admin"})


async def ui_settings(request: web.Request) -> web.Response:
    """What the UI shows, also before the login."""
    config = server_of(request).configuration.current
    return json_answer(
        {
            "title": f"Streamer {server_of(request).hostname}",
            "brand": "Media",
            "product": "streamer",
            "login_required": config.edit_auth is not None or config.view_auth is not None,
            "config_external": config.config_external is not None,
            "menu_items": {
                "pulse": server_of(request).history.is_kept,
                "streamer_config": True,
                "cluster": False,
                "ipcam": False,
                "iptv": False,
                "chassis": False,
                "main_agents": False,
            },
            "documentation": documentation.is_made(),
            "locales": ["en", "ru"],
            "default_locale": "en",
        }
    )


ROUTES = (
    Route("GET", "/config", get_config, "The configuration", response=ServerConfig),
    Route("PUT", "/config", put_config, "Change the configuration", request=ServerConfig),
    Route("POST", "/config", check_config, "Check a configuration", request=ServerConfig),
    Route(
        "GET",
        "/config/stats",
        get_stats,
        "Statistics of the server",
        response=ServerStats,
        query={"select": "cpu_usage,text_alerts: these fields alone"},
    ),
    Route("GET", "/monitoring/liveness", liveness, "It lives", need="open", response=WhoAmI),
    Route("GET", "/monitoring/readiness", readiness, "It serves", need="open", response=WhoAmI),
    Route("GET", "/caller", caller, "What the sender may do"),
    Route("GET", "/ui_settings", ui_settings, "Branding and menu of the UI", need="open"),
)
