"""What workers use of what is configured: archives, files of locations, what inputs read, caches.

Role: says what a stream needs, and leaves word for the workers that begin from now on. Egress
workers read archives and files and write caches; what is new to them is opened for them.

A flag (`allow_if`) and a playlist are files that are replaced, and may not be there yet, so their
folder is given; where that holds what nobody may read (the configuration, the state), the file
alone is.
"""

import logging
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from media_api.server import ServerConfig
from media_api.stream import StreamConfig
from media_api.unsupported import vod_directories

from media_streamer.archive.declared import Declared
from media_streamer.folders import Folders, tell
from media_streamer.supervisor.catalog import Catalog, Changes

log = logging.getLogger(__name__)

SYSTEM = tuple(
    map(Path, ("/etc", "/root", "/home", "/var/lib", "/var/log", "/run", "/proc", "/sys", "/usr"))
)
"""Folders that hold what is nobody's business, whatever else lies directly in them."""


def vod_folders(config: ServerConfig) -> frozenset[Path]:
    """All that files of locations lie below."""
    found = vod_directories(config).values()
    return frozenset(Path(one) for directories in found for one in directories)


def shows_files(config: StreamConfig) -> bool:
    """Whether the stream reads files of locations."""
    by_file = any(item.scheme in ("file", "sdp", "playlist") for item in config.inputs)
    return by_file or config.backup is not None


def input_folders(config: StreamConfig, spared: Sequence[Path]) -> frozenset[Path]:
    """Where the files of `allow_if` and `deny_if` lie, and playlists; neither `spared` nor a
    folder of the system is given with them."""
    by_list = (one.url for one in config.inputs if one.scheme == "playlist")
    listed = (url.removeprefix("playlist://") for url in by_list)
    flags = (flag for one in config.inputs for flag in (one.allow_if, one.deny_if))
    files = {Path(name) for name in (*flags, *listed) if name}
    return frozenset(
        file if any(one.is_relative_to(file.parent) for one in (*spared, *SYSTEM)) else file.parent
        for file in files
        if file.is_absolute()
    )


def cache_folders(config: ServerConfig) -> frozenset[Path]:
    """Directories that segments are kept in, but for those that streams have for themselves."""
    kept = [one for vod in config.vods for one in (vod.cache, vod.segment_cache)]
    kept += [one.cache for one in config.templates]
    for source in config.sources:
        kept += [source.cache, *(one.cache for one in (source.group_config or {}).values())]
    paths = [*(one.path for one in config.caches), *(one.path for one in kept if one is not None)]
    return frozenset(Path(path) for path in paths if path and path.startswith("/"))


class WorkerFolders:
    """`runtime`: where workers look; `spared`: folders that none is to read because of a file
    in them."""

    def __init__(self, runtime: Path, catalog: Catalog, spared: Sequence[Path] = ()) -> None:
        self._runtime = runtime
        self._catalog = catalog
        self._spared = spared
        self._inputs: dict[str, frozenset[Path]] = {}
        """Of streams that have any."""
        self._caches: dict[str, Path] = {}
        """Of streams that have one for themselves."""
        self._told: dict[str, Folders] = {}
        self._written: dict[str, Folders] = {}
        """The same as workers that begin find it."""

    def inputs_of(self, name: str) -> frozenset[Path]:
        """Folders of the files that its inputs name."""
        return self._inputs.get(name, frozenset())

    def streams_changed(self, changes: Changes) -> None:
        """Look at these streams again."""
        for name in changes.removed | changes.added | changes.changed:
            self._inputs.pop(name, None)
            self._caches.pop(name, None)
            stream = self._catalog.streams.get(name)
            if stream is None:
                continue
            if found := input_folders(stream.config, self._spared):
                self._inputs[name] = found
            kept = stream.config.cache
            if kept is not None and kept.path and kept.path.startswith("/"):
                self._caches[name] = Path(kept.path)

    def tell(self, archives: Iterable[Declared]) -> None:
        """Workers that begin from now on may use these, and what the configuration says."""
        archives, config = list(archives), self._catalog.config
        written = {disk for one in archives for disk in one.writable}
        read = {place.disk for one in archives for place in one.places} | vod_folders(config)
        caches = cache_folders(config).union(self._caches.values())
        told = {
            "media": _folders(written, read.union(*self._inputs.values())),
            "egress": _folders(caches, read | written),
        }
        self._told = told
        if told == self._written:
            return
        try:
            tell(self._runtime, told)
            self._written = told
        except OSError as error:
            log.error("workers do not hear of their folders: %s", error)

    def served(self) -> Folders:
        """What egress workers may use now; may be asked by any thread."""
        return self._told.get("egress", Folders())


def _folders(written: Collection[Path], read: Collection[Path]) -> Folders:
    """What is written is read, too."""
    known = set(written)
    rest = {path for path in read if not known.intersection((path, *path.parents))}
    return Folders(sorted(known), sorted(rest))
