"""Events of one sink that wait on disk until its receiver is back, also over a restart.

Files `NUMBER.jsonl`, an event a line, named by the first event in them, and `position`: the file
and the byte up to which everything was taken. A file is closed at `FILE_EVENTS`, and removed once
all of it was taken, so what lies there is bounded and its removal costs nothing. A line that was
cut off by a power failure is passed over.

All methods block, may be called from any thread, and raise OSError where the disk fails.
"""

import contextlib
import json
import os
import shutil
import threading
from hashlib import blake2b
from pathlib import Path
from typing import Any
from urllib.parse import quote

Event = dict[str, Any]

FILE_EVENTS = 1000
MAX_BYTES = 256 * 1024 * 1024
"""Of a sink: about 400,000 events."""
MAX_NAME = 200
FILE_MODE = 0o600
POSITION = "position"


def backlog_directory(parent: Path, name: str) -> Path:
    """Where the events of the sink of that name lie."""
    shown = quote(name, safe="").replace(".", "%2E")
    if len(shown) > MAX_NAME:
        shown = blake2b(name.encode(), digest_size=16).hexdigest()
    return parent / shown


class Backlog:
    """`limit`: events that are kept; the oldest give way to new ones."""

    def __init__(self, directory: Path, *, max_bytes: int = MAX_BYTES) -> None:
        self._directory = directory
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._counts: dict[int, int] | None = None
        """Lines by file, the oldest first; None: the directory was not read yet."""
        self._last = -1
        """Number of the newest event."""
        self._offset = 0
        """Bytes of the oldest file that were taken."""
        self._taken = 0
        """Lines of the oldest file that were taken."""
        self._read: tuple[int, int, int] = (-1, 0, 0)
        """File, and bytes and lines of it, that the last reading went up to."""
        self._open = -1
        """The file that is written to; -1: the next event begins one."""
        self._discarded = False

    def __len__(self) -> int:
        """Events that wait, of what was read and written so far."""
        return sum((self._counts or {}).values()) - self._taken

    def load(self) -> int:
        """Find what an earlier run left; returns how many events wait."""
        with self._lock:
            self._load()
            return len(self)

    def append(self, events: list[Event], limit: int | None = None) -> int:
        """Keep events behind the others; returns how many gave way.

        What is there already is not kept twice: numbers grow.
        """
        with self._lock:
            if self._discarded:
                return 0
            self._load()
            new = [one for one in events if one["event_id"] > self._last]
            for start in range(0, len(new), FILE_EVENTS):
                self._write(new[start : start + FILE_EVENTS])
            return self._make_room(limit)

    def read(self, most: int) -> list[Event]:
        """The oldest events, at most `most`; they stay until `take`."""
        with self._lock:
            self._load()
            counts = self._counts or {}
            while counts:
                number = next(iter(counts))
                found = self._read_lines(number, most)
                if found:
                    return found
                self._remove_first()
            return []

    def take(self) -> None:
        """What was read last is done."""
        with self._lock:
            number, offset, lines = self._read
            if self._counts and number == next(iter(self._counts)):
                self._offset, self._taken = offset, lines
                self._passed()

    def discard(self) -> None:
        """The sink is gone: nothing is kept any more."""
        with self._lock:
            self._discarded = True
            self._counts, self._offset, self._taken, self._open = {}, 0, 0, -1
            shutil.rmtree(self._directory, ignore_errors=True)

    def _load(self) -> None:
        if self._counts is not None:
            return
        counts = {}
        for number in sorted(_numbers(self._directory)):
            data = self._path(number).read_bytes()
            counts[number] = data.count(b"\n") + (not data.endswith(b"\n"))
            for line in data.rsplit(b"\n", 2)[-2:]:
                self._last = max(self._last, (_event(line) or {}).get("event_id", number))
        self._counts = counts
        number, offset, taken = _position(self._directory / POSITION)
        if counts and number == next(iter(counts)):
            done = self._path(number).read_bytes()[:offset]
            # Else it is damaged: an event that is told twice is better than one that is lost.
            if len(done) == offset and done[-1:] in (b"", b"\n") and done.count(b"\n") == taken:
                self._offset, self._taken = offset, taken

    def _write(self, events: list[Event]) -> None:
        """At most FILE_EVENTS."""
        assert self._counts is not None
        if self._counts.get(self._open, FILE_EVENTS) + len(events) > FILE_EVENTS:
            self._open = events[0]["event_id"]
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        data = b"".join(json.dumps(one).encode() + b"\n" for one in events)
        try:
            _append(self._path(self._open), data)
        except OSError:
            self._open = -1
            raise
        self._counts[self._open] = self._counts.get(self._open, 0) + len(events)
        self._last = events[-1]["event_id"]

    def _make_room(self, limit: int | None) -> int:
        counts, dropped = self._counts, 0
        assert counts is not None
        while len(counts) > 1 and self._bytes() > self._max_bytes:
            dropped += next(iter(counts.values())) - self._taken
            self._remove_first()
        while limit is not None and (surplus := len(self) - limit) > 0:
            number = next(iter(counts))
            if counts[number] - self._taken <= surplus:
                dropped += counts[number] - self._taken
                self._remove_first()
                continue
            self._read_lines(number, surplus)
            _, self._offset, self._taken = self._read
            self._passed()
            dropped += surplus
        return dropped

    def _bytes(self) -> int:
        return sum(self._path(number).stat().st_size for number in self._counts or ())

    def _read_lines(self, number: int, most: int) -> list[Event]:
        """Events of the oldest file from what was taken on."""
        found: list[Event] = []
        offset, lines = self._offset, self._taken
        with self._path(number).open("rb") as file:
            file.seek(offset)
            while len(found) < most and (line := file.readline()):
                offset, lines = offset + len(line), lines + 1
                event = _event(line)
                if event is not None:
                    found.append(event)
        self._read = (number, offset, lines)
        return found

    def _passed(self) -> None:
        """Remember how far the oldest file was taken, or that it was taken whole."""
        assert self._counts is not None
        number = next(iter(self._counts))
        if self._taken >= self._counts[number]:
            self._remove_first()
            return
        new = self._directory / f"{POSITION}.new"
        new.write_text(json.dumps([number, self._offset, self._taken]))
        new.replace(self._directory / POSITION)

    def _remove_first(self) -> None:
        assert self._counts is not None
        number = next(iter(self._counts))
        del self._counts[number]
        self._offset = self._taken = 0
        if number == self._open:
            self._open = -1
        self._path(number).unlink(missing_ok=True)

    def _path(self, number: int) -> Path:
        return self._directory / f"{number}.jsonl"


def _numbers(directory: Path) -> list[int]:
    names = os.listdir(directory) if directory.is_dir() else []
    stems = [name.removesuffix(".jsonl") for name in names if name.endswith(".jsonl")]
    return [int(stem) for stem in stems if stem.isascii() and stem.isdigit()]


def _position(path: Path) -> tuple[int, int, int]:
    """A file's number, bytes and lines of it that were taken; -1 where it is damaged."""
    try:
        match json.loads(path.read_bytes()):
            case [int(number), int(offset), int(taken)] if min(offset, taken) >= 0:
                return number, offset, taken
    except (OSError, ValueError, RecursionError):
        pass
    return -1, 0, 0


def _event(line: bytes) -> Event | None:
    """None for what is no event."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict) or not isinstance(event.get("event_id"), int):
        return None
    return event


def _append(path: Path, data: bytes) -> None:
    """All of it, or nothing. Raises OSError."""
    with open(path, "ab", buffering=0, opener=_opener) as file:
        before = file.tell()
        try:
            view = memoryview(data)
            while view:
                view = view[file.write(view) :]
            os.fdatasync(file.fileno())
        except OSError:
            with contextlib.suppress(OSError):
                file.truncate(before)
            raise


def _opener(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, FILE_MODE)
