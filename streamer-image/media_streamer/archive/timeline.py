"""When the segments of a stream were: the clock of the stream made to times since 1970.

One for all disks that a stream is recorded on; each disk's thread asks it. Nothing here blocks.

The media's own clock runs a little fast or slow, seconds a day, and a source may stay connected for
months: where it has run away from the wall clock it is set right, which is a break of a second.
"""

import threading
from dataclasses import dataclass, field

from media_streamer.archive.container import MICROSECONDS, Piece, renumber
from media_streamer.archive.job import Ready, SegmentJob

CLOCK_TICKS = 90_000
MAX_OVERLAP_MS = 10_000
"""A recording that begins a little before the last one ended begins where that ended; more than
this means that somebody has set the clock."""
MAX_DRIFT_MS = 900
"""So far the times of a recording may be off before they are set right: less than what is a gap."""
MAX_LISTED_MS = 10 * 60_000
"""No stream lists more than this."""


@dataclass(slots=True, eq=False)
class Timeline:
    """Of one recording of one stream."""

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _sequence: int = 1
    _end_ms: int = 0
    _period: tuple[int, int] | None = None
    _shift_ms: int = 0
    _offset_ms: int | None = None
    """Between the wall clock and the times of this period, at its start; None: not known."""
    _last: tuple[int, int] = 0, 0
    """Start and duration of the last segment, in ms."""
    _began: bool = False
    """Something is recorded."""

    def looked_back(self, end_ms: int) -> None:
        """A recording of before ends there."""
        with self._lock:
            if not self._began:
                self._end_ms = max(self._end_ms, end_ms)

    def prepare(self, job: SegmentJob) -> Ready | None:
        """Give the loaded segment its times, in its bytes too; None if it is recorded already.

        Does nothing to one that has them. Raises ValueError for what is no whole fragment.
        """
        with self._lock:
            if job.ready is not None:
                return job.ready
            start_ms, times = self._times(job)
            drift_ms = self._drift(job, start_ms)
            if drift_ms:
                self._shift_ms += drift_ms
                start_ms, times = self._times(job)
            if not self._began and self._is_there(start_ms, job.parts[0].duration):
                self._period = None
                return None
            sequence = self._sequence
            for number, (data, part, time) in enumerate(
                zip(job.data, job.parts, times, strict=True), start=1
            ):
                sequence = renumber(data, number, time - part.time, sequence)
            pieces = tuple(
                Piece(part.size, time, round(part.duration * MICROSECONDS))
                for part, time in zip(job.parts, times, strict=True)
            )
            self._sequence, self._began = sequence, True
            duration_us = pieces[0].duration_us
            job.ready = Ready(start_ms, duration_us, pieces, job.broken or drift_ms != 0)
            self._last = start_ms, duration_us // 1000
            return job.ready

    def written(self, ready: Ready) -> None:
        """A disk has it."""
        with self._lock:
            self._end_ms = ready.start_ms + ready.duration_us // 1000

    def _drift(self, job: SegmentJob, start_ms: int) -> int:
        """By how much the period is to be moved now; 0 as long as it is right."""
        if not job.utc_ms:
            return 0
        if self._offset_ms is None:
            self._offset_ms = job.utc_ms - start_ms
        drift_ms = job.utc_ms - start_ms - self._offset_ms
        if abs(drift_ms) <= MAX_DRIFT_MS:
            return 0
        # Segments stay in order, and of the one before at least the half is shown.
        before_ms, duration_ms = self._last
        return max(drift_ms, min(0, before_ms + duration_ms // 2 - start_ms))

    def _is_there(self, start_ms: int, seconds: float) -> bool:
        """Who begins to record gets what the stream still lists, which may be on the disk."""
        overlap_ms = self._end_ms - start_ms + self._shift_ms - round(seconds * 500)
        return 0 < overlap_ms < MAX_LISTED_MS

    def _times(self, job: SegmentJob) -> tuple[int, list[int]]:
        """Start in Unix ms, and the decode time of each part since 1970."""
        if job.period != self._period:
            self._period, self._shift_ms, self._offset_ms = job.period, 0, None
            start_ms, _ = self._times(job)
            if 0 < self._end_ms - start_ms < MAX_OVERLAP_MS:
                self._shift_ms = self._end_ms - start_ms
        utc_ms, clock = job.period
        ticks = (utc_ms + self._shift_ms) * (CLOCK_TICKS // 1000) - clock
        scales = [track.timescale for track in job.section.tracks]
        times = [
            part.time + ticks * scale // CLOCK_TICKS
            for part, scale in zip(job.parts, scales, strict=True)
        ]
        if min(times) < 0:
            raise ValueError("a segment of before 1970")
        return -(-times[0] * 1000 // scales[0]), times
