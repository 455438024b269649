"""`/config`: Central's settings as JSON, and their change in its file.

Durations are milliseconds. Secrets are only said to be set; a hidden value that comes back
unchanged changes nothing, so that what was read can be sent back.
"""

import asyncio
import dataclasses
import logging
import os
from typing import Any

from aiohttp import web
from media_api.base import JsonObject
from media_rest.errors import ApiError
from media_rest.redact import HIDDEN, redact_url

from media_central.rest.answers import json_answer, object_body
from media_central.rest.context import context
from media_central.rest.streams import Handler
from media_central.settings import SETTINGS_BY_NAME, Login, Settings, setting_name, settings_of
from media_central.settings_edit import SetByEnvironmentError, change_file
from media_central.settings_file import SettingsError, read_settings_file

log = logging.getLogger(__name__)


def routes() -> list[tuple[str, str, Handler]]:
    """Method, path below the base, handler."""
    return [("GET", "/config", get_config), ("PUT", "/config", put_config)]


async def get_config(request: web.Request) -> web.StreamResponse:
    """The settings in force."""
    return json_answer(shown(context(request).settings))


async def put_config(request: web.Request) -> web.StreamResponse:
    """Saves changes (null: the default) into the file; they hold after a restart."""
    path = context(request).settings.file
    if path is None:
        raise ApiError(
            409,
            "no_config_file",
            "this Central was started without a settings file: start it with -c FILE,"
            " or change its environment",
        )
    body = await object_body(request)
    try:
        written = await asyncio.to_thread(read_settings_file, path)
        saved = settings_of(written, path, os.environ).settings
        changes = _changes(body, saved)
        if changes:
            saved = (await asyncio.to_thread(change_file, path, changes, os.environ)).settings
            names = ", ".join(name.upper() for name in sorted(changes))
            log.info("%s: %s changed by the API; restart Central to apply it", path, names)
    except SettingsError as error:
        raise ApiError(400, "validation_error", "; ".join(error.problems)) from None
    except SetByEnvironmentError as error:
        raise ApiError(409, "set_by_environment", str(error)) from None
    except OSError as error:
        raise ApiError(
            409, "config_not_writable", f"{path} cannot be written: {error.strerror or error}"
        ) from None
    return json_answer({**shown(saved), "restart_required": bool(changes)})


def shown(settings: Settings) -> JsonObject:
    """The settings without their secrets."""
    values: JsonObject = {}
    for item in {item.name: item for item in SETTINGS_BY_NAME.values()}.values():
        value = getattr(settings, item.name)
        if value is not None:
            values[item.name] = _shown(item.name, value, bool(item.metadata["secret"]))
    values["file"] = str(settings.file) if settings.file else None
    return values


def _shown(name: str, value: Any, secret: bool) -> Any:
    if isinstance(value, Login):
        return {"login": value.login}
    if name == "database_url":
        return redact_url(value)
    if secret:
        return HIDDEN
    if isinstance(value, float):
        return round(value * 1000)
    return value if isinstance(value, bool | int) else str(value)


def _changes(body: JsonObject, saved: Settings) -> dict[str, str | None]:
    """Text of each setting that differs from what is saved; unknown keys are ignored."""
    now = shown(saved)
    changes: dict[str, str | None] = {}
    for key, value in body.items():
        name = setting_name(key.upper())
        if name is None or value == now.get(name):
            continue
        changes[name] = None if value is None else _text(name, value)
    return changes


def _text(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        kinds = {item.name: str(item.type) for item in dataclasses.fields(Settings)}
        return f"{value}ms" if "float" in kinds[name] else str(value)
    if isinstance(value, dict) and name == "edit_auth":
        login, password = value.get("login"), value.get("password")
        if isinstance(login, str) and isinstance(password, str) and " " not in login:
            return f"{login} {password}"
        raise SettingsError(["edit_auth needs a login without spaces and a password"])
    if isinstance(value, str):
        if HIDDEN in value:
            raise SettingsError([f"{name} is hidden with {HIDDEN}: send the whole value"])
        return value
    raise SettingsError([f"{name} must be a text, a number or true or false"])
