"""Which files of an archive go: by age, by size, by the share of the disk. Pure.

Every limit that is set holds at once; the oldest files go first; what overlaps a locked range and
what is being written stays, whatever the limits say.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from media_streamer.archive.ranges import Range


@dataclass(frozen=True, slots=True)
class Limits:
    """What a stream's archive may hold; None: no limit."""

    expiration_seconds: int | None = None
    size_bytes: int | None = None
    disk_percent: int | None = None


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file as the planner sees it."""

    stream: str
    id: str
    """Unique among all files of the plan."""
    time: Range
    size: int
    is_open: bool
    """It may still grow."""
    disk: str = ""


@dataclass(frozen=True, slots=True)
class Disk:
    """A file system in bytes."""

    total: int
    used: int


def expired(
    files: Iterable[StoredFile],
    limits: Mapping[str, Limits],
    locks: Mapping[str, Sequence[Range]],
    disk: Disk,
    now_ms: int,
    here: str = "",
) -> list[StoredFile]:
    """Files to be deleted of the disk `here`, in that order; those of other disks count.

    Files of streams without limits are left alone.
    """
    gone: dict[str, StoredFile] = {}
    kept: dict[str, list[StoredFile]] = {}
    for file in sorted(files, key=lambda one: one.time):
        kept.setdefault(file.stream, []).append(file)
    for stream, own in kept.items():
        limit = limits.get(stream)
        if limit is None:
            continue
        size = sum(file.size for file in own)
        for file in own:
            is_old = (
                limit.expiration_seconds is not None
                and file.time.to_ms <= now_ms - limit.expiration_seconds * 1000
            )
            is_too_much = limit.size_bytes is not None and size > limit.size_bytes
            if (is_old or is_too_much) and _may_go(file, locks):
                gone[file.id] = file
                size -= file.size
    gone = {id: file for id, file in gone.items() if file.disk == here}
    used = disk.used - sum(file.size for file in gone.values())
    own_disk = (f for own in kept.values() for f in own if f.disk == here)
    for file in sorted(own_disk, key=lambda one: one.time):
        limit = limits.get(file.stream)
        if file.id in gone or limit is None or limit.disk_percent is None:
            continue
        if used * 100 > disk.total * limit.disk_percent and _may_go(file, locks):
            gone[file.id] = file
            used -= file.size
    return list(gone.values())


def _may_go(file: StoredFile, locks: Mapping[str, Sequence[Range]]) -> bool:
    return not file.is_open and not any(
        file.time.overlaps(lock) for lock in locks.get(file.stream, ())
    )
