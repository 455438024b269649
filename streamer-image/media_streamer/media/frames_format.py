"""The format `frames`: the canonical frames of a stream in batches, for whoever makes its own of
them (packets for the network, a recording, another encoding).

A new sink gets the tracks and the frames since the last key frame; a batch never goes on over a
key frame, so a sink that has lost some can begin again at any batch with `key`.
"""

from collections.abc import Sequence

from media_streamer.media.frame import Frame, Track
from media_streamer.media.gop import Boundary, Entry, GopCache
from media_streamer.media.settings import OutputSettings
from media_streamer.wire.media import Event, Frames, Gap, Tracks


class FramesFormat:
    """Frames as they are."""

    def __init__(self, settings: OutputSettings) -> None:
        self._tracks: list[Track] = []
        self._gop = GopCache()
        self._audio_only = False
        self._pending: list[Event] = []

    def set_tracks(self, tracks: Sequence[Track], header: bytes, audio_only: bool) -> None:
        if self._tracks:
            self.gap()
        self._tracks = list(tracks)
        self._audio_only = audio_only
        self._pending.append(Tracks(self._tracks))

    def push(self, entries: Sequence[Entry]) -> None:
        batch: list[Frame] = []
        key = self._audio_only
        for entry in entries:
            self._gop.append(entry)
            if entry.boundary is Boundary.KEY:
                self._add(key, batch)
                key, batch = True, []
            batch.append(entry.frame)
        self._add(key, batch)

    def gap(self) -> None:
        self._gop.clear()
        self._pending.append(Gap())

    def take(self) -> list[Event]:
        events, self._pending = self._pending, []
        return events

    def replay(self) -> list[Event]:
        gop = [entry.frame for entry in self._gop.last_gop()]
        return [Tracks(self._tracks), *([Frames(True, gop)] if gop else ())]

    def reconfigure(self, settings: OutputSettings) -> None:
        """Nothing here depends on settings."""

    def close(self) -> None:
        self._pending.clear()

    def _add(self, key: bool, batch: list[Frame]) -> None:
        if batch:
            self._pending.append(Frames(key, batch))
