"""Deleting a part of an archive before its time. Blocks on the disk.

Whole files go as they do by their limits. In a file of which something stays, and which may be
written to, the segments keep their place: their marks say that they are deleted, a `free` box
covers what they held, and the disk gets its blocks back. Players read the file as before.

Invariant: nothing of a segment is touched before its index says that it is deleted, so a crash
leaves it whole or away.
"""

import ctypes
import os
import struct
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from media_streamer.archive.container import FLAGS_OFFSET, Group, erased_flags, mark_bytes
from media_streamer.archive.declared import Declared
from media_streamer.archive.gaps import MAX_SEGMENT_MS
from media_streamer.archive.library import read_all
from media_streamer.archive.locks import read_locks
from media_streamer.archive.places import RecordedFile, files_between, index_path
from media_streamer.archive.ranges import Range
from media_streamer.archive.replica import leave_out
from media_streamer.archive.stored import OVERHANG_MS, remove

BOX_BYTES = 8
_PUNCH = 0x02 | 0x01
"""FALLOC_FL_PUNCH_HOLE, FALLOC_FL_KEEP_SIZE of linux/falloc.h."""
ZEROS = bytes(1024 * 1024)


class Locked(ValueError):  # noqa: N818 - the answer to a request
    """Something of the range is locked."""


def check_locks(wanted: Range, locks: Iterable[Range]) -> None:
    """Raises Locked, with the words for who asks."""
    for lock in locks:
        if lock.overlaps(wanted):
            told = lock.as_json()
            raise Locked(
                f"locked from {told['from']} for {told['duration']} s: unlock that first, nothing"
                " was deleted"
            )


def before_erasing(archive: Declared, wanted: Range) -> None:
    """Nothing of it may be locked, and what others have of it must not come back.

    Raises Locked, OSError, and ValueError where that cannot be put down.
    """
    check_locks(wanted, read_locks(archive.folder))
    if archive.replica is not None:
        # Whole segments are deleted, and the other server's are cut elsewhere.
        wide = Range(max(0, wanted.from_ms - MAX_SEGMENT_MS), wanted.to_ms + MAX_SEGMENT_MS)
        folder, age = archive.replica.place.folder, archive.limits.expiration_seconds
        leave_out(folder, wide, int(time.time() * 1000), age)


def erase(folder: Path, wanted: Range, span_ms: int, now_ms: int) -> int:
    """Delete every segment that has something of a time; returns how many there were.

    `span_ms`: the longest that a file lasts which may still be written to. Raises OSError.
    """
    erased = 0
    for file in files_between(folder, wanted.from_ms - span_ms, wanted.to_ms):
        try:
            head, groups = read_all(file, file.path.stat().st_size)
        except (FileNotFoundError, ValueError):
            continue
        chosen = [g for g in groups if Range(g.start_ms, g.end_ms).overlaps(wanted)]
        left = any(not group.erased for group in groups if group not in chosen)
        erased += sum(not group.erased for group in chosen)
        if not left and file.start_ms + span_ms + OVERHANG_MS < now_ms:
            remove(file.path, folder)
        else:
            fresh = [group for group in chosen if not group.erased]
            erase_within(file, head.size, len(head.tracks), groups, fresh)
    return erased


def erase_within(
    file: RecordedFile, head: int, tracks: int, groups: Sequence[Group], chosen: Sequence[Group]
) -> None:
    """Delete the chosen segments of all that a file has; `head` is its size. Raises OSError."""
    if not chosen:
        return
    step = mark_bytes(tracks)
    try:
        index = os.open(index_path(file.path), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        index = -1  # the marks of the file are read then
    media = os.open(file.path, os.O_RDWR | os.O_CLOEXEC)
    try:
        numbers = {group.offset: number for number, group in enumerate(groups)}
        for group in chosen:
            if index >= 0:
                at = head + step * numbers[group.offset]
                if at + step <= os.fstat(index).st_size:
                    os.pwrite(index, erased_flags(group), at + FLAGS_OFFSET)
        if index >= 0:
            os.fsync(index)
        for group in chosen:
            os.pwrite(media, erased_flags(group), group.offset - step + FLAGS_OFFSET)
            os.pwrite(media, struct.pack(">I4s", group.size, b"free"), group.offset)
            _give_back(media, group.offset + BOX_BYTES, group.size - BOX_BYTES)
        os.fsync(media)
    finally:
        os.close(media)
        if index >= 0:
            os.close(index)


def _give_back(descriptor: int, at: int, size: int) -> None:
    """Make zeros of bytes, without blocks where the file system can; raises OSError."""
    if size <= 0:
        return
    fallocate = ctypes.CDLL(None, use_errno=True).fallocate
    fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    if fallocate(descriptor, _PUNCH, at, size) == 0:
        return
    while size > 0:
        written = os.pwrite(descriptor, ZEROS[:size], at)
        at, size = at + written, size - written
