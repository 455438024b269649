"""Hand-over of one output format to its subscribers.

Events are the messages that travel to the egress workers.
"""

import logging
import time
from collections.abc import Callable, Sequence

from media_streamer.media.frame import Track
from media_streamer.media.gop import Boundary, Entry
from media_streamer.media.settings import OutputSettings
from media_streamer.wire.media import Chunk, Event, Gap, Header

log = logging.getLogger(__name__)

Sink = Callable[[Sequence[Event]], None]
"""Gets what happened since the last time, in order; shared with other sinks."""

IDLE_SECONDS = 60.0
"""A format whose last subscriber left this long ago is not built any more."""
MAX_PENDING_BYTES = 32 * 1024 * 1024


class Subscribers:
    """The sinks of one format; touched by the event loop thread only."""

    def __init__(self, stream: str, name: str) -> None:
        self._stream = stream
        self._name = name
        self._sinks: dict[int, tuple[Sink, Callable[[], None]]] = {}
        self._next = 0
        self._idle_since = time.monotonic()

    def __len__(self) -> int:
        return len(self._sinks)

    @property
    def idle_seconds(self) -> float:
        """For how long there has been no subscriber, 0.0 if there is one."""
        return 0.0 if self._sinks else time.monotonic() - self._idle_since

    def add(self, sink: Sink, on_failed: Callable[[], None] = lambda: None) -> int:
        """Number of the new subscriber; `on_failed` hears that its sink raised."""
        self._next += 1
        self._sinks[self._next] = sink, on_failed
        return self._next

    def remove(self, number: int) -> None:
        if self._sinks.pop(number, None) is not None and not self._sinks:
            self._idle_since = time.monotonic()

    def deliver(self, events: Sequence[Event], number: int | None = None) -> None:
        """Call all sinks, or that of one subscriber; a sink that fails is removed."""
        if not events:
            return
        chosen = self._sinks.items() if number is None else [(number, self._sinks[number])]
        for subscriber, (sink, on_failed) in list(chosen):
            try:
                sink(events)
            except Exception:
                log.exception(
                    "stream %s: subscriber of %s failed, dropped", self._stream, self._name
                )
                self.remove(subscriber)
                on_failed()


class ChunkHub:
    """A continuous format: one chunk of packets per flush, none across a GOP start."""

    def __init__(self, settings: OutputSettings) -> None:
        self._stream = settings.name
        self._audio_only = False
        self._header: bytes | None = None
        self._packets: list[bytes] = []
        self._key = False
        self._pending: list[Event] = []
        self._pending_bytes = 0
        self._stalled = False
        self._cache: list[Chunk] = []
        self._cache_bytes = 0

    def push(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self._append(entry)

    def _append(self, entry: Entry) -> None:
        data = entry.data
        if entry.boundary is Boundary.KEY:
            # Also where this container leaves the leading track out.
            self._close_chunk()
            self._key = True
            self._stalled = False
        if self._stalled or not data:
            return
        self._packets.append(data)
        self._pending_bytes += len(data)
        if self._pending_bytes > MAX_PENDING_BYTES:
            self._drop_pending()

    def set_tracks(self, tracks: Sequence[Track], header: bytes, audio_only: bool) -> None:
        """A new header goes out in front of the first frame of these tracks."""
        if self._header is not None:
            self.gap()
        self._header = header
        self._key = self._audio_only = audio_only
        self._pending.append(Header(header))

    def gap(self) -> None:
        self._close_chunk()
        self._pending.append(Gap())

    def take(self) -> list[Event]:
        self._close_chunk()
        if not self._pending:
            return []
        events, self._pending, self._pending_bytes = self._pending, [], 0
        for event in events:
            self._remember(event)
        return events

    def replay(self) -> list[Event]:
        packets = [packet for chunk in self._cache for packet in chunk.packets]
        return [Header(self._header or b""), *([Chunk(True, packets)] if packets else ())]

    def reconfigure(self, settings: OutputSettings) -> None:
        """Nothing here depends on settings."""

    def close(self) -> None:
        self._packets.clear()
        self._pending.clear()

    def _close_chunk(self) -> None:
        if self._packets:
            packets, self._packets = self._packets, []
            self._pending.append(Chunk(self._key, packets))
            self._key = self._audio_only

    def _remember(self, event: Event) -> None:
        """Keep the chunks since the last key; the bounds are those of the GOP cache in front."""
        if not isinstance(event, Chunk):
            self._cache, self._cache_bytes = [], 0
        elif event.key and not (self._audio_only and self._cache):
            self._cache, self._cache_bytes = [event], _size(event)
        elif self._cache:
            self._cache.append(event)
            self._cache_bytes += _size(event)
        self._limit_cache()

    def _limit_cache(self) -> None:
        if self._audio_only:
            while len(self._cache) > AUDIO_CACHE_CHUNKS:
                del self._cache[0]
        elif self._cache_bytes > MAX_PENDING_BYTES // 2:
            self._cache, self._cache_bytes = [], 0

    def _drop_pending(self) -> None:
        log.error(
            "stream %s: nobody took %d bytes of output; dropped up to the next key frame",
            self._stream,
            self._pending_bytes,
        )
        self._packets.clear()
        self._pending = [Header(self._header or b""), Gap()]
        self._pending_bytes = 0
        self._stalled = True


def _size(chunk: Chunk) -> int:
    return sum(map(len, chunk.packets))


AUDIO_CACHE_CHUNKS = 25
"""About a second of sound at 40 ms a chunk."""
