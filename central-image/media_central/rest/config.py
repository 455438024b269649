"""`/config`: Central's settings as JSON, and their change in its file."""

import asyncio
import logging
import os
import time
from functools import partial
from pathlib import Path

from aiohttp import web
from media_api.base import JsonObject
from media_rest.errors import ApiError
from media_rest.route import Route

from media_central.config_shape import changes, shown
from media_central.models.config import CentralConfig
from media_central.rest.answers import json_answer, metrics_answer, object_body
from media_central.rest.context import Context, context
from media_central.rest.service import central_families
from media_central.settings import Settings, file_of, settings_of
from media_central.settings_edit import SetByEnvironmentError, change_file
from media_central.settings_file import SettingsError, read_settings_file
from media_central.version import central_version

log = logging.getLogger(__name__)


async def get_config(request: web.Request) -> web.StreamResponse:
    """The settings in force, or metrics."""
    ctx = context(request)
    metrics = metrics_answer(request, partial(central_families, ctx))
    return metrics or json_answer(_answer(ctx, ctx.settings))


async def put_config(request: web.Request) -> web.StreamResponse:
    """Saves changes (null: the default) into the file; they hold after a restart."""
    ctx = context(request)
    path = file_of(ctx.settings)
    body = await object_body(request)
    try:
        saved, changed = await asyncio.to_thread(_save, path, body)
    except SettingsError as error:
        raise ApiError(400, "validation_error", "; ".join(error.problems)) from None
    except SetByEnvironmentError as error:
        raise ApiError(409, "set_by_environment", str(error)) from None
    except OSError as error:
        raise ApiError(
            409, "config_not_writable", f"{path} cannot be written: {error.strerror or error}"
        ) from None
    if changed:
        names = ", ".join(name.upper() for name in changed)
        log.info("%s: %s changed by the API; restart Central to apply it", path, names)
    return json_answer({**_answer(ctx, saved), "restart_required": bool(changed)})


def _save(path: Path, body: JsonObject) -> tuple[Settings, list[str]]:
    """What the file says after the change, and what was changed. Blocks. Raises like the parts."""
    written = read_settings_file(path) if path.exists() else []
    saved = settings_of(written, path, os.environ).settings
    wanted = changes(body, saved)
    if wanted:
        saved = change_file(path, wanted, os.environ).settings
    return saved, sorted(wanted)


def _answer(ctx: Context, settings: Settings) -> JsonObject:
    return {
        **shown(settings),
        "server_id": ctx.server_id,
        "stats": {
            "id": ctx.run_id,
            "server_version": central_version(),
            "started_at": round(ctx.started_at),
            "uptime": round(time.time() - ctx.started_at),
        },
    }


ROUTES = (
    Route(
        "GET", "/config", get_config, "Settings", need="admin", operation="config_get",
        response=CentralConfig, query={"format": "openmetrics or prometheus: metrics"},
    ),
    Route(
        "PUT", "/config", put_config, "Change settings in their file, for the next start",
        need="admin", operation="config_save", request=CentralConfig, response=CentralConfig,
    ),
)  # fmt: skip
