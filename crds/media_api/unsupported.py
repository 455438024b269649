"""What a configuration asks for and this server does not do: said, not passed over.

Each entry is an alert of `/config/stats`, a line in the log, a warning of `streamer --check`, of
`kubectl apply` (`media_api.admission`) and of a Stream's condition ConfigAccepted. Whoever builds
one of these features removes its entry. What would be unsafe to leave out (authorisation, DRM) is
refused where access is decided.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from media_api import protocols
from media_api.server import ServerConfig
from media_api.stream import StreamConfig, TemplateConfig

Options = StreamConfig | TemplateConfig

LISTS = ("sources", "peers", "balancers", "dvrs", "caches", "http_proxies")
GLOBALS = (
    "pulsedb", "session_log", "nvidia_monitor", "geoip", "aliaser", "init_script", "wwwroot",
    "dynafile",
)  # fmt: skip
STREAM_OPTIONS = (
    "dvr", "transcoder", "pushes", "drm", "epg_enabled", "hls_scte35", "mpegts_pids",
    "playback_headers", "jpeg_snapshot_sign_key", "logo", "record_input", "cache",
)  # fmt: skip
"""Options that ask for something whenever they have a value that is not false."""


HARMLESS: Mapping[str, Any] = {"prepush": True, "mpegts_ac3": "keep"}
"""Options that ask for nothing with this value either, and for something with any other."""
STREAM_CHECKS = frozenset({
    *STREAM_OPTIONS,
    *HARMLESS,
    *(name for name in protocols.unserved_fields() if name in StreamConfig.model_fields),
})  # fmt: skip
"""Options of a stream that are not done."""


def _asks(option: str, value: Any) -> bool:
    """Of a model's field or of its document: an object asks for something, also an empty one."""
    if option in HARMLESS and value == HARMLESS[option]:
        return False
    return bool(value) or isinstance(value, Mapping) or (option in HARMLESS and value is not None)


INPUT_SCHEMES = protocols.served_schemes("pull") | {protocols.ANY_PUBLISHER}
MAX_NAMES = 5


def unsupported_parts(
    config: ServerConfig, streams: Iterable[StreamConfig] | None = None
) -> dict[str, str]:
    """Alerts by key; each names what has no effect.

    `streams` are those that run, if they are not only the ones of `config`.
    """
    streams = list(config.streams if streams is None else streams)
    alerts = {
        f"listener_{protocol}": f"{protocol} listeners are configured, but {protocol} is not served"
        for protocol in protocols.listeners().keys() - protocols.served_listeners().keys()
        if config.listeners is not None and config.listeners.of(protocol)
    }
    for key in LISTS:
        if count := len(getattr(config, key)):
            alerts[key] = f"{key}: {count} are configured and have no effect in this version"
    for key in GLOBALS:
        if getattr(config, key):
            alerts[key] = f"{key} has no effect in this version"
    if scripts := [sink.name for sink in config.event_sinks if sink.url.startswith("lua://")]:
        alerts["event_sinks"] = f"event sinks that are scripts have no effect: {_shown(scripts)}"
    if unused := _unplayed_vods(config, streams):
        alerts["vods"] = f"files are inputs only, they are not played by themselves: {unused}"
    options: list[Options] = [*config.templates, *streams]
    for option in sorted(STREAM_CHECKS):
        names = [item.name for item in options if _asks(option, getattr(item, option, None))]
        if names:
            alerts[f"stream_{option}"] = f"{option} has no effect in this version: {_shown(names)}"
    for scheme, names in sorted(_unserved_inputs(options).items()):
        alerts[f"input_{scheme}"] = f"{scheme}:// inputs are not served: {_shown(names)}"
    return alerts


def unserved_options(document: Mapping[str, Any]) -> list[str]:
    """Paths within a stream's or template's document (JSON names) that have no effect.

    It need not be validated: what cannot be read asks for nothing here.
    """
    found = [key for key in document if key in STREAM_CHECKS and _asks(key, document[key])]
    schemes = input_schemes(document)
    return [*found, *(f"inputs[{i}]" for i, s in enumerate(schemes) if s not in INPUT_SCHEMES)]


def unserved_globals(document: Mapping[str, Any]) -> list[str]:
    """The same of a document of global directives, such as a Streamer's `config`."""
    listeners = document.get("listeners") or {}
    ports = protocols.listeners().keys() - protocols.served_listeners().keys()
    return [
        *(key for key in (*LISTS, *GLOBALS) if document.get(key)),
        *(f"listeners.{name}" for name in sorted(ports) if listeners.get(name)),
        *(
            f"templates[{template.get('name') or index}].{path}"
            for index, template in enumerate(document.get("templates") or [])
            for path in unserved_options(template)
        ),
    ]


def input_schemes(document: Mapping[str, Any]) -> list[str]:
    """The scheme of each input of a stream's or template's document."""
    inputs = document.get("inputs") or []
    return [str(item.get("url") or "").partition("://")[0] for item in inputs]


def _unserved_inputs(options: list[Options]) -> dict[str, list[str]]:
    """Names of streams and templates by the scheme that they ask for in vain."""
    found: dict[str, list[str]] = {}
    for item in options:
        for scheme in {one.scheme for one in item.inputs} - INPUT_SCHEMES:
            found.setdefault(scheme, []).append(item.name)
    return found


def _unplayed_vods(config: ServerConfig, streams: Iterable[StreamConfig]) -> str:
    """VOD locations that no stream takes its files from."""
    used = [
        path
        for stream in streams
        for path in (
            *(item.url.removeprefix("file://") for item in stream.inputs if item.scheme == "file"),
            stream.backup.file if stream.backup is not None and stream.backup.file else "",
        )
    ]
    return _shown([
        vod.prefix
        for vod in config.vods
        if not any(path.lstrip("/").startswith(f"{vod.prefix}/") for path in used)
    ])  # fmt: skip


def _shown(names: list[str]) -> str:
    return ", ".join(names[:MAX_NAMES]) + (", …" if len(names) > MAX_NAMES else "")
