"""What is recorded, as playlists list it: segments of one track, and what breaks between them.

Pure: made of the entries that `archive.library` finds.
"""

from collections.abc import Sequence
from typing import NamedTuple

from media_streamer.archive.container import MICROSECONDS
from media_streamer.archive.library import Entry
from media_streamer.presentation.moments import Moment
from media_streamer.presentation.track_index import Segment, TrackIndex, init_of

LEAD_MS = 15_000
"""A shifted stream begins with this much, as players keep a few segments in hand."""
WINDOW = 6
"""Segments in a playlist that moves."""
EMPTY_BYTES = 24
"""A track that had nothing while the others went on: a `styp` box."""


class Visible(NamedTuple):
    """What a playlist shows at a moment."""

    entries: Sequence[Entry]
    first: int
    """Segments before the first one, since the list began."""
    breaks: int
    """Discontinuities among those."""
    ended: bool
    """Nothing more will come."""


def visible(entries: Sequence[Entry], moment: Moment, now_ms: int) -> Visible:
    """What of the entries from `moment` on can be seen at `now_ms`."""
    if moment.kind == "archive":
        return Visible(entries, 0, 0, True)
    if moment.kind == "event":
        return Visible(entries, 0, 0, now_ms > moment.to_ms + LEAD_MS)
    shown_ms = moment.from_ms + max(0, now_ms - moment.to_ms) + LEAD_MS
    count = next(
        (n for n, entry in enumerate(entries) if entry.group.end_ms > shown_ms), len(entries)
    )
    first = max(0, count - WINDOW)
    breaks = sum(entry.broken for entry in entries[:first])
    return Visible(entries[first:count], first, breaks, False)


def archived_tracks(entries: Sequence[Entry]) -> list[TrackIndex]:
    """The tracks of the newest entry, with what a multivariant playlist says of them."""
    head = entries[-1].content.head
    tracks = []
    for position, described in enumerate(head.tracks):
        track = TrackIndex(described.name, complete=True)
        track.inits[0] = init_of(described)
        rate, start_ms = 0, 0
        for group, content, _ in entries:
            if content.head.essence == head.essence:
                piece = group.pieces[position]
                rate = max(rate, piece.size * 8 * MICROSECONDS // max(piece.duration_us, 1))
                start_ms = group.start_ms
        track.segments.append(Segment(0, start_ms, 1.0, "", 0, False, 0, rate))
        tracks.append(track)
    return tracks
