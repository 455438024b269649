"""Settings that a container gives by environment variables; they win over the file.

Each setting is `STREAMER_X` or, as older images say, `FLUSSONIC_X`; the first wins. `LICENSE_KEY`
and `SECRETS_STORAGE` are accepted and have no effect.
"""

from collections.abc import Callable, Mapping
from typing import Any

from media_api import protocols
from media_api.server import ListenerConfig, ServerConfig
from pydantic import ValidationError

from media_streamer.config.problems import ConfigProblem
from media_streamer.worker_counts import EGRESS_WORKERS, default_workers

PREFIXES = ("STREAMER_", "FLUSSONIC_")
FILENAME = "environment"
"""Stands for a file name in problems."""


def egress_workers(environ: Mapping[str, str]) -> int:
    """How many there will be; a variable that is no number is told at the start."""
    text = environ.get(EGRESS_WORKERS, "")
    return int(text) if text.isdecimal() and len(text) < 4 else default_workers()


def _listen(protocol: str) -> Callable[[ServerConfig, Any], None]:
    def put(config: ServerConfig, checked: Any) -> None:
        """Listen there too; a listener of the file on the same port keeps its options."""
        wanted = checked.listeners.of(protocol)
        if config.listeners is None:
            config.listeners = checked.listeners
            return
        listeners: list[ListenerConfig] = config.listeners.of(protocol).copy()
        known = {listener.port for listener in listeners}
        listeners += [listener for listener in wanted if listener.port not in known]
        setattr(config.listeners, protocol, listeners)

    return put


def _set(key: str) -> Callable[[ServerConfig, Any], None]:
    def put(config: ServerConfig, checked: Any) -> None:
        setattr(config, key, getattr(checked, key))

    return put


_Setting = tuple[Callable[[str], dict[str, Any]], Callable[[ServerConfig, Any], None]]


def _port_of(listener: str) -> _Setting:
    return lambda text: {"listeners": {listener: [text]}}, _listen(listener)


# Variable -> (JSON of the value, how it enters the configuration).
_VARIABLES: dict[str, _Setting] = {
    **{name.upper(): _port_of(name) for name in protocols.listeners()},
    "ADMIN_HTTP": _port_of("http"),
    "HOSTNAME": (lambda text: {"hostname": text}, _set("hostname")),
    "EDIT_AUTH": (lambda text: {"edit_auth": text}, _set("edit_auth")),
    "VIEW_AUTH": (lambda text: {"view_auth": text}, _set("view_auth")),
    "CLUSTER_KEY": (lambda text: {"cluster_key": text}, _set("cluster_key")),
    "CONFIG_EXTERNAL": (lambda text: {"config_external": text}, _set("config_external")),
    "TRUSTED_PROXIES": (
        lambda text: {"trusted_proxies": text.replace(",", " ").split()},
        _set("trusted_proxies"),
    ),
    "WEBRTC_ADDRESSES": (
        lambda text: {"webrtc_addresses": text.replace(",", " ").split()},
        _set("webrtc_addresses"),
    ),
    "LOG_LEVEL": (lambda text: {"loglevel": text.lower()}, _set("loglevel")),
    "ADMIN_VIEW_DISABLED": (
        lambda text: {"admin_view_disabled": text},
        _set("admin_view_disabled"),
    ),
}


def apply_environment(config: ServerConfig, environ: Mapping[str, str]) -> list[ConfigProblem]:
    """Put the settings of `environ` into `config`; returns a problem for each that is refused."""
    problems = []
    for name, (as_json, put) in _VARIABLES.items():
        variable = next((p + name for p in PREFIXES if environ.get(p + name)), None)
        if variable is None:
            continue
        value = as_json(environ[variable].strip())
        try:
            put(config, ServerConfig.model_validate(value))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            detail = f"{variable}: {first['msg'].removeprefix('Value error, ')}"
            path = (str(next(iter(value))),)
            problems.append(ConfigProblem(0, 0, path, "bad_value", detail, FILENAME))
    return problems
