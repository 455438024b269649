"""Files as a playback reads them: stretches of frames from a moment on."""

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
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
from media_streamer.media.frame import TIME_BASE, Frame, Track
from media_streamer.wire.media import Replay

STRETCH_SECONDS = 2.0
"""As much is held of a film, or what there is from one key frame to the next."""
MAX_TABLE_BYTES = 96 * 1024 * 1024
"""Of all films that are played in a worker: some ten of two hours; streams live there, too."""
LOOKED_AT = 4
"""Films that are kept for who wants another picture of them."""
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
        self.zero = float(movie.zero)
        """When the first picture is shown, in seconds of the frames."""
        self.table_bytes = sum(track.samples.held_bytes for track in movie.tracks)

    def rows_from(self, seconds: float) -> list[list[Part]]:
        """Stretches from the one on that holds the moment."""
        rows = [row for row in self._rows if any(part.piece.end > part.piece.first for part in row)]
        ends = (float(max(p.track.seconds(p.piece.end) for p in row)) - self.zero for row in rows)
        first = next((number for number, end in enumerate(ends) if end > seconds), len(rows))
        return rows[first:]


class FilmShelf:
    """The films that are played in this worker, or looked at."""

    def __init__(self) -> None:
        self._known: WeakValueDictionary[Identity, Film] = WeakValueDictionary()
        self._looked_at: deque[Film] = deque(maxlen=LOOKED_AT)

    async def stretches(self, replay: Replay, in_thread: InThread) -> AsyncIterator[Stretch]:
        """From `replay.from_ms` of the film on; raises ValueError, OSError."""
        film: Film = await in_thread(partial(self._open, replay))
        tracks: list[Track] | None = film.tracks
        for row in await in_thread(partial(film.rows_from, replay.from_ms / 1000)):
            frames: list[Frame] = await in_thread(partial(_read, replay, film, row))
            yield Stretch(tracks, frames, False)
            tracks = None

    def key_frame(
        self, storages: Sequence[str], path: str, seconds: float
    ) -> tuple[Track, Frame] | None:
        """The last key frame of the first video up to a moment, or the first one; None behind the
        end. Blocks; raises ValueError, OSError."""
        replay = Replay([], 0, 0, 1.0, list(storages), path)
        film = self._open(replay)
        if film not in self._looked_at:
            self._looked_at.append(film)
        video = next((track for track in film.tracks if track.kind == "video"), None)
        rows = film.rows_from(seconds)
        if video is None or not rows:
            return None
        frames = _read(replay, film, rows[0])
        keys = [frame for frame in frames if frame.key and frame.track == video.number]
        until = (seconds + film.zero) * TIME_BASE
        chosen = next((key for key in reversed(keys) if key.pts <= until), None)
        found = chosen or next(iter(keys), None)
        return (video, found) if found is not None else None

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
