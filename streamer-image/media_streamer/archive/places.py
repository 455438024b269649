"""Where the files of an archive lie: `ROOT/STREAM/YYYY/MM/DD/HH/MM-SS-mmm.mp4`, times in UTC.

Beside each file lies its index (`.idx`): the file's head and marks without the media. Locks of a
stream are in `ROOT/STREAM/locks.json`. Names of streams may have slashes; what could lead out of
the folder is refused.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from media_streamer import opening

HOUR_MS = 3_600_000
MAX_SPAN_MS = HOUR_MS
MIN_SPAN_MS = 60_000
OWNER_FILE = ".streamer.lock"
"""In the root: locked by the server that records there."""
LOCKS_FILE = "locks.json"
MAX_MS = 253_402_300_799_000
"""The end of the year 9999."""
_NAME = re.compile(r"(\d\d)-(\d\d)-(\d{3})")


class RecordedFile(NamedTuple):
    """A file of the archive; it begins at `start_ms` (Unix ms)."""

    start_ms: int
    path: Path


class Place(NamedTuple):
    """Where a part of a stream's archive lies."""

    disk: Path
    """Of all streams that are recorded there."""
    folder: Path
    bucket: str = ""
    """URL of the bucket that has the media; here are only the indexes. Empty: all is here."""


ToldPlace = tuple[str, str, str]


def places_of(told: Sequence[ToldPlace]) -> list[Place]:
    """What processes tell each other."""
    return [Place(Path(disk), Path(folder), bucket) for disk, folder, bucket in told]


def stream_folder(root: Path, stream: str) -> Path:
    """The folder of a stream; raises ValueError for a name that no folder can have."""
    parts = stream.split("/")
    if not stream or any(part in {"", ".", ".."} or "\0" in part for part in parts):
        raise ValueError(f"a stream called {stream!r} can have no folder")
    if any(len(part.encode()) > 240 for part in parts):
        raise ValueError("the name of the stream is too long for a folder")
    return root.joinpath(*parts)


def file_path(folder: Path, start_ms: int) -> Path:
    """The file that begins at `start_ms`."""
    seconds, ms = divmod(start_ms, 1000)
    start = datetime.fromtimestamp(seconds, UTC)
    return folder / f"{start:%Y/%m/%d/%H/%M-%S}-{ms:03d}.mp4"


def index_path(path: Path) -> Path:
    """The index of a file."""
    return path.with_suffix(".idx")


def span_ms(expiration_seconds: int | None) -> int:
    """The longest that one file lasts: what is deleted is deleted by files."""
    if expiration_seconds is None:
        return MAX_SPAN_MS
    return min(MAX_SPAN_MS, max(MIN_SPAN_MS, expiration_seconds * 1000 // 20))


def files_between(
    folder: Path, from_ms: int = 0, to_ms: int = MAX_MS, *, suffix: str = ".mp4"
) -> list[RecordedFile]:
    """Files that may hold something of that time, oldest first. Blocks.

    `suffix`: what is looked for; `.idx` where only the indexes are here.

    A file belongs to the hour in which it begins and may last into the next one.
    """
    from_ms, to_ms = max(0, from_ms), min(to_ms, MAX_MS)
    if from_ms > to_ms:
        return []
    first = datetime.fromtimestamp(from_ms // 1000, UTC) - timedelta(hours=1 if from_ms else 0)
    last = datetime.fromtimestamp(to_ms // 1000, UTC)
    found = [
        one
        for hour, start in _hours(folder, first, last)
        for one in _files_of(hour, start, suffix)
        if one.start_ms <= to_ms
    ]
    found.sort()
    return found


def _hours(folder: Path, first: datetime, last: datetime) -> Iterator[tuple[Path, datetime]]:
    for year in _numbers(folder, 4, first.year, last.year):
        for month in _numbers(year, 2, 1, 12):
            at = f"{year.name}-{month.name}"
            if not f"{first:%Y-%m}" <= at <= f"{last:%Y-%m}":
                continue
            for day in _numbers(month, 2, 1, 31):
                if not f"{first:%Y-%m-%d}" <= f"{at}-{day.name}" <= f"{last:%Y-%m-%d}":
                    continue
                for hour in _numbers(day, 2, 0, 23):
                    try:
                        start = datetime(
                            int(year.name), int(month.name), int(day.name), int(hour.name),
                            tzinfo=UTC,
                        )  # fmt: skip
                    except ValueError:
                        continue  # the 31st of a short month: nobody of ours made it
                    if first.replace(minute=0, second=0, microsecond=0) <= start <= last:
                        yield hour, start


def _numbers(folder: Path, digits: int, low: int, high: int) -> list[Path]:
    """Sub-folders whose names are numbers within bounds, in order."""
    try:
        with opening.listed(folder) as entries:
            names = [entry.name for entry in entries]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [
        folder / name
        for name in sorted(names)
        if len(name) == digits and name.isdecimal() and name.isascii() and low <= int(name) <= high
    ]


def _files_of(hour: Path, start: datetime, suffix: str) -> Iterator[RecordedFile]:
    base = int(start.timestamp())
    try:
        with opening.listed(hour) as entries:
            names = [entry.name for entry in entries]
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in names:
        stem = name.removesuffix(suffix)
        if stem != name and (match := _NAME.fullmatch(stem)):
            minute, second, ms = map(int, match.groups())
            yield RecordedFile((base + 60 * minute + second) * 1000 + ms, hour / f"{stem}.mp4")
