"""Settings as `/config` shows and takes them. Pure: settings or a body in, names and values out.

Clients know a nested shape with texts where one would expect booleans (`models/config.py`); the
file knows flat names. `PATHS` says which is which; every other setting keeps its flat name.
Durations are milliseconds. Secrets are only said to be set; a hidden value that comes back
unchanged changes nothing, so that what was read can be sent back.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from media_api.base import JsonObject
from media_process.logs import LEVELS
from media_rest.redact import HIDDEN, redact_url

from media_central.setting_values import Login
from media_central.settings import SETTINGS_BY_NAME, Settings
from media_central.settings_file import SettingsError

PATHS: Mapping[str, tuple[str, ...]] = {
    "http_address": ("listeners", "http", "address"),
    "http_port": ("listeners", "http", "port"),
    "https_port": ("listeners", "https", "port"),
    "ssl_certificate": ("listeners", "https", "certificate"),
    "ssl_certificate_key": ("listeners", "https", "certificate_key"),
    "database_url": ("database", "url"),
    "database_max_connections": ("database", "max_connections"),
    "database_connect_max_retries": ("database", "connect_max_retries"),
    "database_connect_retry_timeout": ("database", "connect_retry_timeout"),
    "cluster_node_config_provision_enabled": ("cluster", "node_config_provision_enabled"),
    "cluster_streamer_connector_retries": ("cluster", "streamer_connector_retries"),
    "log_level": ("loglevel",),
}
"""Setting -> keys in the nested shape. A listener is the only one of its list."""
_LEVEL_WORDS = ("debug", "info", "warning", "error", "critical", "none")
_LISTS = frozenset({"http", "https"})
_AS_TEXT = frozenset({"layouter_enabled", "log_requests"})
"""Booleans that clients decode as text."""
_ALWAYS_SENT = frozenset({"api_key", "database_url"})
"""Typed clients send these empty where they mean to leave them alone."""


def shown(settings: Settings) -> JsonObject:
    """The settings without their secrets, in the nested shape."""
    shape: JsonObject = {"api_key": "", "database": {"url": ""}}
    for item in {item.name: item for item in SETTINGS_BY_NAME.values()}.values():
        value = getattr(settings, item.name)
        if value is not None:
            text = _shown(item.name, value, secret=bool(item.metadata["secret"]))
            _put(shape, PATHS.get(item.name, (item.name,)), text)
    shape["file"] = str(settings.file) if settings.file else None
    return shape


def changes(body: JsonObject, saved: Settings) -> dict[str, str | None]:
    """Text of each setting that differs from what is saved, None for its default.

    Unknown keys are ignored. Raises SettingsError for values that cannot be written.
    """
    now = dict(_flat(shown(saved)))
    found: dict[str, str | None] = {}
    for name, value in _flat(body):
        if value == "" and name in _ALWAYS_SENT:
            continue
        if value != now.get(name):
            found[name] = None if value is None else _text(name, value)
    return found


def _put(shape: JsonObject, keys: tuple[str, ...], value: Any) -> None:
    node: Any = shape
    for key in keys[:-1]:
        node = node.setdefault(key, [{}])[0] if key in _LISTS else node.setdefault(key, {})
    node[keys[-1]] = value


def _flat(body: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """(setting, value) of a body in the nested shape."""
    found: list[tuple[str, Any]] = []
    for name in {item.name: None for item in SETTINGS_BY_NAME.values()}:
        value = _get(body, PATHS.get(name, (name,)))
        if value is not _ABSENT:
            found.append((name, value))
    return found


_ABSENT = object()


def _get(body: Any, keys: tuple[str, ...]) -> Any:
    node = body
    for key in keys:
        if isinstance(node, list):
            if len(node) > 1:
                raise SettingsError([f"{keys[1]}: there can be one listener of a kind"])
            # A list stands for the whole: what is not in it gets its default.
            node = node[0] if node else {}
            if not isinstance(node, Mapping) or key not in node:
                return None
        if node is None:
            return None
        if not isinstance(node, Mapping):
            raise SettingsError([f"{'.'.join(keys)}: {key} cannot be in a value that is no object"])
        if key not in node:
            return _ABSENT
        node = node[key]
    return node


def _shown(name: str, value: Any, *, secret: bool) -> Any:
    if isinstance(value, Login):
        return {"login": value.login, "password": HIDDEN}
    if name == "database_url":
        return redact_url(value)
    if secret:
        return HIDDEN
    if name in _AS_TEXT:
        return "true" if value else "false"
    if name == "log_level":
        return next(word for word in _LEVEL_WORDS if LEVELS[word] == value)
    if name == "database_connect_retry_timeout":
        return f"{value:g}s"
    if isinstance(value, float):
        return round(value * 1000)
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return str(value) if isinstance(value, Path) else value


def _text(name: str, value: Any) -> str:
    """How the file says it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        kind = SETTINGS_BY_NAME[name.upper()].type
        return f"{value}ms" if "float" in str(kind) else str(value)
    if isinstance(value, dict) and name.endswith("_auth"):
        login, password = value.get("login"), value.get("password")
        if not isinstance(login, str) or not isinstance(password, str) or " " in login:
            raise SettingsError([f"{name} needs a login without spaces and a password"])
        value = f"{login} {password}"
    if isinstance(value, str):
        if HIDDEN in value:
            raise SettingsError([f"{name} is hidden with {HIDDEN}: send the whole value"])
        return value
    raise SettingsError([f"{name} must be a text, a number or true or false"])
