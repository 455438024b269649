"""Media playlists of what is recorded (RFC 8216): whole, growing (EVENT), or moving.

`QUERY` stands for the query string of the viewer's session, as in `playlist.py`. Lists may have
tens of thousands of segments, so they are written straight from the entries of the archive.
"""

import math
from datetime import UTC, datetime

from media_streamer.archive.container import MICROSECONDS, Group
from media_streamer.archive.library import Entry
from media_streamer.egress.http.text import QUERY
from media_streamer.presentation.archive import EMPTY_BYTES, Visible
from media_streamer.presentation.moments import Kind

FOLDER = "dvr/"
"""Beside the playlist of a track: its segments that are recorded."""
_TYPES: dict[Kind, str] = {"archive": "VOD", "event": "EVENT"}


def segment_name(group: Group) -> str:
    """`YYYY/MM/DD/hh/mm/ss-DDDDD-mmm`: start in UTC, duration in ms, milliseconds of the start."""
    seconds, ms = divmod(group.start_ms, 1000)
    start = datetime.fromtimestamp(seconds, UTC)
    return f"{start:%Y/%m/%d/%H/%M/%S}-{group.duration_us // 1000:05d}-{ms:03d}"


def segment_start(name: str) -> int:
    """Unix ms of a segment by its name; raises ValueError for a time that is none."""
    start, _, ms = name.rpartition("-")
    moment = datetime.strptime(start.rpartition("-")[0], "%Y/%m/%d/%H/%M/%S")
    return int(moment.replace(tzinfo=UTC).timestamp()) * 1000 + int(ms)


def render_archive(
    track: str, kind: Kind, shown: Visible, segment_seconds: float, prefix: str = ""
) -> str:
    """The media playlist of a track; `segment_seconds` is what the stream is configured with.

    `prefix` stands before the URI of each segment; empty: they are relative to the playlist.
    """
    longest = max((entry.group.duration_us for entry in shown.entries), default=0) / MICROSECONDS
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:8",
        f"#EXT-X-TARGETDURATION:{max(1, math.ceil(segment_seconds), math.floor(longest + 0.5))}",
    ]
    if playlist_type := _TYPES.get(kind):
        lines.append(f"#EXT-X-PLAYLIST-TYPE:{playlist_type}")
    lines.append(f"#EXT-X-MEDIA-SEQUENCE:{shown.first}")
    if shown.breaks:
        lines.append(f"#EXT-X-DISCONTINUITY-SEQUENCE:{shown.breaks}")
    lines.append("#EXT-X-INDEPENDENT-SEGMENTS")
    init = b""
    for entry in shown.entries:
        if entry.broken:
            lines.append("#EXT-X-DISCONTINUITY")
        if entry.content.head.init != init:
            init = entry.content.head.init
            start = entry.content.file.start_ms
            lines.append(f'#EXT-X-MAP:URI="{prefix}{FOLDER}init-{start}.mp4{QUERY}"')
        lines += _segment(track, entry, prefix)
    if shown.ended:
        lines.append("#EXT-X-ENDLIST")
    return "\n".join(lines) + "\n"


def _segment(track: str, entry: Entry, prefix: str) -> list[str]:
    group = entry.group
    seconds, ms = divmod(group.start_ms, 1000)
    start = datetime.fromtimestamp(seconds, UTC)
    names = [one.name for one in entry.content.head.tracks]
    duration_us, lines = group.duration_us, [f"#EXT-X-PROGRAM-DATE-TIME:{start:%FT%T}.{ms:03d}Z"]
    if track in names:
        piece = group.pieces[names.index(track)]
        if piece.size > EMPTY_BYTES:
            duration_us = piece.duration_us
    else:
        lines.append("#EXT-X-GAP")  # other tracks have something there, and all count alike
    return [
        *lines,
        f"#EXTINF:{duration_us / MICROSECONDS:.3f},",
        f"{prefix}{FOLDER}{segment_name(group)}.m4s{QUERY}",
    ]
