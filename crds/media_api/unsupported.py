"""What a configuration asks for and this server does not do: said, not passed over.

Each entry is an alert of `/config/stats`, a line in the log, a warning of `streamer --check`, of
`kubectl apply` (`media_api.admission`) and of a Stream's condition ConfigAccepted. Whoever builds
one of these features removes its entry. What would be unsafe to leave out (authorisation, DRM) is
refused where access is decided.
"""

from collections.abc import Iterable, Mapping
from itertools import islice
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


class Tally:
    """Which streams ask for what is not done, kept while they come and go.

    The alerts of a thousand streams cost as much as there are alerts.
    """

    def __init__(self) -> None:
        self._parts: dict[str, tuple[str, ...]] = {}
        self._names: dict[str, dict[str, None]] = {}
        self._files: dict[str, list[str]] = {}

    def put(self, stream: StreamConfig) -> None:
        """This is the stream of its name from now on."""
        self.drop(stream.name)
        parts = unserved_parts(stream)
        if parts:
            self._parts[stream.name] = parts
        for part in parts:
            self._names.setdefault(part, {})[stream.name] = None
        if files := _files_of(stream):
            self._files[stream.name] = files

    def drop(self, name: str) -> None:
        """There is no stream of that name any more."""
        for part in self._parts.pop(name, ()):
            self._names[part].pop(name)
        self._files.pop(name, None)

    def alerts(self, config: ServerConfig) -> dict[str, str]:
        """Alerts by key; each names what has no effect. `config` without its streams."""
        alerts = _global_alerts(config)
        used = [path for files in self._files.values() for path in files]
        if unused := _unplayed_vods(config, used):
            alerts["vods"] = f"files are inputs only, they are not played by themselves: {unused}"
        names: dict[str, list[str]] = {}
        for template in config.templates:
            for part in unserved_parts(template):
                names.setdefault(part, []).append(template.name)
        for part, streams in self._names.items():
            few = list(islice(streams, MAX_NAMES + 1))
            if few:
                names.setdefault(part, []).extend(few)
        for part, found in sorted(names.items()):
            kind, _, word = part.partition("_")
            if kind == "stream":
                alerts[part] = f"{word} has no effect in this version: {_shown(found)}"
            else:
                alerts[part] = f"{word}:// inputs are not served: {_shown(found)}"
        return alerts


def unsupported_parts(
    config: ServerConfig, streams: Iterable[StreamConfig] | None = None
) -> dict[str, str]:
    """Alerts by key; each names what has no effect.

    `streams` are those that run, if they are not only the ones of `config`.
    """
    tally = Tally()
    for stream in config.streams if streams is None else streams:
        tally.put(stream)
    return tally.alerts(config)


def unserved_parts(item: Options) -> tuple[str, ...]:
    """Keys of the alerts that a stream or a template takes part in."""
    options = (
        f"stream_{option}" for option in STREAM_CHECKS if _asks(option, getattr(item, option, None))
    )
    schemes = {one.scheme for one in item.inputs} - INPUT_SCHEMES
    return (*options, *(f"input_{scheme}" for scheme in schemes))


def _global_alerts(config: ServerConfig) -> dict[str, str]:
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


def _files_of(stream: StreamConfig) -> list[str]:
    """VOD paths that a stream shows."""
    files = [item.url.removeprefix("file://") for item in stream.inputs if item.scheme == "file"]
    if stream.backup is not None and stream.backup.file:
        files.append(stream.backup.file)
    return files


def _unplayed_vods(config: ServerConfig, used: Iterable[str]) -> str:
    """VOD locations that no stream takes its files from."""
    paths = [path.lstrip("/") for path in used] if config.vods else []
    return _shown([
        vod.prefix
        for vod in config.vods
        if not any(path.startswith(f"{vod.prefix}/") for path in paths)
    ])  # fmt: skip


def _shown(names: list[str]) -> str:
    return ", ".join(names[:MAX_NAMES]) + (", …" if len(names) > MAX_NAMES else "")
