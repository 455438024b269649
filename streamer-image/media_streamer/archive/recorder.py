"""The sink that records a stream: collects what belongs to one segment and hands it to the disk.

Role: between the events of the format `hls_fmp4`, in the event loop, and the thread of the disk.
It never waits and never raises: live goes on whatever becomes of the recording.
"""

import contextlib
import logging
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from media_streamer.archive.container import ArchivedTrack
from media_streamer.archive.disks import Disks
from media_streamer.archive.job import Part, Section, SegmentJob
from media_streamer.archive.writer import DiskWriter
from media_streamer.wire.media import Event, InitSection, SegmentReady

log = logging.getLogger(__name__)

HELD_BYTES = 64 * 1024 * 1024
"""While less than this waits for the disk its files are held open, for the stream may end and
remove them; beyond that shared memory is not tied up."""
MAX_OPEN = 64
"""More than any stream lists."""
KNOWN_SEGMENTS = 256
"""Paths that are remembered: a stream that runs again repeats what it has."""
RECENT_SECONDS = 60.0

Emit = Callable[[str, str], None]
"""Told an event and its reason."""


class Recorder:
    """Records one stream on some disks."""

    def __init__(
        self, stream: str, span_ms: int, writers: Sequence[DiskWriter], emit: Emit
    ) -> None:
        """`writers`: one a disk. Raises ValueError for a name that no folder can have."""
        self.stream = stream
        self._emit = emit
        self._disks = Disks(stream, writers, span_ms, lambda: int(time.time() * 1000))
        self._sections: dict[int, dict[str, tuple[InitSection, bytes]]] = {}
        self._made: dict[int, Section] = {}
        self._generation = Path()
        """Directory of the sections' files."""
        self._open: dict[int, dict[str, SegmentReady]] = {}
        """Tracks of the segments that are not complete yet, by their numbers: who begins to record
        is told of all that one track lists before the next track."""
        self._recorded: deque[str] = deque(maxlen=KNOWN_SEGMENTS)
        self._overflow = ""
        self._lost_before = True
        """The next segment does not continue what is on the disk."""
        self._said = ""

    @property
    def error(self) -> str:
        """Why nothing is recorded; empty if it is."""
        return self._overflow or self._disks.problem

    def stats(self) -> dict[str, Any]:
        """Part of `media_api.status.StreamStats` as JSON."""
        figures, error = self._disks.figures, self.error
        write: dict[str, Any] = {
            "bytes": figures.bytes,
            "segments": figures.segments,
            "errors": figures.errors,
            "dropped_segments": figures.dropped,
        }
        if error:
            write["error"] = error
        if failing := self._disks.failing:
            write["failing_disks"] = failing
        recent = time.time() - figures.written_at < RECENT_SECONDS
        return {"dvr_enabled": recent and not error, "dvr_write": write}

    def take(self, events: Sequence[Event]) -> None:
        """What happened to the format since the last time."""
        for event in events:
            try:
                if isinstance(event, InitSection):
                    self._describe(event)
                elif isinstance(event, SegmentReady):
                    self._add(event)
            except Exception:
                log.exception("stream %s: a segment is not recorded", self.stream)
                self._disks.figures.dropped += 1
                self._lost_before = True
        self._disks.look()
        self._tell()

    def close(self) -> None:
        """Record nothing more; what waits is written."""
        self._open.clear()
        self._disks.close()

    def _describe(self, init: InitSection) -> None:
        generation = Path(init.path).parent
        if generation != self._generation:
            # The stream runs again and counts its sections anew.
            self._generation = generation
            self._sections.clear()
            self._made.clear()
        tracks = self._sections.setdefault(init.number, {})
        if init.track not in tracks or tracks[init.track][0] != init:
            with contextlib.suppress(OSError):
                tracks[init.track] = init, Path(init.path).read_bytes()
            self._made.pop(init.number, None)
        for number in [number for number in self._sections if number < init.number - 4]:
            del self._sections[number]
            self._made.pop(number, None)

    def _add(self, segment: SegmentReady) -> None:
        if segment.path in self._recorded:
            return
        self._recorded.append(segment.path)
        opened = self._open.setdefault(segment.msn, {})
        opened[segment.track] = segment
        if opened.keys() >= self._sections.get(segment.init, {}).keys():
            del self._open[segment.msn]
            for older in [msn for msn in self._open if msn < segment.msn]:
                del self._open[older]
                self._lose("a track of it is missing")
            self._submit(segment.init, opened)
        elif len(self._open) > MAX_OPEN:
            del self._open[min(self._open)]
            self._lose("a track of it is missing")

    def _submit(self, number: int, opened: dict[str, SegmentReady]) -> None:
        section = self._section(number)
        segments = [opened[track.name] for track in section.tracks]
        first = segments[0]
        job = SegmentJob(
            section,
            [self._part(segment) for segment in segments],
            (first.period_utc_ms, first.period_time),
            first.discontinuity or self._lost_before,
            first.start_utc_ms,
        )
        if self._disks.put(job):
            self._overflow = ""
            self._lost_before = False
            return
        job.drop()
        self._overflow = f"the disk of {self._disks.names} is too slow: segments are dropped"
        self._lose(self._overflow)

    def _lose(self, why: str) -> None:
        log.debug("stream %s: a segment is not recorded: %s", self.stream, why)
        self._disks.figures.dropped += 1
        self._lost_before = True

    def _section(self, number: int) -> Section:
        section = self._made.get(number)
        if section is None:
            described = sorted(
                self._sections[number].values(), key=lambda one: (one[0].kind != "video",)
            )
            section = self._made[number] = Section(
                tuple(_track(init) for init, _ in described), tuple(data for _, data in described)
            )
        return section

    def _part(self, segment: SegmentReady) -> Part:
        descriptor = -1
        if self._disks.waiting_bytes < HELD_BYTES:
            with contextlib.suppress(OSError):
                descriptor = os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC)
        return Part(segment.path, descriptor, segment.size, segment.time, segment.duration)

    def _tell(self) -> None:
        """An event for each time that recording fails or works again."""
        error = self.error
        if error and not self._said:
            log.error("stream %s: not recorded: %s", self.stream, error)
            self._emit("dvr_failed", error)
        elif self._said and not error:
            log.info("stream %s: recorded again", self.stream)
            self._emit("dvr_restored", "")
        self._said = error


def _track(init: InitSection) -> ArchivedTrack:
    return ArchivedTrack(
        name=init.track,
        kind=init.kind,
        codecs=init.codecs,
        timescale=init.timescale,
        width=init.width,
        height=init.height,
        fps=init.fps,
        bandwidth=init.bandwidth,
        channels=init.channels,
        sample_rate=init.sample_rate,
        language=init.language,
        group=init.group,
        rank=init.rank,
    )
