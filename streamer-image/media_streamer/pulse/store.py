"""The file of the history: SQLite, one writer, readers beside it (write-ahead log).

Invariants: what is stored of a level is never changed but by more of the same block; a coarser
block is made of the finer ones that are stored, once its time has passed, so a kill between any two
writes loses a minute at most and no roll-up. The file has a bound: the oldest minutes go first.

Tables: `series(id, kind, name)`, `block(level, series, at, data)`; see `points` for the data.
"""

import logging
import sqlite3
import time
from collections.abc import Iterable, Mapping
from contextlib import closing
from itertools import pairwise
from pathlib import Path

from media_streamer.pulse.points import (
    LEVELS,
    SHAPES,
    Kind,
    Level,
    Points,
    Shape,
    pack,
    rolled_up,
    unpack,
)
from media_streamer.pulse.span import Span

log = logging.getLogger(__name__)

FILE = "pulse.sqlite3"
MAX_BYTES = 8 * 1024**3
"""A year of 1,000 streams takes 2 GB."""
MAX_SERIES = 50_000
BUSY_SECONDS = 5.0
ROLL_UP_SERIES = 10
ROLL_UP_PAUSE_SECONDS = 0.002
"""So many in one transaction, and then a pause: others want the interpreter, too."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS series (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, UNIQUE (kind, name));
CREATE TABLE IF NOT EXISTS block (
    level INTEGER NOT NULL, series INTEGER NOT NULL, at INTEGER NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (series, level, at)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS block_by_time ON block (level, at);
CREATE TABLE IF NOT EXISTS rolled (level INTEGER PRIMARY KEY, until INTEGER NOT NULL);
"""

Key = tuple[Kind, str]


class Store:
    """The writer; belongs to one thread. Raises sqlite3.Error."""

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES) -> None:
        self._path = path
        self._max_bytes = max_bytes
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            self._db.execute("PRAGMA auto_vacuum=INCREMENTAL")
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute("PRAGMA journal_size_limit=16777216")
            self._db.executescript(_SCHEMA)
            self._series: dict[Key, int] = {
                (kind, name): number
                for number, kind, name in self._db.execute("SELECT id, kind, name FROM series")
            }
            path.chmod(0o640)
        except BaseException:
            self._db.close()
            raise
        self._full = False

    def close(self) -> None:
        self._db.close()

    def add(self, minute: int, samples: Mapping[Key, Points]) -> None:
        """Keep the samples of a minute beside those that are there."""
        level = LEVELS[0]
        with self._transaction():
            for key, points in samples.items():
                series = self._number(key)
                if series is None or not points:
                    continue
                found = self._db.execute(
                    "SELECT data FROM block WHERE series=? AND level=0 AND at=?", (series, minute)
                ).fetchone()
                if found is not None:  # the server was started anew within the minute
                    points = _read(level, minute, found[0]) | points
                self._put(level, series, minute, points)

    def _number(self, key: Key) -> int | None:
        number = self._series.get(key)
        if number is not None:
            return number
        if len(self._series) >= MAX_SERIES:
            if not self._full:
                self._full = True
                log.error("pulsedb: %d streams have a history, no further one gets it", MAX_SERIES)
            return None
        found = self._db.execute("INSERT INTO series (kind, name) VALUES (?, ?)", key)
        number = self._series[key] = int(found.lastrowid or 0)
        return number

    def _put(self, level: Level, series: int, at: int, points: Points) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO block (level, series, at, data) VALUES (?, ?, ?, ?)",
            (level.number, series, at, pack(level, at, points)),
        )

    def maintain(self, now: int) -> None:
        """Roll up what has passed, and drop what is old or too much."""
        for fine, coarse in pairwise(LEVELS):
            self._roll_up(fine, coarse, now)
        with self._transaction():
            for level in LEVELS:
                self._db.execute(
                    "DELETE FROM block WHERE level=? AND at<?", (level.number, now - level.keep)
                )
        self._shrink()
        self._db.execute("PRAGMA incremental_vacuum(2000)")

    def _roll_up(self, fine: Level, coarse: Level, now: int) -> None:
        """All blocks of the coarser level whose time has passed."""
        end = now - now % coarse.span
        found = self._db.execute("SELECT until FROM rolled WHERE level=?", (coarse.number,))
        row = found.fetchone()
        until = row[0] if row is not None else 0
        if until >= end:
            return
        spans = self._db.execute(
            "SELECT DISTINCT at / ?1 * ?1 FROM block WHERE level=?2 AND at>=?3 AND at<?4"
            " ORDER BY 1",
            (coarse.span, fine.number, until, end),
        ).fetchall()
        for (at,) in spans:
            self._roll_up_one(fine, coarse, at)
            self._rolled(coarse, at + coarse.span)
        self._rolled(coarse, end)

    def _rolled(self, level: Level, until: int) -> None:
        with self._transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO rolled (level, until) VALUES (?, ?)", (level.number, until)
            )

    def _roll_up_one(self, fine: Level, coarse: Level, at: int) -> None:
        kinds = {number: kind for (kind, _), number in self._series.items()}
        limits = (fine.number, at, at + coarse.span)
        series = [
            row[0]
            for row in self._db.execute(
                "SELECT DISTINCT series FROM block WHERE level=? AND at>=? AND at<?", limits
            )
            if row[0] in kinds
        ]
        for start in range(0, len(series), ROLL_UP_SERIES):
            with self._transaction():
                for number in series[start : start + ROLL_UP_SERIES]:
                    self._roll_up_series(fine, coarse, at, number, SHAPES[kinds[number]])
            time.sleep(ROLL_UP_PAUSE_SECONDS)

    def _roll_up_series(
        self, fine: Level, coarse: Level, at: int, series: int, shape: Shape
    ) -> None:
        points: Points = {}
        for begin, data in self._db.execute(
            "SELECT at, data FROM block WHERE series=? AND level=? AND at>=? AND at<?",
            (series, fine.number, at, at + coarse.span),
        ):
            points.update(_read(fine, begin, data))
        if points:
            self._put(coarse, series, at, rolled_up(shape, points, coarse.step))

    def _shrink(self) -> None:
        """Drop the oldest minutes, then hours, until the file is within its bound."""
        for level in (LEVELS[0], LEVELS[1], LEVELS[2]):
            while self._bytes() > self._max_bytes:
                found = self._db.execute(
                    "SELECT min(at) FROM block WHERE level=?", (level.number,)
                ).fetchone()
                if found[0] is None:
                    break
                with self._transaction():
                    self._db.execute(
                        "DELETE FROM block WHERE level=? AND at<?",
                        (level.number, found[0] + level.span * 24),
                    )

    def _bytes(self) -> int:
        size, pages, free = (
            self._db.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_size", "page_count", "freelist_count")
        )
        return int(size * (pages - free))

    def _transaction(self) -> "_Transaction":
        return _Transaction(self._db)


