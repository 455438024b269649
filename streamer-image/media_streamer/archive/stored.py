"""Files of an archive as the disk has them: what they take, how they go. Blocks on the disk."""

from pathlib import Path

from media_streamer.archive.month_times import month_of, remove_if_alone
from media_streamer.archive.places import index_path

OVERHANG_MS = 60_000
"""A file may last that much longer than its span: a segment more."""
_BLOCK = 512
"""Unit of `st_blocks`, whatever the file system has."""


def stored_bytes(path: Path) -> int:
    """Bytes of a file without its holes; raises FileNotFoundError."""
    found = path.stat()
    return min(found.st_size, found.st_blocks * _BLOCK) if found.st_blocks else found.st_size


def remove(path: Path, folder: Path) -> None:
    """Delete a file, its index, and the folders that become empty; raises OSError."""
    # The index last: a file without one is read all the same, and not the other way round.
    path.unlink(missing_ok=True)
    index_path(path).unlink(missing_ok=True)
    for parent in path.parents:
        if parent == folder:
            break
        try:
            if parent == month_of(path):
                remove_if_alone(parent)
            parent.rmdir()
        except OSError:
            break
