"""The sliding window of one HLS track: what was announced and is still to be replayed."""

from collections import deque
from dataclasses import dataclass
from pathlib import Path

from media_streamer.media.hub import Event, Message
from media_streamer.media.segment_files import SegmentFiles

REPLAYED_PARTS = 3
"""Playlists list parts of the last three segments at most (rfc8216bis 4.4.4.9)."""


@dataclass(slots=True)
class _Listed:
    msn: int
    init: int
    path: Path
    message: Message
    parts: list[Message]


class TrackWindow:
    """Messages of one track in order; a new subscriber gets those that still hold."""

    def __init__(self, name: str, files: SegmentFiles, count: int, pending: list[Event]) -> None:
        """`pending` is the list that all messages are appended to."""
        self.name = name
        self.count = count
        self._files = files
        self._pending = pending
        self._inits: dict[int, tuple[Message, Path | None]] = {}
        self._segments: deque[_Listed] = deque()
        self._open_parts: list[Message] = []

    def init(self, number: int, path: Path | None, fields: Message) -> None:
        """Announce an initialisation section; `path` is None for MPEG-TS."""
        message = {"op": "init", "track": self.name, "n": number, "path": str(path or ""), **fields}
        self._inits[number] = (message, path)
        self._pending.append((message, b""))

    def rename(self, name: str) -> None:
        """Another name for all that is listed and will be."""
        self.name = name
        for message, _ in self._inits.values():
            message["track"] = name
        for listed in self._segments:
            listed.message["track"] = name

    def part(self, fields: Message) -> None:
        """Announce a part of the running segment."""
        message = {"op": "part", "track": self.name, "index": len(self._open_parts), **fields}
        self._open_parts.append(message)
        self._pending.append((message, b""))

    def segment(self, msn: int, init: int, path: Path, fields: Message) -> None:
        """Announce the running segment as finished, and drop what leaves the window."""
        message = {
            "op": "segment",
            "track": self.name,
            "msn": msn,
            "path": str(path),
            "init": init,
            **fields,
        }
        self._pending.append((message, b""))
        self._segments.append(_Listed(msn, init, path, message, self._open_parts))
        self._open_parts = []
        if len(self._segments) > REPLAYED_PARTS:
            self._segments[-REPLAYED_PARTS - 1].parts = []
        # One more than a playlist shows: requests for the oldest are on their way.
        while len(self._segments) > self.count + 1:
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

    def replay(self) -> list[Event]:
        """Inits, then segments with their parts, then the parts of the running segment."""
        messages = [message for message, _ in self._inits.values()]
        for listed in self._segments:
            messages += [*listed.parts, listed.message]
        messages += self._open_parts
        return [(message, b"") for message in messages]

    def _drop(self) -> None:
        dropped = self._segments.popleft()
        self._files.expire(dropped.path)
        self._pending.append(({"op": "drop", "track": self.name, "msn": dropped.msn}, b""))
        used = self._segments[0].init if self._segments else max(self._inits, default=0)
        for number in [number for number in self._inits if number < used]:
            _, path = self._inits.pop(number)
            if path is not None:
                self._files.expire(path)
