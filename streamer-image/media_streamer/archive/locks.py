"""Locked ranges of a stream: what stays whatever the limits say. Blocks on the disk."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path

from media_api.files import write_file

from media_streamer import opening
from media_streamer.archive.places import LOCKS_FILE, MAX_MS
from media_streamer.archive.ranges import Range, merge

log = logging.getLogger(__name__)

MAX_LOCKS = 10_000


def read_locks(folder: Path) -> list[Range]:
    """In order. Raises OSError or ValueError where they cannot be read, for then nothing may be
    deleted."""
    try:
        text = opening.read_bytes(folder / LOCKS_FILE).decode()
    except (FileNotFoundError, NotADirectoryError):
        return []
    try:
        found = json.loads(text)
        return merge((Range(int(one["from_ms"]), int(one["to_ms"])) for one in found), 0)
    except (TypeError, KeyError, OverflowError, RecursionError) as error:
        raise ValueError(f"{folder / LOCKS_FILE} cannot be read") from error


def write_locks(folder: Path, locks: Sequence[Range]) -> None:
    """Raises OSError, and ValueError for too many."""
    if len(locks) > MAX_LOCKS:
        raise ValueError(f"there are {MAX_LOCKS} locks already")
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps([one._asdict() for one in locks])
    write_file(folder / LOCKS_FILE, text + "\n", new_mode=0o644)


def asked_range(from_seconds: int, duration_seconds: int) -> Range:
    """What a request means, cut to what there can be; raises ValueError for nothing."""
    start = min(max(from_seconds, 0) * 1000, MAX_MS)
    end = min(start + max(duration_seconds, 0) * 1000, MAX_MS)
    if start >= end:
        raise ValueError("the range is empty")
    return Range(start, end)
