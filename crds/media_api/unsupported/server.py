"""What the server itself asks for in vain: listeners, storages, global directives, locations."""

from collections.abc import Iterator

from media_api import protocols
from media_api.events import never_sent
from media_api.scripts import script_path
from media_api.server import ServerConfig
from media_api.unsupported.archives import storages_ask_in_vain
from media_api.unsupported.streams import drm_in_vain, srt_in_vain
from media_api.unsupported.words import (
    FILE_STORAGE_OPTIONS,
    GLOBALS,
    LISTENER_OPTIONS,
    LISTS,
    NO_EFFECT,
    STORAGE_SCHEMES,
    VOD_OPTIONS,
    InVain,
    Path,
    asks,
    get,
    shown,
)


def server_asks_in_vain(config: ServerConfig) -> list[InVain]:
    """All of the server itself."""
    return [
        *_listeners(config),
        *srt_in_vain(config),
        *storages_ask_in_vain(config.dvrs),
        *_globals(config),
        *_named(config),
    ]


def _listeners(config: ServerConfig) -> Iterator[InVain]:
    served = protocols.served_listeners()
    for name in protocols.listeners():
        if name not in served and config.listeners is not None and config.listeners.of(name):
            text = f"{name} listeners are configured, but {name} is not served"
            yield InVain(f"listener_{name}", ("listeners", name, 0), text)
        for index, one in enumerate(config.listeners.of(name) if config.listeners else ()):
            for option in LISTENER_OPTIONS:
                if asks(option, get(one, option)):
                    text = f"{option} of {name} listeners {NO_EFFECT}"
                    yield InVain(f"listener_{option}", ("listeners", name, index, option), text)


def _globals(config: ServerConfig) -> Iterator[InVain]:
    for key in LISTS:
        if count := len(getattr(config, key)):
            text = f"{key}: {count} are configured and have no effect in this version"
            yield InVain(key, (key,), text)
    for key in GLOBALS:
        if getattr(config, key):
            yield InVain(key, (key,), f"{key} {NO_EFFECT}")
    for key, reason in protocols.unserved_fields().items():
        if getattr(config, key, None):
            yield InVain(key, (key,), f"{key} has no effect: {reason}")


def _named(config: ServerConfig) -> Iterator[InVain]:
    scripts = [sink for sink in config.event_sinks if sink.url.startswith("lua://")]
    if odd := [sink.name for sink in scripts if script_path(sink.url) is None]:
        text = f"event sinks have no effect, a script is /path/NAME.lua: {shown(odd)}"
        yield InVain("event_sinks", ("event_sinks",), text)
    for index, sink in enumerate(config.event_sinks):
        for key, filters in (("only", sink.only), ("except", sink.except_)):
            if names := never_sent(filters or ()):
                text = f"event sink {sink.name}: no event is called {shown(names)}"
                yield InVain("event_sinks_filter", ("event_sinks", index, key), text)
    if config.init_script and script_path(config.init_script) is None:
        text = "init_script has no effect, a script is /path/NAME.lua"
        yield InVain("init_script", ("init_script",), text)
    backends = config.auth_backends
    limited = [one.name for one in backends if one.allow_countries or one.deny_countries]
    if (rules := limited) and not config.geoip:
        text = "auth_backend rules on countries decide nothing without a database (geoip)"
        yield InVain("auth_backends", ("auth_backends",), f"{text}: {shown(rules)}")
    yield from locations_ask_in_vain(config)


def locations_ask_in_vain(config: ServerConfig) -> Iterator[InVain]:
    """All of the locations of files."""
    for index, vod in enumerate(config.vods):
        for place, storage in enumerate(vod.storages):
            if not storage.url.startswith(STORAGE_SCHEMES):
                scheme = storage.url.partition("://")[0]
                text = f"vod {vod.prefix}: storages by {scheme} are not served"
                yield InVain("vod_storages", ("vods", index, "storages", place), text)
            elif vod.auto_mbr and not storage.url.startswith(("/", "file://")):
                text = f"vod {vod.prefix}: auto_mbr finds files in directories only"
                yield InVain("vod_auto_mbr", ("vods", index, "storages", place), text)
            for key in FILE_STORAGE_OPTIONS:
                if asks(key, get(storage, key)):
                    text = f"vod {vod.prefix}: {key} of storages {NO_EFFECT}"
                    where: Path = ("vods", index, "storages", place, key)
                    yield InVain(f"vod_storage_{key}", where, text)
        for one in drm_in_vain(vod.drm):
            key = one.key.replace("stream_", "vod_")
            yield InVain(key, ("vods", index, *one.path), f"vod {vod.prefix}: {one.text}")
        if vod.thumbnails is not None and get(vod.thumbnails, "url"):
            text = f"vod {vod.prefix}: url of thumbnails has no effect: files have their own"
            yield InVain("vod_thumbnails_url", ("vods", index, "thumbnails", "url"), text)
        for key in VOD_OPTIONS:
            if asks(key, getattr(vod, key)):
                yield InVain(
                    f"vod_{key}", ("vods", index, key), f"vod {vod.prefix}: {key} {NO_EFFECT}"
                )
