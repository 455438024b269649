"""The output side of one stream: frames in, chunks and segments out, each format built once.

`push` runs in an input thread, everything else in the event loop thread of the worker. One short
lock guards the state; sinks are called without it. A format is built from its first subscriber on,
fed with the cached GOPs first, until a minute after its last subscriber left.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from media_streamer.media.frame import Frame, Track
from media_streamer.media.gop import Boundary, BoundaryFinder, Entry, GopCache
from media_streamer.media.hub import IDLE_SECONDS, ChunkHub, FormatHub, Sink, Subscribers
from media_streamer.media.meter import OutputStats, TrackMeter, track_info
from media_streamer.media.mux.flv import FlvMuxer
from media_streamer.media.mux.ts import TsMuxer
from media_streamer.media.segmenter import SegmentSettings, WallClock, forced_gap_ticks
from media_streamer.media.segments import Fmp4Segments, TsSegments
from media_streamer.media.thumbnail import Thumbnail

log = logging.getLogger(__name__)

FORMATS = ("flv", "ts", "hls_ts", "hls_fmp4")
_TICKS_PER_MS = 90


@dataclass(frozen=True)
class OutputSettings:
    """What a stream's configuration says about its output. Times in ms."""

    name: str
    directory: Path
    """Where segment files live; the stream gets a sub-directory of its own."""
    segment_duration_ms: int = 5000
    segment_count: int = 4
    """Segments in a playlist."""
    chunk_duration_ms: int = 200
    """Longest part of a segment (LL-HLS)."""
    thumbnails: bool = True
    history_ms: int | None = None
    """How much to keep for the first segment of a first HLS viewer; None: one segment."""

    @property
    def history_ticks(self) -> int:
        """The history in ticks of 90 kHz."""
        chosen = self.segment_duration_ms if self.history_ms is None else self.history_ms
        return chosen * _TICKS_PER_MS

    @property
    def segments(self) -> SegmentSettings:
        """The part that concerns HLS."""
        return SegmentSettings(
            stream=self.name,
            directory=self.directory,
            duration_ms=self.segment_duration_ms,
            count=self.segment_count,
            part_ms=self.chunk_duration_ms,
        )


def _identity(tracks: Sequence[Track]) -> list[tuple[int, str, bytes, str]]:
    """What subscribers know of tracks; rates that a source measured anew are no change."""
    return [(track.number, track.name, track.init, track.language) for track in tracks]


class Muxer(Protocol):
    """A container that is written frame by frame."""

    header: bytes
    left_out: list[Track]

    def mux(self, frame: Frame, boundary: bool) -> bytes:
        """Bytes of a frame."""

    def discontinuity(self) -> None:
        """The clock may jump with the next frame."""


class _Pipe:
    """One container of a stream: its muxer, the GOPs in that container, the formats made of it."""

    def __init__(self, name: str, make: Callable[..., Muxer], history_ticks: int) -> None:
        self.name = name
        self.make = make
        self.muxer: Muxer | None = None
        self.gops = GopCache(history_ticks)
        self.hubs: dict[str, FormatHub] = {}

    def start(self, stream: str, tracks: Sequence[Track]) -> None:
        """Write for these tracks from now on."""
        self.muxer = muxer = self.make(tracks, self.muxer)
        self.gops.clear()
        if muxer.left_out:
            names = ", ".join(f"{track.name} ({track.codec})" for track in muxer.left_out)
            log.warning("stream %s: %s cannot carry %s", stream, self.name, names)

    def carried(self, tracks: Sequence[Track]) -> list[Track]:
        """The tracks that the container has."""
        left_out = self.muxer.left_out if self.muxer is not None else []
        return [track for track in tracks if track not in left_out]

    def push(self, frame: Frame, boundary: Boundary) -> None:
        assert self.muxer is not None
        data = self.muxer.mux(frame, boundary is not Boundary.NONE)
        entry = Entry(frame, data, boundary)
        self.gops.append(entry)
        for hub in self.hubs.values():
            hub.append(entry)


@dataclass(slots=True)
class Subscription:
    """A sink's place at one format of a stream."""

    format: str
    number: int
    _close: Callable[["Subscription"], None] = field(repr=False)

    def close(self) -> None:
        """Deliver nothing more; may be called twice."""
        self._close(self)


