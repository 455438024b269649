"""Media playlists of what is recorded (RFC 8216): whole, growing (EVENT), or moving.

`QUERY` stands for the query string of the viewer's session, as in `playlist.py`. Lists may have
tens of thousands of segments, so they are written straight from the entries of the archive.
"""

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from media_streamer.archive.container import MICROSECONDS, Group, Head
from media_streamer.archive.library import Entry
from media_streamer.archive.transport import carried
from media_streamer.egress.http.text import QUERY
from media_streamer.presentation.archive import EMPTY_BYTES, Visible
from media_streamer.presentation.index import Container
from media_streamer.presentation.moments import Kind
from media_streamer.protocols.hls.key_tags import KeyLine, KeyTags, not_encrypted

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
    day, time = name[:10].replace("/", "-"), name[11:19].replace("/", ":")
    moment = datetime.fromisoformat(f"{day}T{time}+00:00")
    return int(moment.timestamp()) * 1000 + int(name[-3:])


def render_archive(
    names: Sequence[str],
    kind: Kind,
    shown: Visible,
    segment_seconds: float,
    prefix: str = "",
    container: Container = "fmp4",
    key_line: KeyLine = not_encrypted,
) -> str:
    """The media playlist of a track, in MPEG-TS of several together; `key_line`: in that alone.

    `segment_seconds` is what the stream is configured with. `prefix` stands before the URI of each
    segment; empty: they are relative to the playlist.
    """
    listed = list(_listed(shown.entries, names, container))
    longest = shown.longest_us / MICROSECONDS
    # A hole in a list is of version 8 (rfc8216bis, 8).
    version = 8 if container == "fmp4" or any(one.is_gap for one in listed) else 3
    lines = [
        "#EXTM3U",
        f"#EXT-X-VERSION:{version}",
        f"#EXT-X-TARGETDURATION:{max(1, math.ceil(segment_seconds), math.floor(longest + 0.5))}",
    ]
    if playlist_type := _TYPES.get(kind):
        lines.append(f"#EXT-X-PLAYLIST-TYPE:{playlist_type}")
    lines.append(f"#EXT-X-MEDIA-SEQUENCE:{shown.first}")
    if shown.breaks:
        lines.append(f"#EXT-X-DISCONTINUITY-SEQUENCE:{shown.breaks}")
    if version > 3:
        lines.append("#EXT-X-INDEPENDENT-SEGMENTS")
    extension = "m4s" if container == "fmp4" else "ts"
    init = b""
    keys = KeyTags(key_line)
    for entry, duration_us, is_gap in listed:
        if entry.broken:
            lines.append("#EXT-X-DISCONTINUITY")
        if container == "fmp4" and entry.content.head.init != init:
            init = entry.content.head.init
            start = entry.content.file.start_ms
            lines.append(f'#EXT-X-MAP:URI="{prefix}{FOLDER}init-{start}.mp4{QUERY}"')
        lines += keys.before(segment_name(entry.group))
        lines.append(_date_time(entry.group))
        if is_gap:
            lines.append("#EXT-X-GAP")  # other tracks have something there, and all count alike
        lines.append(f"#EXTINF:{duration_us / MICROSECONDS:.3f},")
        lines.append(f"{prefix}{FOLDER}{segment_name(entry.group)}.{extension}{QUERY}")
    if shown.ended:
        lines.append("#EXT-X-ENDLIST")
    return "\n".join(lines) + "\n"


class _Listed(NamedTuple):
    """A segment in the list."""

    entry: Entry
    duration_us: int
    is_gap: bool


def _listed(
    entries: Sequence[Entry], names: Sequence[str], container: Container
) -> Iterator[_Listed]:
    head: Head | None = None
    places: list[int] = []
    for entry in entries:
        if entry.content.head is not head:
            head = entry.content.head
            places = _places(head, names, container)
        pieces = [entry.group.pieces[place] for place in places]
        held = [piece for piece in pieces if piece.size > EMPTY_BYTES]
        duration_us = held[0].duration_us if held else entry.group.duration_us
        yield _Listed(entry, duration_us, not (pieces if container == "fmp4" else held))


def _places(head: Head, names: Sequence[str], container: Container) -> list[int]:
    """Where the tracks are in a file."""
    if container == "ts":
        return carried(head, names)
    return [number for number, track in enumerate(head.tracks) if track.name in names]


def _date_time(group: Group) -> str:
    seconds, ms = divmod(group.start_ms, 1000)
    start = datetime.fromtimestamp(seconds, UTC)
    return f"#EXT-X-PROGRAM-DATE-TIME:{start:%FT%T}.{ms:03d}Z"
