"""The files that an egress worker plays: opened, indexed and read in threads, kept for a while.

Invariants: what is kept has a bound in number and bytes; whoever asks for the same at once waits
for the same work; a file that was changed is another one from the next look on, and no segment is
ever made of a file by the tables of another.
"""

import logging
import math
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from media_streamer.disk_threads import DiskBusy, DiskThreads
from media_streamer.egress.access import Access, AccessDenied
from media_streamer.egress.cache_disks import CacheDisks
from media_streamer.egress.http.neighbours import Neighbours
from media_streamer.egress.kept import Kept
from media_streamer.egress.kept_segments import KeptSegments
from media_streamer.egress.near_files import NearFiles, looked_at
from media_streamer.files.cutting import Piece, cut
from media_streamer.files.disk import Changed, Read
from media_streamer.files.frames import Part, filled, together
from media_streamer.files.gathered import Body, Gathered, Sent, in_parts
from media_streamer.files.movie import FileTrack, Movie
from media_streamer.files.names import BadName, Identity, NoFile
from media_streamer.files.opened import Opened, Text, Wanted, open_film, see, webvtt_maker
from media_streamer.files.outline import Stretch
from media_streamer.files.outlined import load, whole_parts
from media_streamer.files.samples import Span
from media_streamer.files.segment import head as media_head
from media_streamer.files.segment import media_segment
from media_streamer.files.storages import Content, LocalContent, open_again, open_content
from media_streamer.files.tables import BadFile
from media_streamer.files.transport import can_carry, ts_segment
from media_streamer.page_cache import read_ahead
from media_streamer.presentation.film import FilmIndex, fmp4_index, ts_index
from media_streamer.presentation.film_text import STRETCH_SECONDS, text_track
from media_streamer.presentation.index import Container, Stored
from media_streamer.presentation.track_index import Timing

log = logging.getLogger(__name__)

Result = TypeVar("Result")

SegmentKey = tuple[Identity, Container, str, int, int]
"""Film, container, track, number, and the duration that segments are cut by."""

BROKEN_SECONDS = 5.0
"""How long a file that cannot be played is not tried again: reading its tables costs."""
MAX_BROKEN = 256
LOOK_SECONDS = 1.0
"""How long a file is taken for what it was at the last look."""
GONE = -math.inf
"""When a film was looked at that is another one now: nobody takes it for what it was."""
REMOTE_LOOK_SECONDS = 10.0
"""The same where it costs a request; what is read of it says so anyway if it is another one."""
NOT_PLAYABLE = "not_playable"
CHANGED = "file_changed"
MAX_FILMS = 256
MAX_TABLE_BYTES = 192 * 1024 * 1024
CUE_BYTES = 500
"""What a cue takes, about."""
MAX_GATHER_BYTES = 24 * 1024 * 1024
"""Heads of segments and where their samples lie, those used last."""
GATHER_BYTES, GATHER_SPAN_BYTES = 500, 130
"""What they take, about."""
WORTH_BYTES = 6 * 1024
"""Smaller parts cost more to send by themselves than to copy."""
NEAR_BYTES = 4 * 1024 * 1024
"""A longer segment is made in a thread: it would hold up all others."""
NEAR_SECONDS = 1.0
"""So long what was seen in memory counts as there: what is sent is used, and stays."""
NEAR_TS_BYTES = 2 * 1024 * 1024
"""The same in MPEG-TS, where a megabyte takes 2 ms."""
MAX_MADE_BYTES = 64 * 1024 * 1024
"""Segments that were made of late."""
MAX_STRETCHES_BYTES = 32 * 1024 * 1024
"""What was read of late of films without tables."""


@dataclass(slots=True, eq=False)
class Film:
    """A file whose tables were read, or a set of them."""

    opened: Opened
    pieces: Mapping[str, Sequence[Piece]]
    """Of each track alone."""
    rows: Sequence[Sequence[Part]]
    """Of all tracks together."""
    indexes: dict[Container, FilmIndex] = field(default_factory=dict)
    looked_at: float = field(default_factory=time.monotonic)
    tracks: Mapping[str, FileTrack] = field(init=False)
    """By their names."""
    is_remote: bool = field(init=False)
    """A part of it is on another machine."""

    def __post_init__(self) -> None:
        self.tracks = {track.name: track for track in self.movie.tracks}
        self.is_remote = any(not content.path for content in self.opened.contents.values())

    def content_of(self, track: str) -> Content:
        """The file that has a track."""
        return self.opened.contents[self.opened.path_of(self.tracks[track].file)]

    @property
    def identity(self) -> Identity:
        return self.opened.identity

    @property
    def movie(self) -> Movie:
        return self.opened.movie

    @property
    def table_bytes(self) -> int:
        movie = self.movie
        texts = sum(CUE_BYTES * len(text.cues) for text in self.opened.texts)
        held = [*(one.samples for one in movie.tracks), *movie.texts]
        return texts + sum(one.held_bytes for one in held)


