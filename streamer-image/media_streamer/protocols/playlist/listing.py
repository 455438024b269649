"""The text of a playlist, and what of it is to be played. Pure.

A line is a file of a location (`vod/film.mp4`, or an absolute path below one). Before it may stand
`#EXTINF:SECONDS`, after which it is cut off, and `#EXT-X-PROGRAM-DATE-TIME:2026-01-31T20:15:00Z`
(or `#EXT-X-UTC:` with Unix seconds), when it begins: what stands between two times is repeated
until the later one has come, without a time all of the list. `#EXT-X-MEDIA-SEQUENCE:N` is the
number of the first file: a list whose beginning is taken away goes on where it was.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

MAX_FILES = 10_000
MIN_SECONDS = 1.0
"""Shorter pieces would be nothing but opening files."""
MAX_SECONDS = 253_402_300_799
"""The end of the year 9999."""
_NUMBER = re.compile(r"[0-9]{1,15}")
_SECONDS = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,9})?")


class NotYet(Exception):  # noqa: N818 - a state, no error of the list
    """Nothing is to be played before `begins_at`, Unix seconds."""

    def __init__(self, begins_at: float) -> None:
        super().__init__(begins_at)
        self.begins_at = begins_at


@dataclass(frozen=True, slots=True)
class Piece:
    """A file of the list."""

    name: str
    begins_at: float | None = None
    """Unix seconds; None: after the one before."""
    seconds: float | None = None
    """How much of it is played; None: all."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Never empty."""

    pieces: tuple[Piece, ...]
    first: int = 0
    """Number of the first one."""


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be played now, and until when at the latest (Unix seconds)."""

    number: int
    piece: Piece
    until: float | None


def parse(text: str) -> Listing:
    """Raises ValueError that names the line."""
    pieces: list[Piece] = []
    first, begins_at, seconds = 0, None, None
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        line = line.strip()
        word, _, value = line.partition(":")
        try:
            match word:
                case "":
                    pass
                case "#EXT-X-MEDIA-SEQUENCE":
                    first = _whole(value)
                case "#EXT-X-UTC":
                    begins_at = _moment(value)
                case "#EXT-X-PROGRAM-DATE-TIME":
                    begins_at = _time(value)
                case "#EXTINF":
                    seconds = _length(value.partition(",")[0])
                case _ if not line.startswith("#"):
                    pieces.append(Piece(line, begins_at, seconds))
                    begins_at = seconds = None
        except ValueError as error:
            raise ValueError(f"line {number} of the playlist: {error}") from None
        if len(pieces) > MAX_FILES:
            raise ValueError(f"the playlist has more than {MAX_FILES} files")
    if not pieces:
        raise ValueError("the playlist names no file")
    return Listing(tuple(pieces), first)


def due(listing: Listing, after: int | None, now: float) -> Due:
    """What follows the file with the number `after` (None: nothing was played yet).

    Raises NotYet.
    """
    pieces = listing.pieces
    times = [(index, one.begins_at) for index, one in enumerate(pieces) if one.begins_at]
    begin = max((index for index, time in times if time <= now), default=0)
    later = [(index, time) for index, time in times if index > begin and time > now]
    end, until = later[0] if later else (len(pieces), None)
    begins_at = pieces[begin].begins_at
    if begins_at is not None and begins_at > now:
        raise NotYet(begins_at)
    index = after + 1 - listing.first if after is not None else begin
    if not begin <= index < end:
        index = begin
    return Due(listing.first + index, pieces[index], until)


def _moment(value: str) -> float:
    if (found := _whole(value)) > MAX_SECONDS:
        raise ValueError(f"{found} are no Unix seconds (milliseconds?)")
    return float(found)


def _whole(value: str) -> int:
    if not _NUMBER.fullmatch(value.strip()):
        raise ValueError(f"{value.strip()[:40]!r} is no number")
    return int(value)


def _time(value: str) -> float:
    try:
        found = datetime.fromisoformat(value.strip())
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        words = f"{value.strip()[:40]!r} is no time such as 2026-01-31T20:15:00Z"
        raise ValueError(words) from None


def _length(value: str) -> float | None:
    """None for 0 and -1, by which other lists say that they do not know."""
    if not _SECONDS.fullmatch(value.strip()):
        raise ValueError(f"{value.strip()[:40]!r} are no seconds")
    seconds = float(value)
    return max(MIN_SECONDS, seconds) if seconds > 0 else None
