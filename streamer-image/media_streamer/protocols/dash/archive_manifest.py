"""The manifest of what is recorded: whole (static), or one that grows or moves (dynamic). Pure.

Each part without a break is a period. A whole one plays without its gaps, from 0 on. In one that
is not ended, presentation time is the wall clock of the recording, and `availabilityStartTime` says
by how much that lies behind: players find the present of a shifted stream by themselves.
"""

import itertools
from collections.abc import Callable, Sequence

from media_streamer.archive.container import MICROSECONDS, ArchivedTrack
from media_streamer.archive.library import Entry
from media_streamer.egress.http.text import QUERY
from media_streamer.presentation.archive import EMPTY_BYTES, LEAD_MS, Visible
from media_streamer.presentation.moments import Moment
from media_streamer.presentation.track_index import Period, Segment, TrackIndex, init_of
from media_streamer.protocols.dash.manifest import (
    CLOCK,
    RESERVE_SECONDS,
    TICKS,
    Run,
    date_time_text,
    duration_text,
    render_period,
)
from media_streamer.protocols.dash.pictures import picture_set

FOLDER = "dvr/"
"""Below the folder of a track: what is recorded of it."""
NEAR = 1000
"""Part of a second that two segments may miss each other by and still be one after another."""


def render_archive(
    shown: Visible,
    moment: Moment,
    wanted: Sequence[str],
    folder: Callable[[TrackIndex], str],
    now_ms: int,
    location: str = "",
    pictures: int = 0,
) -> str:
    """The manifest of what a viewer sees at `now_ms`; `wanted` names tracks, empty for all.

    `pictures`: so many for who seeks, where it is whole.
    """
    parts = _parts(shown.entries)
    longest = max(entry.group.duration_us for entry in shown.entries) / MICROSECONDS
    lengths = [(part[-1].group.end_ms - part[0].group.start_ms) / 1000 for part in parts]
    said = [
        "<MPD",
        'xmlns="urn:mpeg:dash:schema:mpd:2011"',
        'profiles="urn:mpeg:dash:profile:isoff-live:2011"',
        f'maxSegmentDuration="{duration_text(longest)}"',
        f'minBufferTime="{duration_text(RESERVE_SECONDS)}"',
    ]
    if shown.ended:
        starts = [0.0, *itertools.accumulate(lengths)]
        said += ['type="static"', f'mediaPresentationDuration="{duration_text(starts.pop())}"']
    else:
        starts = [part[0].group.start_ms / 1000 for part in parts]
        said += _moving(shown, moment, longest, now_ms)
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f"{' '.join(said)}>"]
    if location and not shown.ended:
        lines.append(f"<Location>{location}{QUERY}</Location>")
    for start, part, seconds in zip(starts, parts, lengths, strict=True):
        period = _period(part)
        runs = _runs(part, period, wanted)
        lines += render_period(period, start, runs, folder)
        if pictures and shown.ended:
            inits, first = [run.init for run in runs], part[0].group.start_ms // 1000
            count = pictures * seconds / sum(lengths)
            lines[-1:] = [*picture_set(len(runs), inits, count, seconds, first), lines[-1]]
    if not shown.ended:
        clock = f'value="{CLOCK}{QUERY}"'
        lines.append(f'<UTCTiming schemeIdUri="urn:mpeg:dash:utc:http-iso:2014" {clock}/>')
    return "\n".join([*lines, "</MPD>"]) + "\n"


def _moving(shown: Visible, moment: Moment, longest: float, now_ms: int) -> list[str]:
    """What only a manifest says that players ask for again."""
    behind_ms = moment.to_ms - moment.from_ms - LEAD_MS if moment.kind == "timeshift" else 0
    depth = (shown.entries[-1].group.end_ms - shown.entries[0].group.start_ms) / 1000
    return [
        'type="dynamic"',
        f'availabilityStartTime="{date_time_text(behind_ms)}"',
        f'publishTime="{date_time_text(now_ms)}"',
        f'minimumUpdatePeriod="{duration_text(max(1.0, longest / 2))}"',
        f'timeShiftBufferDepth="{duration_text(depth)}"',
        f'suggestedPresentationDelay="{duration_text(max(LEAD_MS / 1000, 3 * longest))}"',
    ]


def _parts(entries: Sequence[Entry]) -> list[list[Entry]]:
    """Entries without a break between them."""
    parts: list[list[Entry]] = []
    for entry in entries:
        if entry.broken or not parts:
            parts.append([])
        parts[-1].append(entry)
    return parts


def _period(part: Sequence[Entry]) -> Period:
    group, content, _ = part[0]
    begin = min(
        piece.time * TICKS // track.timescale
        for piece, track in zip(group.pieces, content.head.tracks, strict=True)
    )
    return Period(group.start_ms, begin)


def _runs(part: Sequence[Entry], period: Period, wanted: Sequence[str]) -> list[Run]:
    """What each track has; the tracks of one part are the same all along."""
    head = part[0].content.head
    runs = []
    for number, track in enumerate(head.tracks):
        if wanted and track.name not in wanted:
            continue
        if segments := _segments(part, number, track, period):
            init_file = f"{FOLDER}dash-init-{part[0].content.file.start_ms}.mp4"
            media_file = f"{FOLDER}dash-{track.timescale}-$Time$.m4s"
            index = TrackIndex(track.name)
            runs.append(Run(index, init_of(track), segments, init_file, media_file))
    return runs


def _segments(
    part: Sequence[Entry], number: int, track: ArchivedTrack, period: Period
) -> list[Segment]:
    pieces = [entry.group.pieces[number] for entry in part]
    near = track.timescale // NEAR
    segments = []
    for position, (entry, piece) in enumerate(zip(part, pieces, strict=True)):
        if piece.size <= EMPTY_BYTES:
            continue
        length = round(piece.duration_us * track.timescale / MICROSECONDS)
        if position + 1 < len(pieces):
            following = pieces[position + 1].time - piece.time
            length = following if abs(following - length) <= near else length
        rate = piece.size * 8 * MICROSECONDS // max(piece.duration_us, 1)
        segments.append(
            Segment(
                msn=0,
                start_utc_ms=entry.group.start_ms,
                duration=length / track.timescale,
                path="",
                size=piece.size,
                discontinuity=False,
                init=0,
                bandwidth=rate,
                time=piece.time,
                period=period,
            )
        )
    return segments
