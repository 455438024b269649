"""Segments of MPEG-TS made of samples as MP4 has them: those of an archive, and of films.

Segments are made one by one, so the counters of packets begin anew in each, and say so. The times
of an archive count from 1970, so they go on from segment to segment and from file to file; what is
missing is missing there too. Blocks.
"""

from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from media_streamer.archive.container import Group, Head
from media_streamer.archive.copied import opened
from media_streamer.archive.frames import frames_of, track_of
from media_streamer.archive.library import FileContent
from media_streamer.archive.samples import Sample, read_samples
from media_streamer.wire.frame import Frame, Track

if TYPE_CHECKING:
    from media_streamer.media.mux.ts_run import TsRunMuxer

MAX_SEGMENT_BYTES = 64 * 1024 * 1024
"""A segment is made in memory."""


def multiplex(tracks: Sequence[Track], frames: Iterable[Frame]) -> bytes:
    """A segment of these frames; raises ValueError or LookupError for what is broken."""
    muxer = ts_muxer(tracks)
    pieces = (piece for n, frame in enumerate(frames) for piece in muxer.pieces(frame, n == 0))
    return b"".join(pieces)


def ts_muxer(tracks: Sequence[Track]) -> "TsRunMuxer":
    """A writer of one segment."""
    return _muxer_class()(tracks, in_pieces=True)


@lru_cache(maxsize=64)
def left_out(head: Head) -> frozenset[str]:
    """Names of the tracks of a file that MPEG-TS cannot carry."""
    names = set()
    for number, described in enumerate(head.tracks):
        try:
            carries = not ts_muxer([track_of(described, head, number, b"")]).left_out
        except (ValueError, LookupError):
            carries = False
        if not carries:
            names.add(described.name)
    return frozenset(names)


def carried(head: Head, names: Sequence[str]) -> list[int]:
    """Places in a file of those of the tracks that it has and MPEG-TS can carry."""
    without = left_out(head)
    return [
        number
        for number, track in enumerate(head.tracks)
        if track.name in names and track.name not in without
    ]


def ts_segment(content: FileContent, group: Group, names: Sequence[str]) -> bytes:
    """What tracks have of a segment of the archive, in one multiplex.

    Raises FileNotFoundError where there is nothing of them, OSError for what cannot be read,
    ValueError for what is broken or too long.
    """
    head, places = content.head, carried(content.head, names)
    if sum(group.pieces[number].size for number in places) > MAX_SEGMENT_BYTES:
        raise ValueError(f"it has more than {MAX_SEGMENT_BYTES} bytes")
    samples: list[list[Sample]] = [[] for _ in head.tracks]
    with opened(content.file.path, content.copied) as read:
        for number in places:
            offset, size = group.place(number)
            data = read(offset, size)
            if len(data) != size:
                raise FileNotFoundError("the file is shorter than it was")
            samples[number] = list(read_samples(data))
    if not any(samples):
        raise FileNotFoundError("nothing was recorded of these tracks then")
    # A track that has nothing for a moment keeps its place among the others, and its PID.
    tracks = [
        track_of(head.tracks[number], head, number, next((s.data for s in samples[number]), b""))
        for number in places
    ]
    try:
        return multiplex(tracks, frames_of(head, samples))
    except LookupError as error:
        raise ValueError(f"its samples are broken: {error}") from None


@cache
def _muxer_class() -> "type[TsRunMuxer]":
    """Loaded at first use: most egress workers never need it, nor numpy."""
    from media_streamer.media.mux.ts_run import TsRunMuxer

    return TsRunMuxer
