"""Streams that show what another one has recorded (`timeshift://`): whose archives, and where.

Role: the media worker of such a stream is told where the archive lies and may read there; when that
changes it hears of it.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

from media_api.input import delayed_archive

from media_streamer.archive.declared import Declared
from media_streamer.archive.places import ToldPlace
from media_streamer.supervisor.catalog import Catalog, Changes


class ShownArchives:
    """`declared`: the archive of a stream, None if it has none."""

    def __init__(self, declared: Callable[[str], Declared | None]) -> None:
        self._declared = declared
        self._names: dict[str, frozenset[str]] = {}
        """By stream that shows any: whose."""

    def streams_changed(self, changes: Changes, catalog: Catalog) -> None:
        """Look at these streams again."""
        for name in changes.removed | changes.added | changes.changed:
            self._names.pop(name, None)
            stream = catalog.streams.get(name)
            inputs = stream.config.inputs if stream is not None else ()
            found = [delayed for one in inputs if (delayed := delayed_archive(one.url))]
            if found:
                self._names[name] = frozenset(archive for archive, _ in found)

    def shown_by(self, names: Iterable[str]) -> set[str]:
        """Streams that show an archive of these."""
        if not self._names:
            return set()
        wanted = set(names)
        return {stream for stream, shown in self._names.items() if shown & wanted}

    def places(self, name: str) -> dict[str, list[ToldPlace]]:
        """All parts of the archives that a stream shows, by whose they are."""
        return {archive: found.told_places for archive, found in self._found(name)}

    def folders(self, name: str) -> frozenset[Path]:
        """What its media worker reads for that."""
        return frozenset(place.disk for _, found in self._found(name) for place in found.places)

    def _found(self, name: str) -> list[tuple[str, Declared]]:
        shown = ((archive, self._declared(archive)) for archive in self._names.get(name, ()))
        return [(archive, found) for archive, found in shown if found is not None]
