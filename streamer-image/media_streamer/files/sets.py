"""Sets of files: one film at several bit rates, a file each (`auto_mbr`).

A set is a directory; the files of it are those whose names begin with that of the directory:
`bunny/bunny.480p.mp4` and `bunny/bunny.1080p.mp4` are played as `bunny`.
"""

import os
import zlib
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from media_streamer import opening
from media_streamer.files.movie import FileTrack, Movie, TextTrack
from media_streamer.files.names import Identity, check_path, local_root
from media_streamer.files.tables import BadFile

ENDINGS = (".mp4", ".m4v", ".mov")
MAX_FILES = 16
MAX_ENTRIES = 10_000
"""That are looked at in a directory."""


def set_paths(storages: Sequence[str], path: str) -> list[str]:
    """The files of a set within a location, in the first directory that has any; empty: it is none.

    Blocks. Raises BadName, OSError.
    """
    check_path(path)
    for storage in storages:
        root = local_root(storage)
        if root is not None and (found := files_of_set(os.path.join(root, path))):
            return [f"{path}/{name}" for name in found]
    return []


def files_of_set(folder: str) -> list[str]:
    """Names of the files of a set in a directory, the first `MAX_FILES`. Blocks; raises OSError."""
    name = os.path.basename(folder)
    found: list[str] = []
    try:
        with opening.listed(folder) as entries:
            for number, entry in enumerate(entries):
                if number >= MAX_ENTRIES:
                    break
                if entry.name.startswith(name) and entry.name.lower().endswith(ENDINGS):
                    found.append(entry.name)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []
    return sorted(found)[:MAX_FILES]


def identity_of_set(identities: Sequence[Identity]) -> Identity:
    """Of all files together: another one if any is another."""
    if len(identities) == 1:
        return identities[0]
    digest = zlib.crc32(repr([tuple(one) for one in identities]).encode())
    # Names of segments tell the time: also where not the newest file was replaced by another.
    changed_ns = max(one.changed_ns for one in identities) + digest % 1_000_000 * 1_000_000
    return Identity(-1, digest, sum(one.size for one in identities), changed_ns)


def merged(movies: Sequence[Movie]) -> Movie:
    """Several files as one film on one clock: all pictures, the best first, and of sounds that are
    alike that of the best file. Raises BadFile."""
    if len(movies) == 1:
        return movies[0]
    if any(movie.outline is not None for movie in movies):
        raise BadFile("sets are made of MP4 files")
    zero = max(movie.zero for movie in movies)
    pairs = [
        (movie, replace(track, file=number, shift=track.shift + _ticks(zero - movie.zero, track)))
        for number, movie in enumerate(movies)
        for track in movie.tracks
    ]
    pairs.sort(key=lambda pair: _worth(pair[0]), reverse=True)
    videos = [track for _, track in pairs if track.kind == "video"]
    videos.sort(key=lambda track: (track.width * track.height, _rate(track)), reverse=True)
    sounds: dict[tuple[str, str, str], FileTrack] = {}
    for _, track in pairs:
        if track.kind == "audio":  # its name counts those of its file
            sounds.setdefault((track.language, track.codecs, track.name), track)
    if not videos:
        raise BadFile("no file of the set has a picture")
    tracks = [
        *(replace(track, name=f"v{number}") for number, track in enumerate(videos, 1)),
        *(replace(track, name=f"a{number}") for number, track in enumerate(sounds.values(), 1)),
    ]
    end = max(track.seconds(track.samples.count) for track in tracks)
    left_out = tuple(one for movie in movies for one in movie.left_out)
    texts: dict[tuple[str, int], TextTrack] = {}
    for number, movie in enumerate(movies):
        for place, text in enumerate(movie.texts):
            if not isinstance(text, TextTrack):
                continue
            texts.setdefault((text.language, place), replace(text, file=number))
    seconds = float(max(Fraction(0), end - zero))
    return Movie(tuple(tracks), zero, seconds, left_out, tuple(texts.values()))


def _ticks(seconds: Fraction, track: FileTrack) -> int:
    return round(seconds * track.timescale)


def _worth(movie: Movie) -> tuple[int, float]:
    """Of a file: how large its largest picture is, and its bit rate."""
    sizes = [one.width * one.height for one in movie.tracks]
    return max(sizes, default=0), max((_rate(one) for one in movie.tracks), default=0.0)


def _rate(track: FileTrack) -> float:
    seconds = track.samples.time(track.samples.count) / track.timescale
    return track.samples.bytes(0, track.samples.count) / seconds if seconds else 0.0
