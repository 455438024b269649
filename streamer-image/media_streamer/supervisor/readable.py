"""What media workers use of what is configured: archives, files of locations, flags of inputs.

Role: says what a stream needs, and leaves word for the workers that begin from now on.

A flag is a file that is replaced, and may not be there yet, so its folder is given; where that
holds what nobody may read (the configuration, the state), the file alone is.
"""

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

from media_api.server import ServerConfig
from media_api.stream import StreamConfig
from media_api.unsupported import vod_directories

from media_streamer.archive.declared import Declared
from media_streamer.folders import tell
from media_streamer.supervisor.catalog import Catalog, Changes

log = logging.getLogger(__name__)


def vod_folders(config: ServerConfig) -> frozenset[Path]:
    """All that files of locations lie below."""
    found = vod_directories(config).values()
    return frozenset(Path(one) for directories in found for one in directories)


def shows_files(config: StreamConfig) -> bool:
    """Whether the stream reads files of locations."""
    by_file = any(item.scheme in ("file", "sdp") for item in config.inputs)
    return by_file or config.backup is not None


def flag_folders(config: StreamConfig, spared: Sequence[Path]) -> frozenset[Path]:
    """Where the files of `allow_if` and `deny_if` lie; `spared` is not given with them."""
    flags = {Path(flag) for item in config.inputs for flag in (item.allow_if, item.deny_if) if flag}
    return frozenset(
        flag if any(one.is_relative_to(flag.parent) for one in spared) else flag.parent
        for flag in flags
        if flag.is_absolute()
    )


class WorkerFolders:
    """`runtime`: where media workers look; `spared`: folders that none is to read because of a file
    in them."""

    def __init__(self, runtime: Path, catalog: Catalog, spared: Sequence[Path] = ()) -> None:
        self._runtime = runtime
        self._catalog = catalog
        self._spared = spared
        self._flags: dict[str, frozenset[Path]] = {}
        """Of streams that have any."""
        self._told: tuple[set[Path], set[Path]] | None = None

    def flags_of(self, name: str) -> frozenset[Path]:
        """Folders of the flags of a stream."""
        return self._flags.get(name, frozenset())

    def streams_changed(self, changes: Changes) -> None:
        """Look at these streams again."""
        for name in changes.removed | changes.added | changes.changed:
            self._flags.pop(name, None)
            stream = self._catalog.streams.get(name)
            if stream is not None and (found := flag_folders(stream.config, self._spared)):
                self._flags[name] = found

    def tell(self, archives: Iterable[Declared]) -> None:
        """Media workers that begin from now on may use these, and what the configuration says."""
        archives = list(archives)
        written = {disk for one in archives for disk in one.writable}
        read = {place.disk for one in archives for place in one.places}
        read = read.union(vod_folders(self._catalog.config), *self._flags.values())
        read = {path for path in read if not written.intersection((path, *path.parents))}
        if (written, read) == self._told:
            return
        self._told = written, read
        try:
            tell(self._runtime, written, read)
        except OSError as error:
            log.error("media workers do not hear of their folders: %s", error)
