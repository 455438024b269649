"""A film out of an outline, and parts of its segments out of its stretches."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from media_streamer.files.cutting import Piece
from media_streamer.files.disk import Read
from media_streamer.files.frames import Part
from media_streamer.files.headers import Entry, init_section
from media_streamer.files.matroska_text import MatroskaText
from media_streamer.files.movie import FileTrack, Movie
from media_streamer.files.outline import Outline, Stretch
from media_streamer.syntax.codec_strings import codec_string

_UNKNOWN = 0x55C4
"""`und`, as `mdhd` has it."""


class Described(NamedTuple):
    """A track as its container says it."""

    kind: str
    entry: Entry
    language: str
    """ISO 639-2 or BCP 47; empty: it does not say."""
    fps: float
    codec: str
    """FFmpeg's name, where the string of the codec does not tell."""


def movie_of(
    outline: Outline,
    tracks: Sequence[Described],
    size: int,
    left_out: Sequence[str],
    texts: Sequence[MatroskaText],
) -> Movie:
    """What is in a file of `size` bytes; the tracks are those of the outline, in its order."""
    ticks = outline.container.ticks
    counts = {"video": 0, "audio": 0}
    made = []
    for number, one in enumerate(tracks):
        counts[one.kind] += 1
        entry = one.entry
        init = init_section(
            entry.data,
            b"vide" if one.kind == "video" else b"soun",
            ticks,
            _packed(one.language),
            size=(entry.width, entry.height),
        )
        made.append(
            FileTrack(
                name=f"{one.kind[0]}{counts[one.kind]}",
                kind=one.kind,
                codecs=codec_string(init),
                codec=one.codec,
                timescale=ticks,
                init=init,
                samples=outline.nominal(number, size),
                shift=0,
                width=entry.width,
                height=entry.height,
                fps=one.fps,
                channels=entry.channels,
                sample_rate=entry.sample_rate,
                language=one.language,
            )
        )
    zero = outline.zero
    seconds = (outline.end - outline.base) / ticks - float(zero)
    return Movie(
        tuple(made), zero, max(0.0, seconds), tuple(left_out), tuple(texts), outline=outline
    )


def _packed(language: str) -> int:
    """As in `mdhd` (ISO/IEC 14496-12 8.4.2)."""
    if len(language) != 3 or not (language.isascii() and language.isalpha()):
        return _UNKNOWN
    first, second, third = (ord(letter) - 0x60 for letter in language.lower())
    return first << 10 | second << 5 | third


def load(outline: Outline, piece: Piece, read: Read) -> Stretch:
    """The samples of a piece; raises BadFile, Changed, OSError."""
    return outline.load(read, piece.first, piece.end)


def whole_parts(movie: Movie, parts: Sequence[Part], stretch: Stretch) -> list[Part]:
    """Parts whose pieces count stretches, as parts that count the samples of one."""
    numbers = {track.name: number for number, track in enumerate(movie.tracks)}
    found = []
    for track, _ in parts:
        samples = stretch.samples[numbers[track.name]]
        found.append(Part(replace(track, samples=samples), Piece(0, samples.count)))
    return found


def found_parts(movie: Movie, parts: Sequence[Part], read: Read) -> tuple[Sequence[Part], Read]:
    """Parts of a segment whose samples are known, and where they are read.

    Raises BadFile, Changed, OSError.
    """
    if movie.outline is None:
        return parts, read
    stretch = load(movie.outline, next(part.piece for part in parts), read)
    return whole_parts(movie, parts, stretch), stretch.read
