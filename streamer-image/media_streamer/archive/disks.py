"""The disks that one stream is recorded on: which one gets the next segment.

Role: between the recorder, in the event loop, and a writer for each disk. A disk that fails, is
full or does not answer gives back what it has not written, and another one takes it; it is tried
again later. With one disk there is nothing to choose.

Invariant: nothing here waits for a disk. `put` and `look` belong to the event loop, a rescue to the
thread of the disk that failed.
"""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from media_streamer.archive.job import SegmentJob
from media_streamer.archive.places import stream_folder
from media_streamer.archive.shelf import Figures, Shelf
from media_streamer.archive.spread import order
from media_streamer.archive.timeline import Timeline
from media_streamer.archive.writer import SLOW_SECONDS, STUCK_SECONDS, DiskWriter

log = logging.getLogger(__name__)


class Disks:
    """Of one stream."""

    def __init__(
        self, stream: str, writers: Sequence[DiskWriter], span_ms: int, now_ms: Callable[[], int]
    ) -> None:
        """Raises ValueError for a name that no folder can have."""
        timeline, self.figures = Timeline(), Figures()
        self._stream = stream
        self._now_ms = now_ms
        self._writers = {writer.root: writer for writer in writers}
        self._shelves = {
            root: Shelf(stream, root, stream_folder(root, stream), span_ms, self.figures, timeline)
            for root in self._writers
        }
        self._current: Path | None = None

    @property
    def waiting_bytes(self) -> int:
        """Of segments of all streams that are not on these disks yet."""
        return sum(writer.waiting_bytes for writer in self._writers.values())

    @property
    def names(self) -> str:
        """For people."""
        return ", ".join(map(str, self._writers))

    @property
    def problem(self) -> str:
        """Why nothing is recorded now; empty if something is."""
        stuck = min(writer.stuck_seconds for writer in self._writers.values())
        if stuck > STUCK_SECONDS:
            return f"the disk of {self.names} has not answered for {stuck:.0f} s"
        return self.figures.error

    @property
    def failing(self) -> dict[str, str]:
        """Disks that others stand in for, and why."""
        found = {}
        for root, writer in self._writers.items() if len(self._writers) > 1 else ():
            if writer.stuck_seconds > SLOW_SECONDS:
                found[str(root)] = f"has not answered for {writer.stuck_seconds:.0f} s"
            elif writer.problem:
                found[str(root)] = writer.problem
        return found

    def put(self, job: SegmentJob) -> bool:
        """Write a segment soon; False if no disk has room for what waits."""
        if len(self._writers) > 1:
            job.rescue = self._rescue
        for root in self._order():
            if self._writers[root].put(self._shelves[root], job):
                if self._current not in (None, root):
                    assert self._current is not None
                    self._writers[self._current].finish(self._shelves[self._current])
                self._current = root
                return True
        return False

    def look(self) -> None:
        """Take from a disk that does not answer what waits for it."""
        if len(self._writers) < 2:
            return
        for root, writer in self._writers.items():
            if writer.stuck_seconds < SLOW_SECONDS:
                continue
            for job in writer.take_back(self._shelves[root]):
                job.tried.add(root)
                if not self._rescue(job):
                    job.drop()
                    self.figures.dropped += 1

    def close(self) -> None:
        """Nothing more is put; what waits is written."""
        for root, writer in self._writers.items():
            writer.finish(self._shelves[root])

    def _order(self) -> list[Path]:
        """Those that work first."""
        if len(self._writers) == 1:
            return list(self._writers)
        ordered = order(self._stream, self._now_ms(), self._writers)
        return sorted(ordered, key=lambda root: not self._writers[root].is_usable)

    def _rescue(self, job: SegmentJob) -> bool:
        """Whether another disk is going to write it."""
        for root in self._order():
            if root in job.tried:
                continue
            if self._writers[root].put(self._shelves[root], job):
                return True
        return False
