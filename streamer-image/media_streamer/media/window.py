"""The sliding window of one HLS track: what was announced and is still to be replayed."""

import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import msgspec

from media_streamer.media.segment_files import SegmentFiles
from media_streamer.wire.media import (
    InitSection,
    PartReady,
    SegmentDropped,
    SegmentEvent,
    SegmentReady,
)

REPLAYED_PARTS = 3
"""Playlists list parts of the last three segments at most (rfc8216bis 4.4.4.9)."""


@dataclass(slots=True)
class _Listed:
    path: Path
    message: SegmentReady
    parts: list[PartReady]


class TrackWindow:
    """Messages of one track in order; a new subscriber gets those that still hold."""

    def __init__(
        self, name: str, files: SegmentFiles, count: int, pending: list[SegmentEvent]
    ) -> None:
        """`pending` is the list that all messages are appended to."""
        self.name = name
        self.count = count
        self._files = files
        self._pending = pending
        self._inits: dict[int, tuple[InitSection, Path | None]] = {}
        self._segments: deque[_Listed] = deque()
        self._open_parts: list[PartReady] = []
        self.captions: bool | None = None
        """See `PartReady.captions`."""
        self._next_seq = int(time.time() * 1000)
        """`PartReady.seq` of the next part. There are fewer parts than milliseconds, so a restarted
        worker goes on above its predecessor."""

    @property
    def next_part(self) -> tuple[int, int]:
        """Index of the next part in the running segment, and its number in the track."""
        return len(self._open_parts), self._next_seq

    def init(self, message: InitSection, path: Path | None) -> None:
        """Announce an initialisation section; `path` is None for MPEG-TS."""
        self._inits[message.number] = (message, path)
        self._pending.append(message)

    def rename(self, name: str) -> None:
        """Another name for all that is listed and will be."""
        self.name = name
        for number, (message, path) in self._inits.items():
            self._inits[number] = (msgspec.structs.replace(message, track=name), path)
        for listed in self._segments:
            listed.message = msgspec.structs.replace(listed.message, track=name)

    def part(self, message: PartReady) -> None:
        """Announce a part of the running segment."""
        self._next_seq = message.seq + 1
        self._open_parts.append(message)
        self._pending.append(message)

    def segment(self, message: SegmentReady, path: Path) -> None:
        """Announce the running segment as finished, and drop what leaves the window."""
        self._pending.append(message)
        self._segments.append(_Listed(path, message, self._open_parts))
        self._open_parts = []
        if len(self._segments) > REPLAYED_PARTS:
            self._segments[-REPLAYED_PARTS - 1].parts = []
        # Requests for the oldest are on their way: its file stays a while (`SegmentFiles`).
        while len(self._segments) > self.count:
            self._drop()

    def clear(self) -> None:
        """Drop everything."""
        while self._segments:
            self._drop()
        for _, path in self._inits.values():
            if path is not None:
                self._files.expire(path)
        self._inits.clear()
        self._open_parts = []

    def replay(self) -> list[SegmentEvent]:
        """Inits, then segments with their parts, then the parts of the running segment."""
        messages: list[SegmentEvent] = [message for message, _ in self._inits.values()]
        for listed in self._segments:
            messages += [*listed.parts, listed.message]
        return [*messages, *self._open_parts]

    def _drop(self) -> None:
        dropped = self._segments.popleft()
        self._files.expire(dropped.path)
        self._pending.append(SegmentDropped(self.name, dropped.message.msn))
        used = self._segments[0].message.init if self._segments else max(self._inits, default=0)
        for number in [number for number in self._inits if number < used]:
            _, path = self._inits.pop(number)
            if path is not None:
                self._files.expire(path)
