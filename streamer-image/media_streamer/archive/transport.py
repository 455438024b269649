"""Segments of MPEG-TS made of samples as MP4 has them: those of an archive, and of films.

Segments are made one by one, so the counters of packets begin anew in each, and say so. The times
of an archive count from 1970, so they go on from segment to segment and from file to file; what is
missing is missing there too. Blocks.
"""

from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from msgspec.structs import replace

from media_streamer.archive.container import Group, Head
from media_streamer.archive.copied import opened
from media_streamer.archive.frames import track_of
from media_streamer.archive.library import FileContent
from media_streamer.archive.samples import Row, read_rows
from media_streamer.wire.frame import TIME_BASE, Run, Track

if TYPE_CHECKING:
    from media_streamer.media.mux.ts_run import TsRunMuxer

MAX_SEGMENT_BYTES = 64 * 1024 * 1024
"""A segment is made in memory."""


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


def ts_segment(content: FileContent, group: Group, names: Sequence[str]) -> memoryview:
    """What tracks have of a segment of the archive, in one multiplex.

    Raises FileNotFoundError where there is nothing of them, OSError for what cannot be read,
    ValueError for what is broken or too long.
    """
    head, places = content.head, carried(content.head, names)
    if sum(group.pieces[number].size for number in places) > MAX_SEGMENT_BYTES:
        raise ValueError(f"it has more than {MAX_SEGMENT_BYTES} bytes")
    found: dict[int, tuple[bytes, list[Row]]] = {}
    with opened(content.file.path, content.copied) as read:
        for number in places:
            offset, size = group.place(number)
            data = read(offset, size)
            if len(data) != size:
                raise FileNotFoundError("the file is shorter than it was")
            found[number] = data, list(read_rows(data))
    if not any(rows for _, rows in found.values()):
        raise FileNotFoundError("nothing was recorded of these tracks then")
    # A track that has nothing for a moment keeps its place among the others, and its PID.
    tracks = [
        replace(track_of(head.tracks[number], head, number, _first(*found[number])), number=n)
        for n, number in enumerate(places)
    ]
    scales = [head.tracks[number].timescale for number in places]
    try:
        runs = [run_of(*found[number], scale) for number, scale in zip(places, scales, strict=True)]
        return ts_muxer(tracks).mux_runs(runs)
    except LookupError as error:
        raise ValueError(f"its samples are broken: {error}") from None


def run_of(data: bytes, rows: Sequence[Row], timescale: int) -> Run:
    """The samples of fragments, as the muxer takes them."""
    return Run(
        [row.time * TIME_BASE // timescale for row in rows],
        [(row.time + row.offset) * TIME_BASE // timescale for row in rows],
        [row.key for row in rows],
        [row.size for row in rows],
        memoryview(bytearray().join(_together(memoryview(data), rows))),
    )


def _together(data: memoryview, rows: Sequence[Row]) -> Iterator[memoryview]:
    """The bytes of samples; those of a fragment lie one after another."""
    begin = end = 0
    for row in rows:
        if row.place != end:
            yield data[begin:end]
            begin = row.place
        end = row.place + row.size
    yield data[begin:end]


def _first(data: bytes, rows: Sequence[Row]) -> bytes:
    return data[rows[0].place : rows[0].place + rows[0].size] if rows else b""


@cache
def _muxer_class() -> "type[TsRunMuxer]":
    """Loaded at first use: most egress workers never need it, nor numpy."""
    from media_streamer.media.mux.ts_run import TsRunMuxer

    return TsRunMuxer
