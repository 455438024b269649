"""Alerts of all that is configured in vain, kept while streams come and go."""

from collections.abc import Iterable
from itertools import islice

from media_api.server import ServerConfig
from media_api.stream import StreamConfig
from media_api.unsupported.server import server_asks_in_vain
from media_api.unsupported.streams import asked_in_vain, countries_in_vain, files_in_vain
from media_api.unsupported.words import MAX_NAMES, shown


class Tally:
    """Which streams ask for what is not done, kept while they come and go.

    The alerts of a thousand streams cost as much as there are alerts, and streams with files.
    """

    def __init__(self) -> None:
        self._keys: dict[str, tuple[str, ...]] = {}
        self._texts: dict[str, str] = {}
        self._names: dict[str, dict[str, None]] = {}
        self._by_server: dict[str, StreamConfig] = {}
        """Streams that get what they ask for on some servers: with files, limited to countries."""

    def put(self, stream: StreamConfig) -> None:
        """This is the stream of its name from now on."""
        self.drop(stream.name)
        found = {one.key: one.text for one in asked_in_vain(stream)}
        if found:
            self._keys[stream.name] = tuple(found)
        for key, text in found.items():
            self._texts[key] = text
            self._names.setdefault(key, {})[stream.name] = None
        files = any(one.scheme == "file" for one in stream.inputs) or stream.backup is not None
        if files or any(countries_in_vain(stream)):
            self._by_server[stream.name] = stream

    def drop(self, name: str) -> None:
        """There is no stream of that name any more."""
        for key in self._keys.pop(name, ()):
            self._names[key].pop(name)
        self._by_server.pop(name, None)

    def alerts(self, config: ServerConfig) -> dict[str, str]:
        """Alerts by key; each names what has no effect. `config` without its streams."""
        vods, geoip = vod_directories(config), bool(config.geoip)
        names: dict[str, tuple[str, list[str]]] = {}
        for name, item in (
            *((template.name, template) for template in config.templates),
            *((source.url, source) for source in config.sources),
        ):
            for key, text in {
                one.key: one.text for one in asked_in_vain(item, vods, geoip)
            }.items():
                names.setdefault(key, (text, []))[1].append(name)
        for key, streams in self._names.items():
            few = list(islice(streams, MAX_NAMES + 1))
            if few:
                names.setdefault(key, (self._texts[key], []))[1].extend(few)
        for name, stream in self._by_server.items():
            found_here = [
                *files_in_vain(stream, vods),
                *(() if geoip else countries_in_vain(stream)),
            ]
            for key, text in {one.key: one.text for one in found_here}.items():
                names.setdefault(key, (text, []))[1].append(name)
        found = server_asks_in_vain(config)
        alerts = {one.key: one.text for one in found}
        return alerts | {key: f"{text}: {shown(found)}" for key, (text, found) in names.items()}


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


def vod_directories(config: ServerConfig) -> dict[str, list[str]]:
    """Local directories by VOD location; remote storages are no directories."""
    return {
        vod.prefix: [
            storage.url.removeprefix("file://")
            for storage in vod.storages
            if storage.url.startswith(("/", "file://"))
        ]
        for vod in config.vods
        if not vod.disabled
    }
