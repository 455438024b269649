"""Looks at what lies below a root, deletes what its streams' limits say. Blocks on the disk."""

import contextlib
import logging
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from media_streamer.archive.declared import Declared
from media_streamer.archive.locks import read_locks
from media_streamer.archive.measuring import LOOK_SECONDS, Measured
from media_streamer.archive.places import RecordedFile, file_path, files_between, index_path
from media_streamer.archive.ranges import Range, merge, total_ms
from media_streamer.archive.retention import Disk, StoredFile, expired
from media_streamer.archive.stored import OVERHANG_MS, remove, stored_bytes

log = logging.getLogger(__name__)

NEW_MS = 120_000
"""A younger archive grows by much from look to look."""
MAX_TOLD_RANGES = 100
"""In the statistics of a stream, the newest ones: its archive may have thousands of gaps, and a
server thousands of streams. `GET …/dvr/ranges` has all."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What the archive of one stream holds."""

    from_ms: int
    to_ms: int
    """Where the newest file ends at the latest."""
    bytes: int
    disk_bytes: int
    ranges: tuple[Range, ...] | None = None
    """When there is something; None: not known yet."""

    def joined(self, other: "Summary") -> "Summary":
        """Of two disks."""
        return Summary(
            min(self.from_ms, other.from_ms),
            max(self.to_ms, other.to_ms),
            self.bytes + other.bytes,
            self.disk_bytes + other.disk_bytes,
            None
            if self.ranges is None or other.ranges is None
            else tuple(merge([*self.ranges, *other.ranges])),
        )

    def as_json(self) -> dict[str, Any]:
        """`media_api.dvr.DvrInfo`."""
        to_ms = self.ranges[-1].to_ms if self.ranges else self.to_ms
        # Clients of the published API want `ranges` whatever is known.
        found: dict[str, Any] = {
            "from": self.from_ms // 1000,
            "depth": max(0, to_ms - self.from_ms) // 1000,
            "ranges": [one.as_json() for one in (self.ranges or ())[-MAX_TOLD_RANGES:]],
            "bytes": self.bytes,
            "disk_size": self.disk_bytes,
        }
        if self.ranges is not None:
            found["duration"] = total_ms(self.ranges) // 1000
        return found


