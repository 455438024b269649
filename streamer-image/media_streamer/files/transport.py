"""A segment of a film as MPEG-TS, made of the samples as they lie in the file."""

from collections.abc import Sequence

from media_streamer.archive.transport import multiplex, ts_muxer
from media_streamer.files.disk import Read
from media_streamer.files.frames import Part, described, frames_of
from media_streamer.files.movie import FileTrack
from media_streamer.files.tables import BadFile
from media_streamer.wire.frame import Track

PACKET_SHARE = 188 / 184
SAMPLE_BYTES = 125
"""What a sample costs beside its bytes: headers, and half a packet of stuffing."""
TABLE_BYTES_SECOND = 376 * 2.5 + 188 * 4


def can_carry(tracks: Sequence[FileTrack]) -> bool:
    """Whether one multiplex does for them."""
    videos = sum(track.kind == "video" for track in tracks)
    try:
        return videos <= 1 and not ts_muxer(_described(tracks)).left_out
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
        return multiplex(_described([part.track for part in parts]), frames_of(parts, read))
    except (ValueError, IndexError) as error:
        raise BadFile(f"its samples are broken: {error}") from None


def _described(tracks: Sequence[FileTrack]) -> list[Track]:
    """Raises ValueError for what cannot be carried."""
    return [described(number, track) for number, track in enumerate(tracks)]
