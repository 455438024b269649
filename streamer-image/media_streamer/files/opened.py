"""A film as it is opened: one file or a set of them, with the subtitles beside it. Blocks.

`see` says what is there now without reading it, so that whoever keeps a film notices a change.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from media_streamer.files.containers import read_film
from media_streamer.files.cues import MAX_SECONDS, Cue, webvtt
from media_streamer.files.movie import FoundText, Movie, TextTrack
from media_streamer.files.names import Identity
from media_streamer.files.sets import identity_of_set, merged, set_paths
from media_streamer.files.storages import Content, identity_of, open_again, open_content
from media_streamer.files.subtitles import cues_of_side, cues_of_track, find_sides, open_side


class Text(NamedTuple):
    """Subtitles of a film."""

    language: str
    changed_ns: int
    cues: tuple[Cue, ...] = ()
    """All of them, of a file beside the film."""
    track: TextTrack | FoundText | None = None
    """Where they lie within it."""


class Opened(NamedTuple):
    """What is known of a film."""

    identity: Identity
    seen: Identity
    """The same, with the files beside it."""
    contents: Mapping[str, Content]
    """Its files, closed, by their path within the location; the tracks count them."""
    movie: Movie
    texts: Sequence[Text]

    def path_of(self, file: int) -> str:
        """Of the file that a track lies in."""
        return list(self.contents)[file]


class Wanted(NamedTuple):
    """Which film is meant."""

    storages: Sequence[str]
    path: str
    auto_mbr: bool

    def paths(self) -> tuple[list[str], bool]:
        """Its files, and whether they are a set."""
        found = set_paths(self.storages, self.path) if self.auto_mbr else []
        return found or [self.path], bool(found)


def open_film(wanted: Wanted) -> Opened:
    """Raises BadName, NoFile, BadFile, OSError."""
    paths, is_set = wanted.paths()
    contents: dict[str, Content] = {}
    movies: list[Movie] = []
    for path in paths:
        found = contents[path] = open_content(wanted.storages, path)
        try:
            movies.append(read_film(found.read, found.identity.size, found.identity))
        finally:
            found.close()
    movie = merged(movies)
    identity = identity_of_set([one.identity for one in contents.values()])
    sides, texts = _sides(wanted, is_set)
    texts += [Text(one.language, identity.changed_ns, track=one) for one in movie.texts]
    return Opened(identity, identity_of_set([identity, *sides]), contents, movie, texts)


def see(wanted: Wanted) -> Identity:
    """`Opened.seen` of what is there now; raises BadName, NoFile, OSError."""
    paths, is_set = wanted.paths()
    identity = identity_of_set([identity_of(wanted.storages, path) for path in paths])
    sides = []
    for side in find_sides(wanted.storages, wanted.path, is_set=is_set):
        if (content := open_side(wanted.storages, side, only_look=True)) is not None:
            sides.append(content.identity)
            content.close()
    return identity_of_set([identity, *sides])


def _sides(wanted: Wanted, is_set: bool) -> tuple[list[Identity], list[Text]]:
    seen, texts = [], []
    for side in find_sides(wanted.storages, wanted.path, is_set=is_set):
        content = open_side(wanted.storages, side)
        if content is None:
            continue
        try:
            seen.append(content.identity)
            cues = tuple(cues_of_side(content))
        finally:
            content.close()
        if cues:
            texts.append(Text(side.language, content.identity.changed_ns, cues))
    return seen, texts


def text_of(opened: Opened, text: Text, wanted: Wanted, begin: float, end: float) -> list[Cue]:
    """What is shown from `begin` to before `end`, in seconds of the film; all for an infinite end.

    Raises Changed, BadFile, BadName, NoFile, OSError.
    """
    if text.track is None:
        return [cue for cue in text.cues if cue.begin < end and cue.end > begin]
    track = text.track
    file = track.file if isinstance(track, TextTrack) else 0
    path = opened.path_of(file)
    content = open_again(wanted.storages, path, opened.contents[path])
    try:
        if isinstance(track, TextTrack):
            return cues_of_track(track, begin, min(end, MAX_SECONDS), content.read)
        return track.cues(begin, min(end, MAX_SECONDS), content.read)
    finally:
        content.close()


def webvtt_maker(
    opened: Opened, text: Text, wanted: Wanted, stretch: float
) -> Callable[[int | None], bytes]:
    """Makes the stretch of a number as WebVTT, or all of it (None); raises like `text_of`."""

    def make(number: int | None) -> bytes:
        begin = 0.0 if number is None else number * stretch
        end = float("inf") if number is None else begin + stretch
        cues = text_of(opened, text, wanted, begin, end)
        return webvtt(cues, float(opened.movie.zero)).encode()

    return make
