"""The thread that writes all streams below one root: in order, one segment after another.

Invariants: whoever puts in never waits; what waits is bounded by bytes and number, and what does
not fit is dropped, counted and said. A segment that cannot be written costs that segment only. The
disk is given what is dirty whenever nothing else waits.
"""

import logging
import threading
import time
from collections import deque
from pathlib import Path

from media_streamer.archive.shelf import SegmentJob, Shelf

log = logging.getLogger(__name__)

MAX_WAITING_BYTES = 256 * 1024 * 1024
MAX_WAITING_SEGMENTS = 2048
STUCK_SECONDS = 15.0
"""A disk that has not taken a segment for this long is said to be stuck."""
LOG_SECONDS = 60.0
IDLE_SECONDS = 1.0
CLOSE_SECONDS = 5.0

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
        self._busy_since = time.monotonic()
        try:
            is_new = shelf.write(job)
        except (OSError, ValueError) as error:
            figures.errors += 1
            figures.dropped += 1
            figures.error = str(error) or type(error).__name__
            self._complain(shelf, figures.error)
        except Exception as error:
            figures.errors += 1
            figures.dropped += 1
            figures.error = f"fault: {type(error).__name__}"
            log.exception("stream %s: a segment is not recorded", shelf.stream)
        else:
            figures.bytes += job.size if is_new else 0
            figures.segments += is_new
            figures.error = ""
            figures.written_at = time.time()
            self._dirty[shelf] = None
        finally:
            self._busy_since = None
            for part in job.parts:
                part.drop()
            with self._changed:
                self._bytes -= job.size

    def _sync(self) -> None:
        shelf = next(iter(self._dirty))
        del self._dirty[shelf]
        self._busy_since = time.monotonic()
        try:
            shelf.sync()
        except OSError as error:
            shelf.figures.errors += 1
            shelf.figures.error = str(error)
            self._complain(shelf, shelf.figures.error)
        finally:
            self._busy_since = None

    def _complain(self, shelf: Shelf, error: str) -> None:
        now = time.monotonic()
        if now - self._logged_at >= LOG_SECONDS:
            self._logged_at = now
            log.error(
                "stream %s: not recorded (%s); free the disk of %s or name another; the stream"
                " itself goes on",
                shelf.stream,
                error,
                self.root,
            )
