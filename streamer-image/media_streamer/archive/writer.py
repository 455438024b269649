"""The thread that writes all streams below one root: in order, one segment after another.

Invariants: whoever puts in never waits; what waits is bounded by bytes and number, and what does
not fit is dropped, counted and said. A segment that cannot be written goes to another disk, if
there is one, else it costs that segment only. The disk is given what is dirty whenever nothing else
waits.
"""

import logging
import threading
import time
from collections import deque
from dataclasses import replace
from pathlib import Path

from media_streamer.archive.job import PartsGone, SegmentJob
from media_streamer.archive.shelf import Shelf

log = logging.getLogger(__name__)

MAX_WAITING_BYTES = 256 * 1024 * 1024
MAX_WAITING_SEGMENTS = 2048
STUCK_SECONDS = 15.0
"""A disk that has not taken a segment for this long is said to be stuck."""
SLOW_SECONDS = 5.0
"""And so long until streams go to another disk, if there is one."""
RETRY_SECONDS = 30.0
"""A disk that failed is tried again after this, and twice that if it fails again."""
MAX_RETRY_SECONDS = 900.0
LOG_SECONDS = 60.0
IDLE_SECONDS = 1.0
CLOSE_SECONDS = 20.0

_Item = tuple[Shelf, SegmentJob | None]
"""None: close the file of that stream."""


class DiskWriter:
    """Writes below one root until `close`."""

    def __init__(
        self,
        root: Path,
        max_bytes: int = MAX_WAITING_BYTES,
        max_segments: int = MAX_WAITING_SEGMENTS,
    ) -> None:
        self.root = root
        self._max_bytes = max_bytes
        self._max_segments = max_segments
        self._waiting: deque[_Item] = deque()
        self._bytes = 0
        self._busy_since: float | None = None
        self._busy_with: _Item | None = None
        self._failed_at: float | None = None
        self._retry_seconds = RETRY_SECONDS
        self.problem = ""
        """Why the disk could not write when it was asked last; empty: it could."""
        self._changed = threading.Condition()
        self._closing = False
        self._dirty: dict[Shelf, None] = {}
        self._logged_at = -LOG_SECONDS
        self._thread = threading.Thread(target=self._run, name=f"archive {root}"[:15], daemon=True)
        self._thread.start()

    @property
    def waiting_bytes(self) -> int:
        """Of segments that are not on the disk yet."""
        return self._bytes

    @property
    def stuck_seconds(self) -> float:
        """For how long the disk has been busy with one segment."""
        since = self._busy_since
        return 0.0 if since is None else time.monotonic() - since

    @property
    def is_usable(self) -> bool:
        """Whether it is worth trying: it answers, and has not failed of late."""
        failed_at = self._failed_at
        rests = failed_at is not None and time.monotonic() - failed_at < self._retry_seconds
        return not rests and self.stuck_seconds < SLOW_SECONDS

    def take_back(self, shelf: Shelf) -> list[SegmentJob]:
        """What waits of a stream, and what the disk hangs in: it is put somewhere else.

        The disk may still write the latter, so it may be there twice.
        """
        with self._changed:
            jobs = [job for one, job in self._waiting if one is shelf and job is not None]
            self._waiting = deque(
                (one, job) for one, job in self._waiting if one is not shelf or job is None
            )
            self._bytes -= sum(job.size for job in jobs)
            busy = self._busy_with
        hung = busy[1] if busy is not None and busy[0] is shelf else None
        if hung is not None and hung.ready and hung.rescue is not None:
            jobs.insert(0, replace(hung, tried=set(hung.tried)))
            hung.rescue = None
        return jobs

    def put(self, shelf: Shelf, job: SegmentJob) -> bool:
        """Write a segment soon; False if too much waits already."""
        with self._changed:
            full = (
                self._bytes + job.size > self._max_bytes
                or len(self._waiting) >= self._max_segments
                or self._closing
            )
            if full:
                return False
            self._waiting.append((shelf, job))
            self._bytes += job.size
            self._changed.notify()
        return True

    def finish(self, shelf: Shelf) -> None:
        """Close the file of a stream after what waits for it."""
        with self._changed:
            self._waiting.append((shelf, None))
            self._changed.notify()

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Write what waits and end; blocks, at most so long."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(seconds)
        if self._thread.is_alive():
            log.error("archive %s: the disk does not answer, %d segments are lost",
                      self.root, len(self._waiting))  # fmt: skip

    def _run(self) -> None:
        while True:
            with self._changed:
                idle = IDLE_SECONDS if not self._dirty else 0.0
                self._changed.wait_for(lambda: self._waiting or self._closing, idle)
                item = self._waiting.popleft() if self._waiting else None
                if item is None and self._closing:
                    break
            if item is not None:
                self._do(*item)
            elif self._dirty:
                self._sync()
        for shelf in list(self._dirty):
            shelf.close()

    def _do(self, shelf: Shelf, job: SegmentJob | None) -> None:
        if job is None:
            self._dirty.pop(shelf, None)
            shelf.close()
            return
        figures = shelf.figures
        self._busy_since, self._busy_with = time.monotonic(), (shelf, job)
        rescued = False
        try:
            is_new = shelf.write(job)
        except PartsGone as error:
            self._lost(shelf, str(error))
        except OSError as error:
            self._failed(str(error) or type(error).__name__)
            job.tried.add(self.root)
            rescued = job.rescue is not None and job.rescue(job)
            figures.errors += 1
            if rescued:
                self._complain(shelf, self.problem, "it goes on on another disk of the storage")
            else:
                figures.dropped += 1
                figures.error = self.problem
                self._complain(shelf, self.problem)
        except ValueError as error:
            self._lost(shelf, str(error))
        except Exception as error:
            log.exception("stream %s: a segment is not recorded", shelf.stream)
            self._lost(shelf, f"fault: {type(error).__name__}")
        else:
            figures.bytes += job.size if is_new else 0
            figures.segments += is_new
            figures.error = self.problem = ""
            figures.written_at = time.time()
            self._failed_at, self._retry_seconds = None, RETRY_SECONDS
            self._dirty[shelf] = None
        finally:
            self._busy_since = self._busy_with = None
            if not rescued:
                job.drop()
            with self._changed:
                self._bytes -= job.size

    def _failed(self, why: str) -> None:
        now = time.monotonic()
        if self._failed_at is not None and now - self._failed_at >= self._retry_seconds:
            self._retry_seconds = min(2 * self._retry_seconds, MAX_RETRY_SECONDS)
        self._failed_at, self.problem = now, why

    def _lost(self, shelf: Shelf, why: str) -> None:
        """No disk could have written it."""
        shelf.figures.errors += 1
        shelf.figures.dropped += 1
        shelf.figures.error = why
        self._complain(shelf, why)

    def _sync(self) -> None:
        shelf = next(iter(self._dirty))
        del self._dirty[shelf]
        self._busy_since = time.monotonic()
        try:
            shelf.sync()
        except OSError as error:
            shelf.figures.errors += 1
            shelf.figures.error = str(error)
            self._failed(str(error))
            self._complain(shelf, shelf.figures.error)
        finally:
            self._busy_since = None

    def _complain(self, shelf: Shelf, error: str, comfort: str = "") -> None:
        now = time.monotonic()
        if now - self._logged_at >= LOG_SECONDS:
            self._logged_at = now
            log.error(
                "stream %s: not recorded in %s (%s): free that disk or name another; %s",
                shelf.stream,
                self.root,
                error,
                comfort or "the stream itself goes on",
            )
