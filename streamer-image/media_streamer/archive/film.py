"""Segments of an archive as one film: one after another, from 0 on, without gaps.

Nothing changes its length by that, so the size of a film is known before it is made.
"""

from collections.abc import Collection, Iterator, Sequence

from media_streamer.archive.container import renumber
from media_streamer.archive.copied import Read
from media_streamer.archive.library import Entry

FRAGMENTS = 1 << 12
"""More than a segment has, so that their numbers grow."""


class OtherTracks(ValueError):  # noqa: N818 - the answer to a question
    """One file has one set of tracks; the archive has others from `start_ms` on."""

    def __init__(self, start_ms: int) -> None:
        when = start_ms // 1000
        super().__init__(
            f"The tracks are others from {when} on: ask up to there, and from there on"
        )


def check_tracks(entries: Sequence[Entry]) -> None:
    """Raises OtherTracks."""
    essence = entries[0].content.head.essence
    for group, content, _ in entries:
        if content.head.essence != essence:
            raise OtherTracks(group.start_ms)


def film_bytes(entries: Sequence[Entry]) -> int:
    """Size of the film."""
    return len(entries[0].content.head.init) + sum(entry.group.size for entry in entries)


def starts(entries: Sequence[Entry]) -> Iterator[int]:
    """For each segment the Unix ms that is 0 on the clock of the film: gaps are left out."""
    first = entries[0]
    zero = min(
        piece.time * 1000 // track.timescale
        for piece, track in zip(first.group.pieces, first.content.head.tracks, strict=True)
    )
    end_ms = first.group.start_ms
    for group, _, broken in entries:
        if broken:
            zero += group.start_ms - end_ms  # less than 0 where a filled gap overlaps
        yield zero
        end_ms = group.end_ms


def moved_segment(
    entry: Entry, number: int, zero_ms: int, read: Read, chosen: Collection[int] | None = None
) -> bytearray:
    """Bytes of segment `number` with its times on the clock of the film; blocks.

    `chosen`: places of the tracks that are wanted; None: all. `read` is that of its file. Raises
    OSError, ValueError for what is no whole fragment.
    """
    group, content, _ = entry
    made, sequence = bytearray(), number * FRAGMENTS
    for position, (piece, track) in enumerate(zip(group.pieces, content.head.tracks, strict=True)):
        if chosen is not None and position not in chosen:
            continue
        offset, size = group.place(position)
        data = bytearray(read(offset, size))
        if len(data) != piece.size:
            raise FileNotFoundError("the file is shorter than it was")
        shift = -(zero_ms * track.timescale // 1000)
        sequence = renumber(data, position + 1, shift, sequence)
        made += data
    return made
