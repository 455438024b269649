"""The subtitles of a film: files beside it, and text tracks within it. Blocks on the disk.

`film.srt`, `film.en.srt` and `film.de.vtt` are those of `film.mp4`. A file is read whole when the
film is opened; of a track the samples of a stretch are read when that is asked for.
"""

import os
import re
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from media_streamer import opening
from media_streamer.files.cues import Cue, decoded, read_cues, text_of_sample
from media_streamer.files.disk import Read
from media_streamer.files.movie import TextTrack
from media_streamer.files.names import BadName, NoFile, local_root
from media_streamer.files.segment import read_spans
from media_streamer.files.sets import MAX_ENTRIES
from media_streamer.files.storages import Content, open_content
from media_streamer.files.tables import BadFile

ENDINGS = (".vtt", ".srt")
MAX_SIDES = 16
MAX_SIDE_BYTES = 4 * 1024 * 1024
MAX_STRETCH_BYTES = 4 * 1024 * 1024
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})?")
_REMARKS = frozenset({"forced", "sdh", "cc"})


class Side(NamedTuple):
    """A file beside a film."""

    path: str
    """Within the location."""
    language: str
    """BCP 47; empty: it does not say."""


def find_sides(storages: Sequence[str], path: str, *, is_set: bool) -> list[Side]:
    """The files of subtitles that a film may have, by name. Those of remote storages are guesses.

    `path` has been checked; of a set it is the directory.
    """
    folder, _, name = path.rpartition("/")
    stem = name if is_set else name.rpartition(".")[0] or name
    folder = path if is_set else folder
    found: dict[str, Side] = {}
    for storage in storages:
        root = local_root(storage)
        names = (
            [stem + ending for ending in ENDINGS]
            if root is None
            else _listed(os.path.join(root, folder))
        )
        for one in names:
            language = language_of(one, stem)
            if language is not None:
                side = f"{folder}/{one}".lstrip("/")
                found.setdefault(side, Side(side, language))
    return [found[side] for side in sorted(found)][:MAX_SIDES]


def _listed(folder: str) -> list[str]:
    names = []
    try:
        with opening.listed(folder) as entries:
            for number, entry in enumerate(entries):
                if number >= MAX_ENTRIES:
                    break
                if entry.name.lower().endswith(ENDINGS):
                    names.append(entry.name)
    except OSError:
        return []
    return names


def language_of(name: str, stem: str) -> str | None:
    """What the name of a file says of its language; None if it is not of that film."""
    base, dot, ending = name.rpartition(".")
    if not dot or f".{ending.lower()}" not in ENDINGS or not base.startswith(stem):
        return None
    rest = base.removeprefix(stem)
    parts = rest.split(".")[1:]
    if rest and not rest.startswith("."):
        return None
    languages = [part for part in parts if part.lower() not in _REMARKS]
    if len(languages) > 1 or not all(map(_LANGUAGE.fullmatch, languages)):
        return None
    return languages[0] if languages else ""


def open_side(storages: Sequence[str], side: Side, *, only_look: bool = False) -> Content | None:
    """None if there is none, or it cannot be read; nobody misses a film for that."""
    try:
        return open_content(storages, side.path, only_look=only_look)
    except (NoFile, BadName, OSError):
        return None


def cues_of_side(content: Content) -> list[Cue]:
    """What a file beside the film says; raises OSError, Changed."""
    if content.identity.size > MAX_SIDE_BYTES:
        return []
    return read_cues(decoded(content.read(0, content.identity.size)))


def cues_of_track(track: TextTrack, begin: float, end: float, read: Read) -> list[Cue]:
    """What a track says from `begin` to before `end`, in seconds of the film.

    Raises BadFile, Changed, OSError.
    """
    samples, scale = track.samples, track.timescale

    def ticks(seconds: float) -> int:
        return max(0, round((Fraction(seconds) - track.start) * scale))

    first, last = max(0, samples.at(ticks(begin) + 1) - 1), samples.at(ticks(end))
    if last <= first:
        return []
    if samples.bytes(first, last) > MAX_STRETCH_BYTES:
        raise BadFile("a track of text is too long")
    data = bytes(read_spans(samples.spans(first, last), read))
    found, at = [], 0
    for number, size in zip(range(first, last), samples.sizes(first, last), strict=True):
        text = text_of_sample(data[at : at + size], track.form)
        at += size
        shown = float(track.start + Fraction(samples.time(number), scale))
        gone = float(track.start + Fraction(samples.time(number + 1), scale))
        if text and gone > max(0.0, shown):
            found.append(Cue(max(0.0, shown), gone, text))
    return found
