"""What is wrong with the server, in words for people (`text_alerts` of `/config/stats`).

Invariants: an alert stands for as long as its cause; the log has a line when it appears or says
something else, and no second one.
"""

import logging
from collections.abc import Callable, Mapping

from media_api.server import ServerConfig
from media_api.unsupported import Tally

from media_streamer.supervisor.catalog import Catalog, Changes

log = logging.getLogger(__name__)

Source = Callable[[], Mapping[str, str]]


class Alerts:
    """`sources` give the alerts of others, asked for when somebody looks."""

    def __init__(self, catalog: Catalog, *sources: Source) -> None:
        self._catalog = catalog
        self._sources = list(sources)
        self._tally = Tally()
        self._unserved: dict[str, str] = {}
        self._own: dict[str, str] = {}

    def add(self, source: Source) -> None:
        """One more."""
        self._sources.append(source)

    def set(self, key: str, text: str) -> None:
        """The alert `key` says `text` from now on; empty: there is none."""
        if text:
            self._own[key] = text
        else:
            self._own.pop(key, None)

    def all(self) -> dict[str, str]:
        found = dict(self._unserved)
        for source in self._sources:
            found.update(source())
        return {**found, **self._own}

    def streams_changed(self, changes: Changes) -> None:
        """Look at these streams again; `configured` says what was found."""
        for name in changes.removed:
            self._tally.drop(name)
        for name in changes.added | changes.changed:
            if (stream := self._catalog.streams.get(name)) is not None:
                self._tally.put(stream.config)

    def configured(self, config: ServerConfig) -> None:
        """What of the configuration has no effect, and a line in the log for what is new."""
        found = self._tally.alerts(config)
        for key, text in found.items():
            if text != self._unserved.get(key):
                log.warning("configuration: %s", text)
        self._unserved = found
