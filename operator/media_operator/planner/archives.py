"""Whether a streamer has the archive that a stream asks for. Pure.

The root file system of a pod is read-only: a directory that no volume holds takes no recording, so
a stream with an archive runs only where a volume of the pod holds it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath


@dataclass(frozen=True, slots=True)
class ArchiveWish:
    """Where a stream or template says that it is recorded: a directory or a named storage."""

    root: str = ""
    reference: str = ""

    @property
    def has_place(self) -> bool:
        """False where a template says the rest."""
        return bool(self.root or self.reference)


@dataclass(frozen=True, slots=True)
class Storages:
    """What a streamer can record to."""

    mounts: tuple[str, ...] = ()
    """Directories that volumes of the user hold."""
    volume: str = ""
    """Where its own archive volume is mounted; empty for none."""
    named: Mapping[str, str] = field(default_factory=dict)
    """Directories of global storages by name."""
    templates: Mapping[str, ArchiveWish] = field(default_factory=dict)
    all_known: bool = True
    """There are no further storages that nobody here knows of."""

    def refuse(self, wish: ArchiveWish | None, template: str) -> bool:
        """Whether a stream of that template would record nothing here."""
        wish = self._inherited(wish, template)
        if wish is None:
            return False
        place = self._directory(wish)
        if place is None:
            return self.all_known
        return "://" not in place and not any(
            _is_below(place, mount) for mount in (*self.mounts, self.volume) if mount
        )

    def keep(self, wish: ArchiveWish | None, template: str) -> bool:
        """Whether its archive would be on the archive volume."""
        wish = self._inherited(wish, template)
        place = self._directory(wish) if wish is not None and self.volume else None
        return place is not None and _is_below(place, self.volume)

    def _inherited(self, wish: ArchiveWish | None, template: str) -> ArchiveWish | None:
        if wish is not None and wish.has_place:
            return wish
        return self.templates.get(template, wish)

    def _directory(self, wish: ArchiveWish) -> str | None:
        """None where nobody here knows it."""
        return wish.root or self.named.get(wish.reference)


def _is_below(path: str, directory: str) -> bool:
    return ".." not in path and PurePosixPath(path).is_relative_to(directory)