class Growth:
    """Which archives are no more what is told of them, by what was written since they were looked
    at: one that has just begun, or is kept for a minute, is another one after a few segments."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[Summary | None, int]] = {}
        """By stream: what was known, and the bytes written up to then."""

    def is_outgrown(self, stream: str, summary: Summary | None, written: int) -> bool:
        """`written`: bytes since its media worker began."""
        seen, before = self._seen.get(stream, (None, 0))
        if seen != summary or before > written:
            before = 0 if seen is None else written
            self._seen[stream] = summary, before
        if summary is None:
            return written > before
        return summary.to_ms - summary.from_ms < NEW_MS and written - before > summary.bytes

    def forget(self, stream: str) -> None:
        """It has no archive any more."""
        self._seen.pop(stream, None)


def disk_figures(total: int, used: int) -> dict[str, int]:
    """Part of `media_api.server_status.PartitionStats`; bytes."""
    return {"total_mb": total >> 20, "usage": round(100 * used / total) if total else 0}


class Kept(NamedTuple):
    """What a disk holds after its limits were looked at."""

    summaries: dict[str, Summary]
    """By stream."""
    files: list[StoredFile]
    disk: Disk
    asks: frozenset[str] = frozenset()
    """Streams of which something would have been deleted, had one asked for their episodes: if
    there are any, nothing was deleted."""

    def as_json(self) -> dict[str, int]:
        """Part of `media_api.server_status.PartitionStats`."""
        found = self.summaries.values()
        begin = min((one.from_ms for one in found), default=0)
        end = max((one.to_ms for one in found), default=0)
        return {
            **disk_figures(self.disk.total, self.disk.used),
            "dvr_streams": len(found),
            "dvr_bytes": sum(one.disk_bytes for one in found),
            "dvr_depth": max(0, end - begin) // 1000,
        }


def keep_limits(
    root: Path,
    streams: Mapping[str, Declared],
    now_ms: int,
    elsewhere: Sequence[StoredFile] = (),
    kept: Mapping[str, Sequence[Range]] | None = None,
    unasked: frozenset[str] = frozenset(),
    measured: dict[str, Measured] | None = None,
) -> Kept:
    """Delete what is due on one disk; returns what is left. Raises OSError or ValueError.

    `elsewhere`: what the other disks of the streams hold, as far as is known; `kept`: ranges that
    stay beside those that are locked; `unasked`: streams of which it is not known what stays;
    `measured`: what the last look found out of each stream. The newest file of a stream that is
    recorded is never deleted.
    """
    files: list[StoredFile] = []
    folders: dict[str, Path] = {}
    measured = {} if measured is None else measured
    paths: dict[str, tuple[Path, Path]] = {}
    locks = {}
    for name, one in streams.items():
        folder = next(place.folder for place in one.places if place.disk == root)
        folders[name] = folder
        found = files_between(folder)
        for stored, path in _stored(name, one, found, now_ms, str(root)):
            files.append(stored)
            paths[stored.id] = path, folder
        locks[name] = read_locks(one.folder) if found else []
        locks[name] += (kept or {}).get(name, ())
    usage = os.statvfs(root)
    disk = Disk(
        usage.f_frsize * (usage.f_blocks - usage.f_bfree + usage.f_bavail),
        usage.f_frsize * (usage.f_blocks - usage.f_bfree),
    )
    limits = {name: one.limits for name, one in streams.items()}
    known = [file for file in elsewhere if file.stream in streams]
    gone = expired([*files, *known], limits, locks, disk, now_ms, str(root))
    if asks := frozenset(file.stream for file in gone) & unasked:
        return Kept(_summaries(files, folders, measured), files, disk, asks)
    for file in gone:
        remove(*paths[file.id])
    if gone:
        log.info("archive %s: %d files deleted by their limits", root, len(gone))
    deleted = {file.id for file in gone}
    left = [file for file in files if file.id not in deleted]
    disk = Disk(disk.total, disk.used - sum(f.size for f in gone))
    return Kept(_summaries(left, folders, measured), left, disk)


def _stored(
    name: str, one: Declared, found: list[RecordedFile], now_ms: int, disk: str
) -> list[tuple[StoredFile, Path]]:
    stored = []
    longest = one.span_ms + OVERHANG_MS
    for position, file in enumerate(found):
        is_last = position + 1 == len(found)
        end = now_ms if is_last else found[position + 1].start_ms
        end = max(file.start_ms, min(end, file.start_ms + longest))
        size = 0
        for path in (file.path, index_path(file.path)):
            with contextlib.suppress(FileNotFoundError):
                size += stored_bytes(path)
        is_open = is_last and one.records and now_ms - file.start_ms < longest
        time = Range(file.start_ms, end)
        stored.append((StoredFile(name, str(file.path), time, size, is_open, disk), file.path))
    return stored


def _summaries(
    files: Sequence[StoredFile], folders: Mapping[str, Path], measured: dict[str, Measured]
) -> dict[str, Summary]:
    until = time.monotonic() + LOOK_SECONDS
    own: dict[str, list[StoredFile]] = {}
    for file in files:
        own.setdefault(file.stream, []).append(file)
    for name in measured.keys() - own.keys():
        del measured[name]
    found = {}
    for name, those in own.items():
        size = sum(file.size for file in those)
        ranges = measured.setdefault(name, Measured()).look(
            {file.time.from_ms: file.size for file in those},
            partial(file_path, folders[name]),
            until,
        )
        begin, end = min(f.time.from_ms for f in those), max(f.time.to_ms for f in those)
        found[name] = Summary(begin, end, size, size, ranges)
    return found
