"""A segment of a film as MPEG-TS, made of the samples as they lie in the file.

Segments are made one by one, so the counters of packets begin anew in each, and say so.
"""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from media_streamer.files.disk import Read
from media_streamer.files.frames import Part, described, frames_of
from media_streamer.files.movie import FileTrack
from media_streamer.files.tables import BadFile

if TYPE_CHECKING:
    from media_streamer.media.mux.ts import TsMuxer

PACKET_SHARE = 188 / 184
SAMPLE_BYTES = 125
"""What a sample costs beside its bytes: headers, and half a packet of stuffing."""
TABLE_BYTES_SECOND = 376 * 2.5 + 188 * 4


def can_carry(tracks: Sequence[FileTrack]) -> bool:
    """Whether one multiplex does for them."""
    videos = sum(track.kind == "video" for track in tracks)
    try:
        return videos <= 1 and not _muxer(tracks).left_out
    except ValueError:
        return False


def expected_bytes(parts: Sequence[Part], seconds: float) -> int:
    """About how long the segment is, rather too much."""
    media = sum(
        part.track.samples.bytes(*part.piece) + SAMPLE_BYTES * (part.piece.end - part.piece.first)
        for part in parts
    )
    return round(media * PACKET_SHARE + TABLE_BYTES_SECOND * seconds)


def ts_segment(parts: Sequence[Part], read: Read) -> bytes:
    """The segment; blocks. Raises Changed, BadFile, OSError."""
    try:
        muxer = _muxer([part.track for part in parts])
        pieces = [
            piece
            for number, frame in enumerate(frames_of(parts, read))
            for piece in muxer.pieces(frame, number == 0)
        ]
        return b"".join(pieces)
    except (ValueError, IndexError) as error:
        raise BadFile(f"its samples are broken: {error}") from None


def _muxer(tracks: Sequence[FileTrack]) -> "TsMuxer":
    """Raises ValueError for what cannot be carried."""
    return _muxer_class()([described(n, track) for n, track in enumerate(tracks)], in_pieces=True)


@cache
def _muxer_class() -> "type[TsMuxer]":
    """Loaded at first use: most egress workers never need it, nor numpy."""
    from media_streamer.media.mux.ts import TsMuxer

    return TsMuxer
