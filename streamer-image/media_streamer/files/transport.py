"""A segment of a film as MPEG-TS, made of the samples as they lie in the file.

Segments are made one by one, so the counters of packets begin anew in each, and say so.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from media_streamer.archive.frames import codec_of
from media_streamer.files.cutting import Piece
from media_streamer.files.movie import FileTrack, Movie, Read
from media_streamer.files.segment import read_spans
from media_streamer.files.tables import BadFile
from media_streamer.syntax import boxes
from media_streamer.wire.frame import TIME_BASE, Frame, Track

if TYPE_CHECKING:
    from media_streamer.media.mux.ts import TsMuxer

PACKET_SHARE = 188 / 184
SAMPLE_BYTES = 125
"""What a sample costs beside its bytes: headers, and half a packet of stuffing."""
TABLE_BYTES_SECOND = 376 * 2.5 + 188 * 4
_LENGTHS = {b"avcC": 4, b"hvcC": 21}
"""Where the size of NAL unit lengths stands (ISO/IEC 14496-15)."""
_FOUR_BYTES = 3


class Part(NamedTuple):
    """What a segment has of a track."""

    track: FileTrack
    piece: Piece


def filled(pieces: Sequence[Piece]) -> list[Piece]:
    """Those of which there are segments of the track alone, by their number."""
    return [piece for piece in pieces if piece.end > piece.first]


def together(movie: Movie, pieces: Mapping[str, Sequence[Piece]]) -> list[list[Part]]:
    """What each segment of all tracks has of them, by its number; none is empty."""
    rows = zip(*(pieces[track.name] for track in movie.tracks), strict=True)
    parts = [
        [Part(track, piece) for track, piece in zip(movie.tracks, row, strict=True)] for row in rows
    ]
    return [row for row in parts if any(piece.end > piece.first for _, piece in row)]


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
        frames = sorted(_frames(parts, read), key=lambda frame: frame.dts)
        return b"".join(muxer.mux(frame, number == 0) for number, frame in enumerate(frames))
    except (ValueError, IndexError) as error:
        raise BadFile(f"its samples are broken: {error}") from None


def _frames(parts: Sequence[Part], read: Read) -> Iterator[Frame]:
    spans = [part.track.samples.spans(*part.piece) for part in parts]
    found = iter(read_spans([span for own in spans for span in own], read))
    for number, (part, own) in enumerate(zip(parts, spans, strict=True)):
        data = b"".join(next(found) for _ in own)
        yield from _track_frames(number, part, data)


def _track_frames(number: int, part: Part, data: bytes) -> Iterator[Frame]:
    track, (first, end) = part
    samples, scale, position = track.samples, track.timescale, 0
    time = samples.time(first) + track.shift
    offsets = samples.offsets(first, end) or iter([0] * (end - first))
    syncs = samples.sync_numbers(first, end)
    for sample, size, duration, offset in zip(
        range(first, end),
        samples.sizes(first, end),
        samples.durations(first, end),
        offsets,
        strict=True,
    ):
        yield Frame(
            track=number,
            dts=time * TIME_BASE // scale,
            pts=(time + offset) * TIME_BASE // scale,
            duration=duration * TIME_BASE // scale,
            key=syncs is None or sample in syncs,
            data=data[position : position + size],
        )
        position += size
        time += duration


def _muxer(tracks: Sequence[FileTrack]) -> "TsMuxer":
    """Raises ValueError for what cannot be carried."""
    return _muxer_class()([_described(n, track) for n, track in enumerate(tracks)], in_pieces=True)


@cache
def _muxer_class() -> "type[TsMuxer]":
    """Loaded at first use: most egress workers never need it, nor numpy."""
    from media_streamer.media.mux.ts import TsMuxer

    return TsMuxer


def _described(number: int, track: FileTrack) -> Track:
    _, children = boxes.sample_entry(track.init)
    for name, at in _LENGTHS.items():
        if name in children and children[name][at] & 3 != _FOUR_BYTES:
            raise ValueError("NAL units have lengths of other than four bytes")
    return Track(
        number=number,
        name=track.name,
        kind="video" if track.kind == "video" else "audio",
        codec=codec_of(track.codecs),
        init=track.init,
        codec_string=track.codecs,
        width=track.width,
        height=track.height,
        fps=track.fps,
        channels=track.channels,
        sample_rate=track.sample_rate,
        language=track.language,
    )
