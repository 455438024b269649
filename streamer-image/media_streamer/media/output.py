"""The output of one stream: frames in, events of its formats out, each format built once.

Everything belongs to the event loop. A format is built from its first sink on, from the cached
GOPs first, until a minute after its last sink left. Sinks are told in `flush`.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from media_streamer.media.cuts import Cuts
from media_streamer.media.formats import CONTAINERS, FORMATS, Format, FormatSpec, Muxer, find_format
from media_streamer.media.frame import Frame, Track
from media_streamer.media.gop import Boundary, BoundaryFinder, Entry, GopCache
from media_streamer.media.meter import OutputStats, TrackMeter, track_info
from media_streamer.media.renditions import Renditions
from media_streamer.media.segmenter import forced_gap_ticks
from media_streamer.media.settings import OutputSettings
from media_streamer.media.stages import Upstream
from media_streamer.media.subscribers import IDLE_SECONDS, Sink, Subscribers
from media_streamer.media.thumbnail import Size, Thumbnail, make_film
from media_streamer.wire.media import NoSuchTracks, NothingCarried

log = logging.getLogger(__name__)

Selection = tuple[str, ...]
"""Names of the tracks that a format is made of; empty for all."""


def _identity(tracks: Sequence[Track]) -> list[tuple[object, ...]]:
    """What sinks know of tracks; rates that a source measured anew are no change."""
    return [(t.number, t.name, t.init, t.language, t.group, t.rank) for t in tracks]


def _videos(tracks: Sequence[Track]) -> list[int]:
    return [track.number for track in tracks if track.kind == "video"]


class _Running:
    """A format that is being built, and its sinks."""

    def __init__(self, stream: str, name: str, made: Format) -> None:
        self.made = made
        self.sinks = Subscribers(stream, name)


class _Pipe:
    """A container with some tracks: its muxer, the GOPs in that container, the formats of it."""

    def __init__(self, container: str, selection: Selection, history_ticks: int) -> None:
        self.container = container
        self.selection = selection
        self.history = any(s.history for s in FORMATS.values() if s.container == container)
        """A format of this container begins with more than the running GOP."""
        self.gops = GopCache(history_ticks if self.history else 0)
        self.formats: dict[str, _Running] = {}
        self.audio_only = True
        self.left_out: list[str] = []
        """Name and codec of all tracks, if the container can carry none of them."""
        self._muxer: Muxer | None = None
        self._tracks: list[Track] = []
        self._numbers: frozenset[int] = frozenset()
        self._boundaries: BoundaryFinder | None = None

    def keep(self, history_ticks: int) -> None:
        """Keep what the next format may begin with. A container of its own has one that begins with
        history: once that is built, its segments are the history. Frames as they are stay kept,
        for the formats of all other containers begin with them."""
        built = self.container and any(FORMATS[name].history for name in self.formats)
        self.gops.history_ticks = history_ticks if self.history and not built else 0

    def start(self, stream: str, tracks: Sequence[Track], max_gap: int) -> None:
        """Write for these tracks from now on."""
        if self.selection:
            every, tracks = tracks, [track for track in tracks if track.name in self.selection]
            self._numbers = frozenset(track.number for track in tracks)
            # Several videos that the stream's own leads are cut where the stream is.
            same = _videos(every)[:1] == _videos(tracks)[:1] and len(_videos(tracks)) > 1
            self._boundaries = None if same else BoundaryFinder(tracks, max_gap)
        self.gops.clear()
        self._tracks = list(tracks)
        self.audio_only = not any(track.kind == "video" for track in tracks)
        self.left_out = []
        if self.container:
            self._muxer = muxer = CONTAINERS[self.container](tracks, self._muxer)
            if muxer.left_out:
                left_out = [_and_why(track, muxer.reasons) for track in muxer.left_out]
                told = stream, self.container, ", ".join(left_out)
                log.warning("stream %s: %s cannot carry %s; its other tracks play", *told)
                self._tracks = [track for track in tracks if track not in muxer.left_out]
                if not self._tracks:
                    self.left_out = [f"{track.name} ({track.codec})" for track in tracks]
        for running in self.formats.values():
            self.describe(running.made)

    def describe(self, made: Format) -> None:
        """Tell a format what comes."""
        header = self._muxer.header if self._muxer is not None and self._tracks else b""
        made.set_tracks(self._tracks, header, self.audio_only)

    def push(self, entries: Sequence[Entry]) -> None:
        entries = self.convert(entries)
        for entry in entries:
            self.gops.append(entry)
        self.feed(entries)

    def feed(self, entries: Sequence[Entry]) -> None:
        for running in self.formats.values():
            running.made.push(entries)

    def convert(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """The entries of the stream as those of this pipe."""
        if self.selection:
            numbers = self._numbers
            entries = [entry for entry in entries if entry.frame.track in numbers]
        if self._boundaries is not None:
            classify = self._boundaries.classify
            entries = [Entry(frame, data, classify(frame), cut) for frame, data, _, cut in entries]
        if self._muxer is not None:
            mux = self._muxer.mux
            entries = [
                Entry(frame, mux(frame, boundary is not Boundary.NONE), boundary, cut)
                for frame, _, boundary, cut in entries
            ]
        return entries

    def gap(self) -> None:
        self.gops.clear()
        if self._muxer is not None:
            self._muxer.discontinuity()
        for running in self.formats.values():
            running.made.gap()


@dataclass(slots=True, eq=False)
class Subscription:
    """A sink's place at one format of a stream."""

    format: str
    selection: Selection
    number: int
    _output: "StreamOutput" = field(repr=False)

    def request_key_frame(self) -> None:
        """A key frame is needed soon; ignored where the source cannot be asked."""
        self._output.request_key_frame()

    def close(self) -> None:
        """Deliver nothing more; may be called twice."""
        self._output.unsubscribe(self)