class StreamOutput:
    """Formats, caches, segments and figures of one stream."""

    def __init__(self, settings: OutputSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._tracks: tuple[Track, ...] = ()
        self._meters: dict[int, TrackMeter] = {}
        self._boundaries = self._new_boundaries()
        self._frames = GopCache(settings.history_ticks)
        self._pipes: dict[str, _Pipe] = {}
        self._fmp4: Fmp4Segments | None = None
        self._subscribers: dict[str, Subscribers] = {}
        self._clock = WallClock()
        self._thumbnail = Thumbnail(settings.name)
        self._key_frame: Frame | None = None
        self._video = -1
        self._last_dts: int | None = None
        self._closed = False

    # Producer side: one input thread at a time.

    def set_tracks(self, tracks: Sequence[Track]) -> None:
        """Frames from now on belong to these tracks; the same tracks again change nothing."""
        with self._lock:
            if _identity(tracks) == _identity(self._tracks):
                self._tracks = tuple(tracks)
                return
            names = [track.name for track in self._tracks]
            self._tracks = tuple(tracks)
            self._meters = {track.number: TrackMeter() for track in tracks}
            self._video = next((t.number for t in tracks if t.kind == "video"), -1)
            self._boundaries = self._new_boundaries()
            self._frames.clear()
            self._key_frame = None
            for pipe in self._pipes.values():
                pipe.start(self._settings.name, self._tracks)
                for hub in pipe.hubs.values():
                    self._restart_hub(pipe, hub)
            if self._fmp4 is not None:
                self._fmp4.set_tracks(self._tracks)
            if names:
                log.info("stream %s: tracks changed: %s", self._settings.name, self._codecs())

    def push(self, frame: Frame) -> None:
        """Take one frame; its track is one of `set_tracks`."""
        with self._lock:
            meter = self._meters.get(frame.track)
            if meter is None:
                return
            self._last_dts = frame.dts
            boundary = self._boundaries.classify(frame)
            if frame.track == self._video:
                meter.add_video(frame)
                if boundary is Boundary.KEY:
                    self._key_frame = frame
            else:
                meter.add(frame)
            self._clock.start(frame.dts)
            entry = Entry(frame, frame.data, boundary)
            self._frames.append(entry)
            for pipe in self._pipes.values():
                pipe.push(frame, boundary)
            if self._fmp4 is not None:
                self._fmp4.append(entry)

    def gap(self) -> None:
        """The source restarted or was switched with a jump: what follows is a discontinuity."""
        with self._lock:
            self._frames.clear()
            self._boundaries = self._new_boundaries()
            for pipe in self._pipes.values():
                pipe.gops.clear()
                if pipe.muxer is not None:
                    pipe.muxer.discontinuity()
                for hub in pipe.hubs.values():
                    hub.gap()
            if self._fmp4 is not None:
                self._fmp4.gap()
            self._clock.reset()

    # Consumer side: the event loop thread.

    def subscribe(self, format: str, sink: Sink) -> Subscription:
        """Call `sink` with the state so far now and with all events from now on, in `flush`.

        Raises ValueError for an unknown format.
        """
        if format not in FORMATS:
            raise ValueError(f"unknown format {format!r}")
        subscribers = self._subscribers.get(format)
        if subscribers is None:
            subscribers = self._subscribers[format] = Subscribers(self._settings.name, format)
        with self._lock:
            hub = self._find_hub(format) or self._start_hub(format)
            events = hub.take()
            state = hub.replay()
        subscribers.deliver(events)
        number = subscribers.add(sink)
        subscribers.deliver(state, number)
        return Subscription(format, number, self._unsubscribe)

    def flush(self) -> None:
        """Deliver what is pending; stop formats that nobody has asked for a while."""
        for format, subscribers in list(self._subscribers.items()):
            with self._lock:
                hub = self._find_hub(format)
                events = hub.take() if hub is not None else []
            if events:
                subscribers.deliver(events)
            if hub is not None and subscribers.idle_seconds > IDLE_SECONDS:
                self._stop_hub(format)

    def reconfigure(self, settings: OutputSettings) -> None:
        """Use other settings from the next segment on; running formats go on."""
        with self._lock:
            self._settings = settings
            self._frames.history_ticks = settings.history_ticks
            for pipe in self._pipes.values():
                pipe.gops.history_ticks = settings.history_ticks if pipe.name == "ts" else 0
            for format in ("hls_ts", "hls_fmp4"):
                hub = self._find_hub(format)
                if isinstance(hub, TsSegments | Fmp4Segments):
                    hub.reconfigure(settings.segments)

    def close(self) -> None:
        """Tell the subscribers that the stream has ended and remove its files."""
        self.flush()
        with self._lock:
            self._closed = True
            hubs = [self._find_hub(format) for format in FORMATS]
            self._pipes.clear()
            self._fmp4 = None
            self._frames.clear()
        for subscribers in self._subscribers.values():
            subscribers.deliver([({"op": "end", "reason": "stream stopped"}, b"")])
        self._subscribers.clear()
        for hub in hubs:
            if hub is not None:
                hub.close()

    def preview_jpeg(self) -> bytes | None:
        """The last key frame as JPEG, None if there is none or previews are off. Blocks."""
        with self._lock:
            frame = self._key_frame if self._settings.thumbnails else None
            track = next((t for t in self._tracks if t.number == self._video), None)
        return self._thumbnail.jpeg(track, frame) if track and frame else None

    def stats(self) -> OutputStats:
        """A snapshot of the figures."""
        with self._lock:
            meters = self._meters
            return OutputStats(
                bytes_in=sum(meter.bytes for meter in meters.values()),
                frames=sum(meter.frames for meter in meters.values()),
                gops=meters[self._video].gops if self._video in meters else 0,
                last_dts=self._last_dts,
                bitrate=sum(meter.kbps for meter in meters.values()),
                subscribers={name: len(found) for name, found in self._subscribers.items()},
                tracks=[track_info(track, meters[track.number]) for track in self._tracks],
            )

    def _new_boundaries(self) -> BoundaryFinder:
        gap = forced_gap_ticks(self._settings.segment_duration_ms)
        return BoundaryFinder(self._tracks, gap)

    def _codecs(self) -> str:
        return ", ".join(f"{track.name} {track.codec_string}" for track in self._tracks)

    def _find_hub(self, format: str) -> FormatHub | None:
        if format == "hls_fmp4":
            return self._fmp4
        pipe = self._pipes.get("flv" if format == "flv" else "ts")
        return pipe.hubs.get(format) if pipe is not None else None

    def _start_hub(self, format: str) -> FormatHub:
        """Begin to build a format from the cached GOPs; lock held."""
        if self._closed:
            raise ValueError("the stream has stopped")
        if format == "hls_fmp4":
            self._fmp4 = fmp4 = Fmp4Segments(self._settings.segments, self._clock)
            fmp4.set_tracks(self._tracks)
            for entry in self._frames:
                fmp4.append(entry)
            return fmp4
        pipe = self._pipe("flv" if format == "flv" else "ts")
        assert pipe.muxer is not None
        hub: FormatHub
        if format == "hls_ts":
            hub = TsSegments(self._settings.segments, self._clock)
            hub.set_tracks(pipe.carried(self._tracks))
            entries = list(pipe.gops)
        else:
            audio_only = self._boundaries.audio_only
            hub = ChunkHub(self._settings.name, pipe.muxer.header, audio_only)
            entries = pipe.gops.last_gop()
        for entry in entries:
            hub.append(entry)
        pipe.hubs[format] = hub
        return hub

    def _pipe(self, name: str) -> _Pipe:
        pipe = self._pipes.get(name)
        if pipe is None:
            history = self._settings.history_ticks if name == "ts" else 0
            pipe = _Pipe(name, TsMuxer if name == "ts" else FlvMuxer, history)
            pipe.start(self._settings.name, self._tracks)
            entries = list(self._frames) if name == "ts" else self._frames.last_gop()
            for entry in entries:
                pipe.push(entry.frame, entry.boundary)
            self._pipes[name] = pipe
        return pipe

    def _restart_hub(self, pipe: _Pipe, hub: FormatHub) -> None:
        """New tracks: a new header or new segments."""
        assert pipe.muxer is not None
        hub.gap()
        if isinstance(hub, ChunkHub):
            hub.set_header(pipe.muxer.header, self._boundaries.audio_only)
        elif isinstance(hub, TsSegments):
            hub.set_tracks(pipe.carried(self._tracks))

    def _stop_hub(self, format: str) -> None:
        with self._lock:
            hub = self._find_hub(format)
            if format == "hls_fmp4":
                self._fmp4 = None
            else:
                name = "flv" if format == "flv" else "ts"
                pipe = self._pipes[name]
                pipe.hubs.pop(format, None)
                if not pipe.hubs:
                    del self._pipes[name]
        del self._subscribers[format]
        if hub is not None:
            hub.close()

    def _unsubscribe(self, subscription: Subscription) -> None:
        subscribers = self._subscribers.get(subscription.format)
        if subscribers is not None:
            subscribers.remove(subscription.number)
