"""What a media worker records: a recorder for each stream that shall be, a thread for each disk."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from media_streamer.archive.recorder import Recorder
from media_streamer.archive.writer import DiskWriter
from media_streamer.media.audience import Attachment
from media_streamer.media.stream import StreamRunner
from media_streamer.wire.control import ArchivePlace

log = logging.getLogger(__name__)

FORMAT = "hls_fmp4"
INTERVAL_SECONDS = 1.0
"""Nobody waits for a recording."""

Emit = Callable[[str, str, dict[str, Any]], None]


@dataclass(slots=True)
class _Recording:
    place: ArchivePlace
    recorder: Recorder
    attachment: Attachment | None = None
    problem: str = ""


class Recordings:
    """One per worker; in the event loop. `emit` is told the stream, an event and its fields."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._writers: dict[Path, DiskWriter] = {}
        self._recordings: dict[str, _Recording] = {}

    def apply(self, runner: StreamRunner, place: ArchivePlace | None) -> None:
        """Record the stream there from now on, or not any more."""
        name = runner.name
        old = self._recordings.get(name)
        if old is not None and old.place == place:
            return
        self.stop(name)
        if place is None:
            return
        recorder = Recorder(
            name,
            place.span_ms,
            [self._writer(Path(disk)) for disk in place.disks],
            lambda event, reason: self._emit(name, event, {"reason": reason}),
        )
        recording = self._recordings[name] = _Recording(place, recorder)

        def ended(reason: str) -> None:
            recording.attachment = None
            if self._recordings.get(name) is recording and reason == "sink_failed":
                recording.problem = "its tracks cannot be recorded: see the log"

        recording.attachment = runner.attach(
            FORMAT,
            recorder.take,
            ended,
            pinned=True,
            keeps_running=False,
            interval=INTERVAL_SECONDS,
        )

    def stop(self, name: str) -> None:
        """Record the stream no longer; what it has handed over is written."""
        recording = self._recordings.pop(name, None)
        if recording is not None:
            if recording.attachment is not None:
                recording.attachment.close()
            recording.recorder.close()

    def stats(self, name: str) -> dict[str, Any]:
        """What `media_api.status.StreamStats` says of the recording, as JSON."""
        recording = self._recordings.get(name)
        if recording is None:
            return {}
        stats = recording.recorder.stats()
        if recording.problem:
            stats |= {"dvr_enabled": False}
            stats["dvr_write"]["error"] = recording.problem
        return stats

    async def close(self) -> None:
        """Write what waits, within bounds."""
        for name in list(self._recordings):
            self.stop(name)
        writers, self._writers = list(self._writers.values()), {}
        await asyncio.gather(*(asyncio.to_thread(writer.close) for writer in writers))

    def _writer(self, root: Path) -> DiskWriter:
        writer = self._writers.get(root)
        if writer is None:
            writer = self._writers[root] = DiskWriter(root)
        return writer