class StreamOutput:
    """Formats, caches and figures of one stream."""

    def __init__(self, settings: OutputSettings) -> None:
        self.name = settings.name
        self.upstream: Upstream | None = None
        """Where frames come from."""
        self._settings = settings
        self._tracks: tuple[Track, ...] = ()
        self._meters: dict[int, TrackMeter] = {}
        self._renditions: Renditions | None = None
        """Puts the frames of several videos in order."""
        self._boundaries = BoundaryFinder((), self._max_gap)
        self._cuts = Cuts(settings.segment_duration_ms, lasting=settings.lasting)
        self._base = _Pipe("", (), settings.history_ticks)
        """Frames as they are; it is always there, for all other pipes begin with what it keeps."""
        self._pipes: dict[tuple[str, Selection], _Pipe] = {("", ()): self._base}
        self._thumbnails: dict[str, Thumbnail] = {}
        self._others: dict[int, Track] = {}
        """Videos beside the best one."""
        self._pictures: dict[str, tuple[Track, Frame]] = {}
        """The last key frame of each video, by its name."""
        """The newest key frame and its track."""
        self._video: Track | None = None
        self._last_dts: int | None = None
        self._closed = False

    @property
    def held_bytes(self) -> int:
        """What the caches of all containers keep, and what waits for other renditions."""
        renditions = self._renditions
        waiting = renditions.held_bytes if renditions is not None else 0
        return waiting + sum(pipe.gops.bytes for pipe in list(self._pipes.values()))

    # Frames

    def set_tracks(self, tracks: Sequence[Track]) -> None:
        """Frames from now on belong to these tracks; the same tracks again change nothing."""
        if _identity(tracks) == _identity(self._tracks):
            self._tracks = tuple(tracks)
            return
        self._catch_up()
        had_tracks = bool(self._tracks)
        self._cuts.gap()
        self._tracks = tuple(tracks)
        self._renditions = Renditions(tracks) if len(_videos(tracks)) > 1 else None
        self._meters = {track.number: TrackMeter() for track in tracks}
        self._video = next((track for track in tracks if track.kind == "video"), None)
        videos = [track for track in tracks if track.kind == "video"]
        self._others = {one.number: one for one in videos if one is not self._video}
        self._boundaries = self._find_boundaries()
        self._pictures = {}
        for pipe in self._pipes.values():
            pipe.start(self._settings.name, self._tracks, self._max_gap)
        self._refuse_selections(strictly=not had_tracks)
        for pipe in self._pipes.values():
            for name, running in pipe.formats.items():
                if pipe.left_out and not FORMATS[name].history:
                    running.sinks.deliver([NothingCarried(pipe.left_out)])
        if had_tracks:
            codecs = ", ".join(f"{track.name} {track.codec_string}" for track in self._tracks)
            log.info("stream %s: tracks changed: %s", self._settings.name, codecs)

    def push(self, frames: Sequence[Frame]) -> None:
        """Take some frames; those whose track is not one of `set_tracks` are left out."""
        self._take(frames if self._renditions is None else self._renditions.push(frames))

    def _take(self, frames: Sequence[Frame]) -> None:
        video = self._video.number if self._video is not None else -1
        meters, cuts = self._meters, self._cuts
        entries: list[Entry] = []
        for frame in frames:
            meter = meters.get(frame.track)
            if meter is None:
                continue
            if frame.cut is not None and cuts.jumps(frame):
                self._hand_on(entries)
                entries = []
                self._break()
            boundary = self._boundaries.classify(frame)
            if frame.cut is not None and boundary is Boundary.NONE:
                boundary = Boundary.KEY if frame.key else Boundary.FORCED
            if boundary is not Boundary.NONE:
                frame = cuts.boundary(frame)
            if frame.track == video:
                meter.add_video(frame)
                if boundary is Boundary.KEY and self._video is not None:
                    self._pictures[self._video.name] = self._video, frame
            else:
                meter.add(frame)
                if frame.key and (other := self._others.get(frame.track)) is not None:
                    self._pictures[other.name] = other, frame
            entries.append(Entry(frame, frame.data, boundary, cuts.running))
        self._hand_on(entries)

    def _hand_on(self, entries: Sequence[Entry]) -> None:
        if entries:
            self._last_dts = entries[-1].frame.dts
            for pipe in self._pipes.values():
                pipe.push(entries)

    def gap(self) -> None:
        """The source restarted or was switched with a jump: what follows is a discontinuity."""
        self._catch_up()
        self._break()

    def _break(self) -> None:
        self._cuts.gap()
        self._boundaries = self._find_boundaries()
        for pipe in self._pipes.values():
            pipe.gap()

    @property
    def _track_names(self) -> list[str]:
        return [track.name for track in self._tracks]

    def _refuse_selections(self, *, strictly: bool) -> None:
        """Tell who has selected what is not there. Who plays goes on as long as anything is left
        (not `strictly`)."""
        names = self._track_names
        for pipe in self._pipes.values():
            there = [name in names for name in pipe.selection]
            if names and there and not (all(there) if strictly else any(there)):
                for running in pipe.formats.values():
                    running.sinks.deliver([NoSuchTracks(names)])

    def _find_boundaries(self) -> BoundaryFinder:
        renditions = self._renditions
        is_common = renditions.is_common if renditions is not None else None
        return BoundaryFinder(self._tracks, self._max_gap, is_common)

    def _catch_up(self) -> None:
        """What waits for other renditions goes on before anything else does."""
        if self._renditions is not None:
            self._take(self._renditions.flush())

    # Sinks

    def subscribe(
        self,
        format: str,
        sink: Sink,
        tracks: Selection = (),
        on_failed: Callable[[], None] = lambda: None,
    ) -> Subscription:
        """Call `sink` with the state so far now and with all events from now on, in `flush`.

        `tracks`: names of those that the sink wants, empty for all. `on_failed`: the sink raised
        and gets nothing more. Raises ValueError for an unknown format.
        """
        spec = find_format(format)
        running = self._find(format, tracks) or self._start(format, spec, tracks)
        running.sinks.deliver(running.made.take())
        number = running.sinks.add(sink, on_failed)
        names = self._track_names
        if names and any(name not in names for name in tracks):
            running.sinks.deliver([NoSuchTracks(names)], number)
        left_out = self._pipes[spec.container, tracks].left_out
        if left_out and not spec.history:  # of segments the index tells it
            running.sinks.deliver([NothingCarried(left_out)], number)
        running.sinks.deliver(running.made.replay(), number)
        return Subscription(format, tracks, number, self)

    def request_key_frame(self) -> None:
        """A sink needs a key frame soon; ignored where the source cannot be asked."""
        if self.upstream is not None:
            self.upstream.request_key_frame()

    def flush(self) -> None:
        """Deliver what is pending; stop formats that nobody has asked for a while."""
        for key, pipe in list(self._pipes.items()):
            for name, running in list(pipe.formats.items()):
                events = running.made.take()
                if events:
                    running.sinks.deliver(events)
                if running.sinks.idle_seconds > IDLE_SECONDS:
                    del pipe.formats[name]
                    pipe.keep(self._settings.history_ticks)
                    running.made.close()
            if not pipe.formats and pipe is not self._base:
                del self._pipes[key]

    def reconfigure(self, settings: OutputSettings) -> None:
        """Use other settings from the next segment on; running formats go on."""
        self._settings = settings
        self._cuts.set_duration(settings.segment_duration_ms)
        for pipe in self._pipes.values():
            pipe.keep(settings.history_ticks)
            for running in pipe.formats.values():
                running.made.reconfigure(settings)

    def close(self) -> None:
        """Give the sinks what was under way, then nothing more; remove the files."""
        self._catch_up()
        self._closed = True
        for pipe in self._pipes.values():
            for running in pipe.formats.values():
                running.made.gap()
                running.sinks.deliver(running.made.take())
                running.made.close()
            pipe.formats.clear()
            pipe.gops.clear()
        self._pipes = {("", ()): self._base}

    # Figures

    def preview_jpeg(self, track: str = "", size: Size = None) -> bytes | None:
        """The last key frame as JPEG, None if there is none or previews are off; `track`: name of a
        video, empty for the best.

        Blocks; may be called in a thread.
        """
        picture = self._picture(track)
        if picture is None:
            return None
        # A dozen renditions at most; each has a picture that is kept.
        made = self._thumbnails.get(picture[0].name)
        if made is None:
            made = self._thumbnails[picture[0].name] = Thumbnail(self._settings.name)
        return made.jpeg(*picture, size)

    def preview_film(self, track: str = "") -> bytes | None:
        """The last key frame as MP4, None if there is none."""
        picture = self._picture(track)
        return make_film(*picture) if picture is not None else None

    def _picture(self, track: str) -> tuple[Track, Frame] | None:
        if not self._settings.thumbnails:
            return None
        name = track or (self._video.name if self._video is not None else "")
        return self._pictures.get(name)

    def stats(self) -> OutputStats:
        """A snapshot of the figures."""
        meters = self._meters
        subscribers: dict[str, int] = {}
        for pipe in self._pipes.values():
            for name, running in pipe.formats.items():
                subscribers[name] = subscribers.get(name, 0) + len(running.sinks)
        return OutputStats(
            bytes_in=sum(meter.bytes for meter in meters.values()),
            frames=sum(meter.frames for meter in meters.values()),
            gops=meters[self._video.number].gops if self._video is not None else 0,
            last_dts=self._last_dts,
            bitrate=sum(meter.kbps for meter in meters.values()),
            subscribers=subscribers,
            tracks=[track_info(track, meters[track.number]) for track in self._tracks],
        )

    @property
    def _max_gap(self) -> int:
        return forced_gap_ticks(self._settings.segment_duration_ms)

    def _find(self, format: str, tracks: Selection) -> _Running | None:
        pipe = self._pipes.get((FORMATS[format].container, tracks))
        return pipe.formats.get(format) if pipe is not None else None

    def _start(self, format: str, spec: FormatSpec, tracks: Selection) -> _Running:
        """Begin to build a format from the cached GOPs."""
        if self._closed:
            raise ValueError("the stream has stopped")
        pipe = self._pipe(spec, tracks)
        made = spec.make(self._settings)
        pipe.describe(made)
        made.push(list(pipe.gops) if spec.history else pipe.gops.last_gop())
        running = pipe.formats[format] = _Running(self._settings.name, format, made)
        pipe.keep(self._settings.history_ticks)
        return running

    def _pipe(self, spec: FormatSpec, tracks: Selection) -> _Pipe:
        key = (spec.container, tracks)
        pipe = self._pipes.get(key)
        if pipe is None:
            pipe = self._pipes[key] = _Pipe(*key, self._settings.history_ticks)
            pipe.start(self._settings.name, self._tracks, self._max_gap)
            pipe.push(list(self._base.gops) if pipe.history else self._base.gops.last_gop())
        return pipe

    def unsubscribe(self, subscription: Subscription) -> None:
        """Called by `Subscription.close`."""
        running = self._find(subscription.format, subscription.selection)
        if running is not None:
            running.sinks.remove(subscription.number)


def _and_why(track: Track, reasons: Mapping[int, str]) -> str:
    reason = reasons.get(track.number)
    return f"{track.name} ({track.codec}: {reason})" if reason else f"{track.name} ({track.codec})"
