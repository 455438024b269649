"""When there is something of the files of a month, in one file beside them: `YYYY/MM/times.bin`.

It saves reading their indexes where a long time is asked for: of each file it says how large it was
and when it was changed last, and holds only while both are so. What is missing, old or damaged
costs the reading of those indexes, nothing else; who looks at a disk again and again
(`archive/measuring`) writes it anew.

    8s  magic      I  CRC-32 of what follows
    QQQI           of each file: start in Unix ms, bytes, time of change in ns, number of ranges
    QQ             of each of its ranges: from, to in Unix ms

Numbers are big-endian. Blocks on the disk.
"""

import contextlib
import os
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from media_streamer import opening
from media_streamer.archive.ranges import Range

FILE_NAME = "times.bin"
MAX_BYTES = 16 * 1024 * 1024
"""Of such a file: a month of files of a minute has 2 MB."""
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_MAGIC = b"dvrtime1"
_HEADER = struct.Struct(">8sI")
_FILE = struct.Struct(">QQQI")
_RANGE = struct.Struct(">QQ")


class FileTimes(NamedTuple):
    """When there is something of a file."""

    ranges: list[Range]
    size: int
    changed_ns: int


def month_of(path: Path) -> Path:
    """The folder of the month of a file of an archive."""
    return path.parents[2]


def read_month(month: Path) -> dict[int, FileTimes]:
    """By the start of each file; empty where nothing can be relied on."""
    try:
        with opening.read_file(month / FILE_NAME) as file:
            data = file.read(MAX_BYTES + 1)
        return _parsed(data)
    except (OSError, ValueError, struct.error):
        return {}


def _parsed(data: bytes) -> dict[int, FileTimes]:
    magic, checksum = _HEADER.unpack_from(data)
    if magic != _MAGIC or zlib.crc32(memoryview(data)[_HEADER.size :]) != checksum:
        raise ValueError("damaged, or of another version")
    found = {}
    at, end = _HEADER.size, len(data)
    while at < end:
        start_ms, size, changed_ns, count = _FILE.unpack_from(data, at)
        at += _FILE.size
        ranges = [Range(*_RANGE.unpack_from(data, at + _RANGE.size * n)) for n in range(count)]
        at += _RANGE.size * count
        found[start_ms] = FileTimes(ranges, size, changed_ns)
    return found


def write_month(month: Path, times: Mapping[int, FileTimes]) -> None:
    """Whole or not at all; a disk that does not take it is complained of elsewhere."""
    parts = []
    for start_ms, one in sorted(times.items()):
        parts.append(_FILE.pack(start_ms, one.size, one.changed_ns, len(one.ranges)))
        parts += (_RANGE.pack(*span) for span in one.ranges)
    body = b"".join(parts)
    if len(body) + _HEADER.size > MAX_BYTES:
        return
    made = month / f"{FILE_NAME}.new"
    try:
        made.unlink(missing_ok=True)
        # No link is followed: who records there may be somebody else than who writes this.
        with open(os.open(made, _NEW, 0o644), "wb") as file:
            file.write(_HEADER.pack(_MAGIC, zlib.crc32(body)) + body)
        made.rename(month / FILE_NAME)
    except OSError:
        with contextlib.suppress(OSError):
            made.unlink()


def remove_if_alone(month: Path) -> None:
    """Delete the file where nothing else is left of the month; raises OSError."""
    ours = {FILE_NAME, f"{FILE_NAME}.new"}
    with os.scandir(month) as entries:
        names = {entry.name for entry in entries}
    if names <= ours:
        for name in names:
            (month / name).unlink(missing_ok=True)


class Months:
    """What is kept of months, each read once: for one reading of an archive."""

    def __init__(self) -> None:
        self._read: dict[Path, dict[int, FileTimes]] = {}

    def of(self, month: Path) -> dict[int, FileTimes]:
        """By the start of each file."""
        found = self._read.get(month)
        if found is None:
            found = self._read[month] = read_month(month)
        return found

    def times(self, start_ms: int, path: Path, state: os.stat_result) -> FileTimes | None:
        """Of the file that begins then, if it is as it was; `path`: its own."""
        found = self.of(month_of(path)).get(start_ms)
        if found is None or found[1:] != (state.st_size, state.st_mtime_ns):
            return None
        return found
