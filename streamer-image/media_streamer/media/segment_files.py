"""Files of HLS segments: written in place on a tmpfs, removed a while after they left the window.

A full disk must not stop a stream: the failure is logged once a minute and the segment is as long
as what could be written.
"""

import contextlib
import hashlib
import logging
import os
import re
import shutil
import time
from collections import deque
from pathlib import Path
from weakref import WeakSet

log = logging.getLogger(__name__)

GRACE_SECONDS = 30.0
"""A file stays this long after its segment left the playlist: players may still be reading it."""
_LOG_INTERVAL_SECONDS = 60.0
_MAX_SLUG = 40
_COUNT = "discontinuities"


def stream_directory(root: Path, stream: str) -> Path:
    """Directory of a stream's files: readable, and distinct for any two names."""
    slug = re.sub(r"[^A-Za-z0-9]+", "-", stream).strip("-")[:_MAX_SLUG]
    return root / f"{slug}-{hashlib.sha256(stream.encode()).hexdigest()[:12]}"


class SegmentFiles:
    """The files of one format of one stream."""

    def __init__(self, root: Path, stream: str, format: str) -> None:
        self._stream = stream
        parent = stream_directory(root, stream)
        self.directory = parent / f"{format}-{time.time_ns():x}"
        self._expired: deque[tuple[float, Path]] = deque()
        self._logged_at = -_LOG_INTERVAL_SECONDS
        self.predecessors: tuple[Path, ...] = ()
        """Directories left over from workers that died; their viewers get the grace too."""
        with contextlib.suppress(OSError):
            ours = {files.directory for files in _in_use}
            found = parent.glob(f"{format}-*")
            self.predecessors = tuple(path for path in found if path not in ours)
        _in_use.add(self)
        for old in self.predecessors:
            self.expire(old)

    def create(self, name: str) -> "SegmentFile":
        """An empty file; one that cannot be made takes writes and stays empty."""
        path = self.directory / name
        try:
            try:
                descriptor = os.open(path, _FLAGS, 0o644)
            except FileNotFoundError:
                self.directory.mkdir(parents=True, exist_ok=True)
                descriptor = os.open(path, _FLAGS, 0o644)
        except OSError as error:
            self.report(error)
            descriptor = -1
        return SegmentFile(self, path, descriptor)

    def write_whole(self, name: str, data: bytes) -> Path:
        """Write a small file at once."""
        file = self.create(name)
        file.write(data)
        file.close()
        return file.path

    def save_count(self, count: int) -> None:
        """Keep the number of discontinuities for a successor of this worker."""
        self.write_whole(_COUNT, str(count).encode())

    def count_of_predecessor(self) -> int | None:
        """What the last worker that died had saved; None if no worker died."""
        counts = []
        for directory in self.predecessors:
            # One that died early has saved nothing, or half a number.
            with contextlib.suppress(OSError, ValueError):
                counts.append(int((directory / _COUNT).read_bytes()))
        return max(counts, default=None)

    def expire(self, path: Path) -> None:
        """Remove `path` after the grace."""
        self._expired.append((time.monotonic() + GRACE_SECONDS, path))

    def sweep(self) -> None:
        """Remove what is due; cheap if nothing is."""
        now = time.monotonic()
        while self._expired and self._expired[0][0] <= now:
            _, path = self._expired.popleft()
            _remove(path)

    def remove_all(self) -> None:
        """Remove all files now."""
        while self._expired:
            _remove(self._expired.popleft()[1])
        shutil.rmtree(self.directory, ignore_errors=True)
        with contextlib.suppress(OSError):
            self.directory.parent.rmdir()

    def report(self, error: OSError) -> None:
        """Log a failed write, at most once a minute."""
        now = time.monotonic()
        if now - self._logged_at >= _LOG_INTERVAL_SECONDS:
            self._logged_at = now
            log.error(
                "stream %s: segments cannot be written (%s); free space in %s, the stream goes on",
                self._stream,
                error,
                self.directory.parent.parent,
            )


class SegmentFile:
    """A file that grows."""

    def __init__(self, files: SegmentFiles, path: Path, descriptor: int) -> None:
        self.path = path
        self.size = 0
        """Bytes that are in the file."""
        self._files = files
        self._descriptor = descriptor

    def write(self, data: bytes) -> bool:
        """Append; False if nothing more can be written to this file."""
        if self._descriptor < 0:
            return False
        start, rest = self.size, memoryview(data)
        try:
            while rest:
                written = os.write(self._descriptor, rest)
                self.size += written
                rest = rest[written:]
        except OSError as error:
            self._files.report(error)
            # A half-written box would be garbage to players.
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, start)
            self.size = start
            self.close()
            return False
        return True

    def close(self) -> None:
        """Nothing more will be written."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


_FLAGS = os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        shutil.rmtree(path, ignore_errors=True)


_in_use: WeakSet[SegmentFiles] = WeakSet()
"""Of this process: the same format may be built of several selections of tracks."""
