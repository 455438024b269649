"""Files as a playback reads them: stretches of frames from a moment on."""

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

from media_streamer.files.containers import read_film
from media_streamer.files.cutting import cut
from media_streamer.files.disk import Changed
from media_streamer.files.frames import Part, described, frames_of, together
from media_streamer.files.movie import Movie
from media_streamer.files.names import Identity, NoFile
from media_streamer.files.outlined import found_parts
from media_streamer.files.storages import Content, open_again, open_content
from media_streamer.media.frame import Frame, Track
from media_streamer.wire.media import Replay

STRETCH_SECONDS = 2.0
"""As much is held of a film, or what there is from one key frame to the next."""
MAX_TABLE_BYTES = 96 * 1024 * 1024
"""Of all films that are played in a worker: some ten of two hours; streams live there, too."""
InThread = Callable[[Callable[[], Any]], Awaitable[Any]]


class Stretch(NamedTuple):
    """Some frames that follow each other."""

    tracks: list[Track] | None
    """What they belong to from now on; None where that is as before."""
    frames: list[Frame]
    broken: bool
    """They do not continue those before."""


class Film:
    """An indexed file, shared by all who play it."""

    def __init__(self, content: Content, movie: Movie) -> None:
        self.content = content
        self.movie = movie
        tracks: list[Track] = []
        kept: set[str] = set()
        for track in movie.tracks:
            try:
                tracks.append(described(len(tracks), track))
            except ValueError:
                continue  # the others are played
            kept.add(track.name)
        if not tracks:
            raise ValueError("it has no track that can be played so")
        self.tracks = tracks
        self._rows = [
            [part for part in row if part.track.name in kept]
            for row in together(movie, cut(movie, STRETCH_SECONDS))
        ]
        self._zero = float(movie.zero)
        self.table_bytes = sum(track.samples.held_bytes for track in movie.tracks)

    def rows_from(self, seconds: float) -> list[list[Part]]:
        """Stretches from the one on that holds the moment."""
        rows = [row for row in self._rows if any(part.piece.end > part.piece.first for part in row)]
        ends = (float(max(p.track.seconds(p.piece.end) for p in row)) - self._zero for row in rows)
        first = next((number for number, end in enumerate(ends) if end > seconds), len(rows))
        return rows[first:]


class FilmShelf:
    """The films that are played in this worker."""

    def __init__(self) -> None:
        self._known: WeakValueDictionary[Identity, Film] = WeakValueDictionary()

    async def stretches(self, replay: Replay, in_thread: InThread) -> AsyncIterator[Stretch]:
        """From `replay.from_ms` of the film on; raises ValueError, OSError."""
        film: Film = await in_thread(partial(self._open, replay))
        tracks: list[Track] | None = film.tracks
        for row in await in_thread(partial(film.rows_from, replay.from_ms / 1000)):
            frames: list[Frame] = await in_thread(partial(_read, replay, film, row))
            yield Stretch(tracks, frames, False)
            tracks = None

    def _open(self, replay: Replay) -> Film:
        try:
            found = open_content(replay.storages, replay.file)
        except NoFile as error:
            raise ValueError(str(error)) from None
        try:
            film = self._known.get(found.identity)
            if film is None:
                movie = read_film(found.read, found.identity.size, found.identity)
                held = sum(one.table_bytes for one in list(self._known.values()))
                made = Film(found, movie)
                if held + made.table_bytes > MAX_TABLE_BYTES:
                    raise ValueError("too many films are played now")
                film = self._known.setdefault(found.identity, made)
            return film
        finally:
            found.close()


def _read(replay: Replay, film: Film, row: list[Part]) -> list[Frame]:
    try:
        found = open_again(replay.storages, replay.file, film.content)
    except (NoFile, Changed) as error:
        raise ValueError(str(error)) from None
    try:
        return frames_of(*found_parts(film.movie, row, found.read))
    except Changed as error:
        raise ValueError(str(error)) from None
    finally:
        found.close()