@dataclass(slots=True, eq=False)
class Gather:
    """A segment that is sent out of its file."""

    head: bytes
    parts: Sequence[Sent]
    spans: Sequence[Span]
    size: int
    """Of the spans together."""
    places: Sequence[int]
    """Where to look whether it is in memory."""
    content: Content
    near_until: float = GONE
    """What was in memory a moment ago is; monotonic seconds."""

    @property
    def is_worth_it(self) -> bool:
        """It has not too many parts, and is not too long."""
        return len(self.spans) * WORTH_BYTES <= self.size <= NEAR_BYTES

    @property
    def held_bytes(self) -> int:
        return GATHER_BYTES + len(self.head) + GATHER_SPAN_BYTES * len(self.spans)


class Films:
    """One per worker."""

    def __init__(
        self, disks: CacheDisks | None = None, neighbours: Neighbours | None = None
    ) -> None:
        self._kept = KeptSegments(disks or CacheDisks(), neighbours)
        self._threads = DiskThreads("files")
        self._near = NearFiles()
        self._films: Kept[tuple[object, ...], Film] = Kept(
            MAX_TABLE_BYTES, lambda film: film.table_bytes + MAX_TABLE_BYTES // MAX_FILMS
        )
        self._broken: dict[tuple[object, ...], tuple[float, AccessDenied]] = {}
        self._gathers: Kept[SegmentKey, Gather] = Kept(
            MAX_GATHER_BYTES, lambda gather: gather.held_bytes
        )
        self._stretches: Kept[tuple[Identity, Piece], Stretch] = Kept(
            MAX_STRETCHES_BYTES, lambda stretch: stretch.size
        )
        self._segments: Kept[SegmentKey, Body] = Kept(MAX_MADE_BYTES, len)

    async def index(self, access: Access, container: Container) -> FilmIndex:
        """What of the file can be played; raises AccessDenied."""
        film = await self.film(access)
        index = film.indexes.get(container)
        if index is None:
            index = film.indexes[container] = await self._run(
                access, lambda: self._index(access, film, container)
            )
        return index

    async def film(self, access: Access) -> Film:
        """The file of an access, as it is now; raises AccessDenied."""
        config = access.config
        key = (
            *(*config.storages, config.file),
            *(config.auto_mbr, config.segment_duration, config.cache),
        )
        film = self._films.get(key)
        if film is not None and not _is_fresh(film):
            film = await self._look(access, film)
            if film is None:
                self._films.drop(key)
        if film is not None:
            return film
        tried_at, denied = self._broken.get(key, (0.0, None))
        if denied is not None and time.monotonic() - tried_at < BROKEN_SECONDS:
            raise denied
        try:
            return await self._films.make(key, lambda: self._open(access))
        except AccessDenied as broken:
            if broken.code == NOT_PLAYABLE:
                if len(self._broken) >= MAX_BROKEN:
                    self._broken.clear()
                self._broken[key] = (time.monotonic(), broken)
            raise

    async def open(self, access: Access) -> Content:
        """The file itself; whoever gets it closes it. Raises AccessDenied."""
        config = access.config
        return await self._run(access, lambda: open_content(config.storages, config.file))

    async def _look(self, access: Access, film: Film) -> Film | None:
        """The same film if its file is the same still."""
        film.looked_at = time.monotonic()  # nobody else looks meanwhile
        try:
            seen = await self._run(access, lambda: see(_wanted(access)))
        except AccessDenied as denied:
            if denied.status != 503:
                film.looked_at = GONE
            raise
        if seen == film.opened.seen:
            return film
        film.looked_at = GONE
        return None

    async def _open(self, access: Access) -> Film:
        def work() -> Film:
            opened = open_film(_wanted(access))
            cuts = cut(opened.movie, access.config.segment_duration / 1000)
            pieces = {name: filled(own) for name, own in cuts.items()}
            return Film(opened, pieces, together(opened.movie, cuts))

        film = await self._run(access, work)
        if film.movie.left_out:
            log.warning("file %s: left out: %s", access.stream, "; ".join(film.movie.left_out))
        return film

    def _index(self, access: Access, film: Film, container: Container) -> FilmIndex:
        several = len(film.opened.contents) > 1
        if container == "ts" and (several or not can_carry(film.movie.tracks)):
            container = "fmp4"

        def key_of(track: str, number: int) -> SegmentKey:
            return film.identity, container, track, number, access.config.segment_duration

        async def make(track: str, number: int) -> Body | Stored:
            key = key_of(track, number)
            return await self._kept.segment(
                access,
                f"{access.stream}/{key}",
                lambda: self._segments.make(
                    key, lambda: self._segment(access, film, container, track, number)
                ),
            )

        in_place = container == "fmp4" and film.movie.outline is None

        def near(track: str, number: int) -> Gathered | None:
            """Where it can be sent at once: of the cache, of what was made, out of its file."""
            if not _is_fresh(film):
                return None
            key = key_of(track, number)
            if access.config.cache is not None:
                return self._kept.near(access, f"{access.stream}/{key}")
            if (made := self._segments.get(key)) is not None:
                return Gathered(made, (), len(made))
            return self._gather(film, key) if in_place else None

        timing = Timing(access.config.segment_duration / 1000)
        changed_ns = film.identity.changed_ns
        if container == "ts":
            index = ts_index(access.stream, film.movie, film.rows, changed_ns, timing, make)
        else:
            index = fmp4_index(access.stream, film.movie, film.pieces, changed_ns, timing, make)
        index.gather = near
        if in_place and access.config.cache is None:

            async def bring(track: str, number: int) -> Gathered | None:
                is_there = await self._bring(access, film, key_of(track, number))
                return near(track, number) if is_there else None

            index.bring = bring
        for number, text in enumerate(film.opened.texts, 1):
            base_ms = text.changed_ns // 1_000_000
            track = text_track(number, text.language, film.movie.seconds, base_ms)
            index.add_text(track, self._texts(access, film, text))
        return index

    def _texts(
        self, access: Access, film: Film, text: Text
    ) -> Callable[[int | None], Coroutine[Any, Any, bytes]]:
        make = webvtt_maker(film.opened, text, _wanted(access), STRETCH_SECONDS)

        async def stretch(number: int | None) -> bytes:
            return await self._run(access, lambda: make(number))

        return stretch

    def _gather(self, film: Film, key: SegmentKey) -> Gathered | None:
        """The parts of a segment, if its file is open and they are in memory and not too many."""
        found = self._gathers.get(key) or self._parts(film, key)
        near = self._near.find(found.content)
        if near is None or not found.is_worth_it:
            return None
        now = time.monotonic()
        if now > found.near_until:
            if not near.is_near(found.places):
                return None
            found.near_until = now + NEAR_SECONDS
        if not near.is_unchanged():
            return None
        return Gathered(found.head, found.parts, len(found.head) + found.size, near)

    async def _bring(self, access: Access, film: Film, key: SegmentKey) -> bool:
        """Open the file of a segment and have what it is made of read, in a thread: nothing of it
        is held by this process, however many ask for segments at once. Raises AccessDenied."""
        parts = self._parts(film, key)
        path, known = film.opened.path_of(film.tracks[key[2]].file), parts.content
        if not known.path or not parts.is_worth_it or not self._near.has_room(known):
            return False

        def work() -> Content:
            found = open_again(access.config.storages, path, known)
            try:
                if isinstance(found, LocalContent):
                    for span in _wide(parts):
                        read_ahead(found.descriptor, span.offset, span.size)
            except FileNotFoundError:
                found.close()
                raise Changed("the file is shorter than it was") from None
            except BaseException:
                found.close()
                raise
            return found

        try:
            self._near.keep(known, await self._run(access, work))
        except AccessDenied as denied:
            if denied.code == CHANGED:
                film.looked_at = GONE  # the next request looks
            raise
        return True

    def _parts(self, film: Film, key: SegmentKey) -> Gather:
        """How a segment is sent out of its file."""
        _, _, name, number, _ = key
        track = film.tracks[name]
        found = self._gathers.get(key)
        if found is None:
            first, end = film.pieces[name][number]
            spans = track.samples.spans(first, end)
            size = sum(span.size for span in spans)
            head = media_head(track, number + 1, first, end)
            parts, places = (in_parts(spans), looked_at(spans)) if spans else ((), ())
            found = Gather(head, parts, spans, size, places, film.content_of(name))
            self._gathers.put(key, found)
        return found

    async def _segment(
        self, access: Access, film: Film, container: Container, name: str, number: int
    ) -> Body:
        track = next((one for one in film.movie.tracks if one.name == name), film.movie.tracks[0])
        path = film.opened.path_of(track.file)

        known = film.opened.contents[path]
        if film.movie.outline is not None:
            piece = film.pieces[name][number] if container == "fmp4" else film.rows[number][0].piece
            stretch = await self._stretch(access, film, piece)
            return await self._run(
                access, lambda: _of_stretch(film, stretch, container, name, number)
            )

        def make(read: Read) -> Body:
            if container == "ts":
                return ts_segment(film.rows[number], read)
            piece = film.pieces[name][number]
            return media_segment(track, number + 1, piece.first, piece.end, read)

        def work() -> tuple[Body, Content]:
            found = open_again(access.config.storages, path, known)
            try:
                return make(found.read), found
            except BaseException:
                found.close()
                raise

        in_ts = container == "ts"
        parts = film.rows[number] if in_ts else [Part(track, film.pieces[name][number])]
        size = sum(part.track.samples.bytes(*part.piece) for part in parts)
        if size <= (NEAR_TS_BYTES if in_ts else NEAR_BYTES):
            near = self._near.read(known, make)
            if near is not None:
                return near
        try:
            made, found = await self._run(access, work)
            self._near.keep(known, found)
            return made
        except AccessDenied as denied:
            if denied.code == CHANGED:
                film.looked_at = GONE  # the next request looks
            raise

    async def _stretch(self, access: Access, film: Film, piece: Piece) -> Stretch:
        """The samples of a piece of a film without tables: picture and sound ask for the same."""
        path, outline = film.opened.path_of(0), film.movie.outline
        assert outline is not None

        def work() -> Stretch:
            found = open_again(access.config.storages, path, film.opened.contents[path])
            try:
                return load(outline, piece, found.read)
            finally:
                found.close()

        key = (film.identity, piece)
        return await self._stretches.make(key, lambda: self._run(access, work))

    async def run(self, access: Access, work: Callable[[], Result]) -> Result:
        """Do something that may block on the disk of the file; raises AccessDenied(503)."""
        try:
            return await self._threads.run(access.config.storages[0], work)
        except DiskBusy:
            raise AccessDenied(503, "files_busy", "The disk is busy, try again") from None
        except TimeoutError:
            title = "The disk of the files does not answer"
            raise AccessDenied(503, "files_unavailable", title) from None

    async def _run(self, access: Access, work: Callable[[], Result]) -> Result:
        """The same; what is wrong with the file is told the client."""
        try:
            return await self.run(access, work)
        except BadName as error:
            raise AccessDenied(400, "bad_name", f"No file is called that: {error}") from None
        except NoFile:
            raise AccessDenied(404, "file_not_found", "There is no such file") from None
        except Changed as error:
            title = f"The playlist is of another file: {error}"
            raise AccessDenied(404, CHANGED, title) from None
        except BadFile as error:
            log.warning("file %s: not played: %s", access.stream, error)
            raise AccessDenied(415, NOT_PLAYABLE, f"The file cannot be played: {error}") from None
        except OSError as error:
            log.warning("file %s: %s", access.stream, error)
            title = f"The file cannot be read: {error.strerror}"
            raise AccessDenied(503, "files_unavailable", title) from None


def _wide(parts: Gather) -> Sequence[Span]:
    """The spans, as one where they lie near to each other."""
    begin = min(span.offset for span in parts.spans)
    size = max(span.offset + span.size for span in parts.spans) - begin
    return [Span(begin, size)] if size <= NEAR_BYTES else parts.spans


def _of_stretch(film: Film, stretch: Stretch, container: Container, name: str, number: int) -> Body:
    """A segment of a film without tables. Raises BadFile."""
    movie = film.movie
    if container == "ts":
        return ts_segment(whole_parts(movie, film.rows[number], stretch), stretch.read)
    track = next(one for one in movie.tracks if one.name == name)
    (part,) = whole_parts(movie, [Part(track, film.pieces[name][number])], stretch)
    return media_segment(part.track, number + 1, 0, part.piece.end, stretch.read)


def _wanted(access: Access) -> Wanted:
    config = access.config
    return Wanted(config.storages, config.file, config.auto_mbr)


def _is_fresh(film: Film) -> bool:
    """Whether its file was looked at a moment ago."""
    seconds = REMOTE_LOOK_SECONDS if film.is_remote else LOOK_SECONDS
    return time.monotonic() - film.looked_at <= seconds
