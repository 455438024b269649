"""The thread that writes the history, and what waits for it.

Invariants: nobody waits for the disk; what waits is bounded, and the oldest minutes give way. A
file that cannot be written is one line in the log and is tried again each minute; one that is no
database, or a damaged one, is put aside (`pulse.sqlite3.broken`) and a new one begun.
"""

import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path

from media_streamer.pulse.points import Points
from media_streamer.pulse.store import FILE, Key, Store

log = logging.getLogger(__name__)

MAX_WAITING = 10
"""Minutes."""
CLOSE_SECONDS = 5.0
_DAMAGED = ("malformed", "not a database", "no such table", "disk image")

Minute = tuple[int, Mapping[Key, Points]]


class Writer:
    """Owns the thread from the beginning to `end`."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE
        self.problem = ""
        """Why nothing is stored now, for people."""
        self._minutes: deque[Minute] = deque()
        """What is not stored yet; the first one is being written."""
        self._news = threading.Condition()
        self._ending = False
        self._store: Store | None = None
        self._dropped = 0
        self._thread = threading.Thread(target=self._run, name="pulsedb", daemon=True)
        self._thread.start()

    def put(self, minute: int, samples: Mapping[Key, Points]) -> None:
        """Store a minute; returns at once."""
        with self._news:
            while len(self._minutes) >= MAX_WAITING:
                del self._minutes[1]
                self._dropped += 1
            self._minutes.append((minute, samples))
            self._news.notify()

    def waiting(self, key: Key) -> Points:
        """What of a series is not stored yet."""
        with self._news:
            minutes = list(self._minutes)
        found: Points = {}
        for _, samples in minutes:
            found |= samples.get(key, {})
        return found

    def end(self) -> None:
        """Store what waits and end; returns at once."""
        with self._news:
            self._ending = True
            self._news.notify()

    def join(self) -> None:
        """Wait until it has ended, within a bound."""
        self._thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        while (item := self._next()) is not None:
            self._write(item)
            with self._news:
                self._minutes.popleft()
        if self._store is not None:
            self._store.close()

    def _next(self) -> Minute | None:
        with self._news:
            while not self._minutes and not self._ending:
                self._news.wait()
            return self._minutes[0] if self._minutes else None

    def _write(self, item: Minute) -> None:
        try:
            self._store = self._store or Store(self.path)
            self._store.add(*item)
            self._store.maintain(int(time.time()))
        except (sqlite3.Error, OSError) as error:
            self._failed(error)
            return
        except Exception:
            log.exception("pulsedb: a minute is not stored")
            return
        if self.problem:
            log.info("pulsedb: %s is written again, %d minutes are lost", self.path, self._dropped)
        self.problem, self._dropped = "", 0

    def _failed(self, error: Exception) -> None:
        store, self._store = self._store, None
        if store is not None:
            store.close()
        self._dropped += 1
        damaged = isinstance(error, sqlite3.DatabaseError) and any(
            words in str(error) for words in _DAMAGED
        )
        if damaged:
            self._put_aside(error)
            return
        if not self.problem:
            log.error(
                "pulsedb: %s cannot be written, tried again each minute: %s", self.path, error
            )
        self.problem = f"pulsedb: {self.path} cannot be written: {error}"

    def _put_aside(self, error: Exception) -> None:
        aside = self.path.with_name(f"{FILE}.broken")
        log.error("pulsedb: %s is damaged (%s): it is kept as %s", self.path, error, aside.name)
        try:
            self.path.replace(aside)
            for ending in ("-wal", "-shm"):
                self.path.with_name(FILE + ending).unlink(missing_ok=True)
        except OSError as failure:
            self.problem = f"pulsedb: {self.path} is damaged and cannot be put aside: {failure}"
            log.error("%s", self.problem)
