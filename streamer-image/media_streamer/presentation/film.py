"""The index of a file: all of its segments are known from the start, and made when asked for."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from media_streamer.files.cutting import Piece
from media_streamer.files.frames import Part
from media_streamer.files.gathered import Body, Gathered
from media_streamer.files.movie import FileTrack, Movie
from media_streamer.files.segment import head_bytes
from media_streamer.files.transport import expected_bytes
from media_streamer.presentation.index import Container, SegmentIndex, Stored
from media_streamer.presentation.track_index import (
    Init,
    Period,
    Segment,
    Timing,
    TrackIndex,
    find_time_in,
)
from media_streamer.refusal import AccessDenied

TICKS = 90_000
MAX_UTC_MS = 4_000_000_000_000
Make = Callable[[str, int], Awaitable[Body | Stored]]
"""A segment, by the name of its track and its number; raises AccessDenied."""


@dataclass
class FilmTrack(TrackIndex):
    """A track; its segments are found by name at once, for there are thousands."""

    _named: dict[str, Segment] = field(default_factory=dict)
    _timed: dict[int, Segment] = field(default_factory=dict)

    def put(self, segments: Sequence[Segment]) -> None:
        """All that there will be."""
        self.complete, self.dated = True, False
        self.segments.extend(segments)
        self._named = {segment.name: segment for segment in segments}
        self._timed = {segment.time: segment for segment in segments}
        self.longest_segment = max((segment.duration for segment in segments), default=0.0)

    def find(self, name: str) -> Segment | None:
        return self._named.get(name)

    def find_time(self, period_utc_ms: int, time: int) -> Segment | None:
        return find_time_in(filter(None, [self._timed.get(time)]), period_utc_ms, time)


class FilmIndex(SegmentIndex):
    """A file in one container. Segments are named by when the file was changed, so that no name
    ever means another content."""

    def __init__(
        self,
        stream: str,
        container: Container,
        tracks: Sequence[FilmTrack],
        sections: Mapping[str, bytes],
        timing: Timing,
        make: Make,
    ) -> None:
        """`sections`: initialisation sections by `Init.path`."""
        super().__init__(stream, container)
        self.timing = timing
        self.gather: Callable[[str, int], Gathered | None] = lambda *_: None
        """A segment in parts, by the name of its track and its number, where that is worth it."""
        self.bring: Callable[[str, int], Awaitable[Gathered | None]] = _nothing
        """The same, after the file was opened and read."""
        self.texts: dict[str, Callable[[int | None], Awaitable[bytes]]] = {}
        """Of tracks of subtitles: makes the stretch of a number, or all of it (None)."""
        self._tracks = {track.name: track for track in tracks}
        self._sections = sections
        self._make = make

    @property
    def tracks(self) -> Mapping[str, FilmTrack]:
        return self._tracks

    def read_init(self, init: Init) -> bytes:
        section = self._sections.get(init.path)
        if section is None:
            raise AccessDenied(404, "not_found", "There is no such initialisation section")
        return section

    def add_text(self, track: FilmTrack, make: Callable[[int | None], Awaitable[bytes]]) -> None:
        """A track of subtitles."""
        self._tracks[track.name] = track
        self.texts[track.name] = make

    def gathered(self, track: TrackIndex, segment: Segment) -> Gathered | None:
        return None if track.name in self.texts else self.gather(track.name, segment.msn)

    async def brought(self, track: TrackIndex, segment: Segment) -> Gathered | None:
        return None if track.name in self.texts else await self.bring(track.name, segment.msn)

    async def made(self, track: TrackIndex, segment: Segment) -> Body | Stored:
        if (text := self.texts.get(track.name)) is not None:
            return await text(segment.msn)
        return await self._make(track.name, segment.msn)

    async def whole_text(self, name: str) -> bytes:
        """All of the subtitles of a track, as one WebVTT file; raises AccessDenied."""
        make = self.texts.get(name)
        if make is None:
            raise AccessDenied(404, "not_found", f"The film has no subtitles {name}")
        return await make(None)


async def _nothing(*_: object) -> None:
    """There is nothing to be brought."""


def fmp4_index(
    stream: str,
    movie: Movie,
    pieces: Mapping[str, Sequence[Piece]],
    changed_ns: int,
    timing: Timing,
    make: Make,
) -> FilmIndex:
    """A track each. `changed_ns`: when the file was changed, Unix ns."""
    base_ms = min(max(0, changed_ns // 1_000_000), MAX_UTC_MS)
    period = Period(base_ms, round(movie.zero * TICKS))
    tracks, sections = [], {}
    for one in movie.tracks:
        path = f"{changed_ns}/{one.name}"
        sections[path] = one.init
        track = FilmTrack(one.name, inits={0: _init(one, path)})
        begin = one.samples.time(0)
        track.put(
            [
                _segment(one, piece, number, base_ms, begin, period)
                for number, piece in enumerate(pieces[one.name])
            ]
        )
        tracks.append(track)
    return FilmIndex(stream, "fmp4", tracks, sections, timing, make)


def ts_index(
    stream: str,
    movie: Movie,
    rows: Sequence[Sequence[Part]],
    changed_ns: int,
    timing: Timing,
    make: Make,
) -> FilmIndex:
    """All tracks in one multiplex; `fmp4_index` says what the arguments are."""
    base_ms = min(max(0, changed_ns // 1_000_000), MAX_UTC_MS)
    name = "".join(track.name for track in movie.tracks)
    main = movie.tracks[0]
    codecs = ",".join(track.codecs for track in movie.tracks)
    track = FilmTrack(name, inits={0: replace(_init(main, ""), codecs=codecs, kind="multiplex")})
    segments = []
    zero = None
    for number, parts in enumerate(rows):
        begin, end = _span(parts)
        zero = begin if zero is None else zero
        size = expected_bytes(parts, end - begin)
        segments.append(
            Segment(
                msn=number,
                start_utc_ms=base_ms + round((begin - zero) * 1000),
                duration=end - begin,
                path="",
                size=size,
                discontinuity=False,
                init=0,
                bandwidth=round(size * 8 / (end - begin)) if end > begin else 0,
            )
        )
    track.put(segments)
    return FilmIndex(stream, "ts", [track], {}, timing, make)


def _span(parts: Sequence[Part]) -> tuple[float, float]:
    """Begin and end of a segment in seconds: those of the first track that has something."""
    track, piece = next(part for part in parts if part.piece.end > part.piece.first)
    return _seconds(track, piece.first), _seconds(track, piece.end)


def _seconds(track: FileTrack, sample: int) -> float:
    return (track.samples.time(sample) + track.shift) / track.timescale


def _segment(
    track: FileTrack, piece: Piece, number: int, base_ms: int, begin: int, period: Period
) -> Segment:
    samples, (first, end) = track.samples, piece
    start = samples.time(first)
    ticks = samples.time(end) - start
    size = samples.bytes(first, end) + head_bytes(track, first, end)
    duration = ticks / track.timescale
    return Segment(
        msn=number,
        start_utc_ms=base_ms + (start - begin) * 1000 // track.timescale,
        duration=duration,
        path="",
        size=size,
        discontinuity=False,
        init=0,
        bandwidth=round(size * 8 / duration) if duration else 0,
        time=start + track.shift,
        period=period,
    )


def _init(track: FileTrack, path: str) -> Init:
    return Init(
        number=0,
        path=path,
        codecs=track.codecs,
        width=track.width,
        height=track.height,
        fps=track.fps,
        channels=track.channels,
        sample_rate=track.sample_rate,
        language=track.language,
        kind=track.kind,
        timescale=track.timescale,
    )
