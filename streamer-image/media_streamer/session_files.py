"""Files of sessions that have ended (`session_log`): a line of JSON each, a file a day of UTC.

`sessions-2026-01-31.jsonl`, and `sessions-2026-01-31.1.jsonl` … once one is large. Old files are
deleted by age and by the size of all of them. Readers find what they look for from the newest line
back, within a bound of lines and time.
"""

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

FILE_BYTES = 128 * 1024 * 1024
ALL_BYTES = 4 * 1024 * 1024 * 1024
KEPT_DAYS = 366
MAX_FOUND = 20_000
READ_SECONDS = 5.0
BLOCK_BYTES = 256 * 1024
MAX_LINE_BYTES = 64 * 1024
_NAME = re.compile(r"sessions-(\d{4}-\d\d-\d\d)(?:\.(\d{1,4}))?\.jsonl")
_MODE = 0o640

JsonObject = dict[str, Any]


class _File(NamedTuple):
    day: str
    part: int
    path: Path


def append(directory: Path, lines: list[str], unix: float) -> None:
    """Add lines to the file of now. Raises OSError."""
    directory.mkdir(parents=True, exist_ok=True)
    day = datetime.fromtimestamp(unix, UTC).date().isoformat()
    parts = [one.part for one in _files(directory) if one.day == day]
    part = max(parts, default=0)
    path = _path(directory, day, part)
    if path.exists() and path.stat().st_size >= FILE_BYTES:
        path = _path(directory, day, part + 1)
    data = memoryview("".join(f"{line}\n" for line in lines).encode("utf-8", "replace"))
    descriptor = os.open(
        path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE
    )
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    finally:
        os.close(descriptor)


def clean(directory: Path, unix: float) -> None:
    """Delete what is older than a year, then the oldest until all are within their bound."""
    oldest = (datetime.fromtimestamp(unix, UTC) - timedelta(days=KEPT_DAYS)).date().isoformat()
    files = _files(directory)
    total = sum(one.path.stat().st_size for one in files)
    for one in files[:-1]:
        if one.day >= oldest and total <= ALL_BYTES:
            return
        total -= one.path.stat().st_size
        one.path.unlink(missing_ok=True)


def search(
    directory: Path,
    since_ms: int,
    until_ms: int,
    wanted: Callable[[JsonObject], bool],
    clock: Callable[[], float] = time.monotonic,
) -> tuple[list[JsonObject], bool]:
    """Sessions that ended in a time, the newest first, and whether these are all of them."""
    deadline = clock() + READ_SECONDS
    found: list[JsonObject] = []
    first, last = (
        datetime.fromtimestamp(ms / 1000, UTC).date().isoformat() for ms in (since_ms, until_ms)
    )
    for one in reversed(_files(directory)):
        if not first <= one.day <= last:
            continue
        for number, line in enumerate(_lines_backward(one.path)):
            if len(found) >= MAX_FOUND or (number % 1000 == 0 and clock() > deadline):
                return found, False
            record = _record(line)
            closed = record.get("closed_at")
            if isinstance(closed, int) and since_ms <= closed < until_ms and wanted(record):
                found.append(record)
    return found, True


def _files(directory: Path) -> list[_File]:
    """The oldest first."""
    found = [
        _File(match[1], int(match[2] or 0), path)
        for path in (directory.iterdir() if directory.is_dir() else ())
        if (match := _NAME.fullmatch(path.name))
    ]
    return sorted(found)


def _path(directory: Path, day: str, part: int) -> Path:
    return directory / (f"sessions-{day}.{part}.jsonl" if part else f"sessions-{day}.jsonl")


def _record(line: bytes) -> JsonObject:
    """What is no line of ours (cut off by a crash, edited) is nothing."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _lines_backward(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        at = file.seek(0, os.SEEK_END)
        rest = b""
        while at > 0:
            size = min(BLOCK_BYTES, at)
            at -= size
            file.seek(at)
            lines = (file.read(size) + rest).split(b"\n")
            rest = lines[0] if len(lines[0]) <= MAX_LINE_BYTES else b""
            yield from (line for line in reversed(lines[1:]) if line)
        if rest:
            yield rest