class _Transaction:
    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._db.execute("COMMIT")
        elif self._db.in_transaction:
            self._db.execute("ROLLBACK")


def _read(level: Level, at: int, data: bytes) -> Points:
    try:
        return unpack(level, at, data)
    except ValueError as error:
        log.warning("pulsedb: the block of %d is left out: %s", at, error)
        return {}


def read(path: Path, key: Key, span: Span, newest: Points) -> Points:
    """The points of a series in steps of the span; `newest`: samples that are not stored yet.

    Each time is read from the coarsest level that serves the span and has it. Raises sqlite3.Error.
    """
    shape = SHAPES[key[0]]
    found: Points = {}
    begin = span.since
    for level, data in _blocks(path, key, span):
        for at, block in data:
            if at + level.span > begin:
                for moment, row in _read(level, at, block).items():
                    if begin <= moment < span.until:
                        found.setdefault(moment, row)
        begin = max(begin, data[-1][0] + level.span)
    for moment, row in newest.items():
        if begin <= moment < span.until:
            found.setdefault(moment, row)
    return rolled_up(shape, found, span.step)


def _blocks(path: Path, key: Key, span: Span) -> Iterable[tuple[Level, list[tuple[int, bytes]]]]:
    """Blocks by level, the coarsest first; of the finer ones those after the coarser ones."""
    with closing(_reader(path)) as db:
        number = _series(db, key)
        begin = span.since
        for level in reversed(LEVELS[: span.level.number + 1]) if number is not None else ():
            data = db.execute(
                "SELECT at, data FROM block WHERE series=? AND level=? AND at>=? AND at<?"
                " ORDER BY at",
                (number, level.number, begin - level.span + 1, span.until),
            ).fetchall()
            if data:
                yield level, data
                begin = max(begin, data[-1][0] + level.span)


def known(path: Path, key: Key) -> bool:
    """Whether the series has a history. Raises sqlite3.Error."""
    with closing(_reader(path)) as db:
        return _series(db, key) is not None


def _reader(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS)


def _series(db: sqlite3.Connection, key: Key) -> int | None:
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name='rolled'").fetchone():
        return None  # the file is being made
    row = db.execute("SELECT id FROM series WHERE kind=? AND name=?", key).fetchone()
    return None if row is None else int(row[0])
