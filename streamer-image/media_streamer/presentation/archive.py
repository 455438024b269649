"""What is recorded, as playlists list it: segments of tracks, and what breaks between them.

Pure: made of the entries that `archive.library` finds.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from media_streamer.archive.container import MICROSECONDS
from media_streamer.archive.library import Entry
from media_streamer.multiplexes import multiplexes
from media_streamer.presentation.moments import Moment
from media_streamer.presentation.track_index import Init, Segment, TrackIndex, init_of

LEAD_MS = 15_000
"""A shifted stream begins with this much, as players keep a few segments in hand."""
WINDOW = 6
"""Segments in a playlist that moves."""
EMPTY_BYTES = 24
"""A track that had nothing while the others went on: a `styp` box."""
TS_SHARE = 188 / 184
TS_TRACK_RATE = 50_000
"""What MPEG-TS costs beside the samples: by packet, and in bits a second for the headers of a
track, rather too much."""


class Visible(NamedTuple):
    """What a playlist shows at a moment."""

    entries: Sequence[Entry]
    first: int
    """Segments before the first one, since the list began."""
    breaks: int
    """Discontinuities among those."""
    ended: bool
    """Nothing more will come."""
    longest_us: int
    """The longest segment, also of those before and after: what a playlist says of it may not be
    lowered (RFC 8216 6.2.1)."""


def visible(entries: Sequence[Entry], moment: Moment, now_ms: int) -> Visible:
    """What of the entries from `moment` on can be seen at `now_ms`."""
    longest_us = max((entry.group.duration_us for entry in entries), default=0)
    if moment.kind == "archive":
        return Visible(entries, 0, 0, True, longest_us)
    if moment.kind == "event":
        # A segment that begins before the end is recorded once it has ended itself.
        patience_ms = max(LEAD_MS, 2 * longest_us // 1000)
        return Visible(entries, 0, 0, now_ms > moment.to_ms + patience_ms, longest_us)
    shown_ms = moment.from_ms + max(0, now_ms - moment.to_ms) + LEAD_MS
    count = next(
        (n for n, entry in enumerate(entries) if entry.group.end_ms > shown_ms), len(entries)
    )
    first = max(0, count - WINDOW)
    breaks = sum(entry.broken for entry in entries[:first])
    return Visible(entries[first:count], first, breaks, False, longest_us)


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


def archived_names(entries: Sequence[Entry]) -> set[str]:
    """All tracks that any of the entries has: who plays a list that grows goes on with it when the
    newest segments lack one."""
    heads = {id(entry.content): entry.content.head for entry in entries}
    return {track.name for head in heads.values() for track in head.tracks}


def archived_multiplexes(tracks: Sequence[TrackIndex]) -> list[TrackIndex]:
    """The same tracks as MPEG-TS has them."""
    return [
        _multiplex(members)
        for members in multiplexes(tracks, lambda one: one.init.kind if one.init else "")
    ]


def _multiplex(members: Sequence[TrackIndex]) -> TrackIndex:
    inits = [track.init for track in members if track.init is not None]
    audio = next((init for init in inits if init.kind == "audio"), Init(0))
    track = TrackIndex("".join(one.name for one in members), complete=True)
    track.inits[0] = replace(
        inits[0],
        codecs=",".join(dict.fromkeys(init.codecs for init in inits)),
        channels=audio.channels,
        sample_rate=audio.sample_rate,
        language=audio.language,
        kind="multiplex",
        timescale=0,
    )
    rate = sum(round(one.bandwidth * TS_SHARE) + TS_TRACK_RATE for one in members)
    track.segments.append(replace(members[0].segments[-1], bandwidth=rate))
    return track
