"""The samples of a film as canonical frames, for muxers. Blocks on the disk."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from media_streamer.archive.frames import codec_of
from media_streamer.files.cutting import Piece
from media_streamer.files.disk import Read
from media_streamer.files.movie import FileTrack, Movie
from media_streamer.files.segment import read_spans
from media_streamer.syntax import boxes
from media_streamer.wire.frame import TIME_BASE, Frame, Track

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


def described(number: int, track: FileTrack) -> Track:
    """A track as muxers know it; raises ValueError for what has no canonical form."""
    _, children = boxes.sample_entry(track.init)
    for name, at in _LENGTHS.items():
        if name in children and children[name][at] & 3 != _FOUR_BYTES:
            raise ValueError("NAL units have lengths of other than four bytes")
    return Track(
        number=number,
        name=track.name,
        kind="video" if track.kind == "video" else "audio",
        codec=track.codec or codec_of(track.codecs),
        init=track.init,
        codec_string=track.codecs,
        width=track.width,
        height=track.height,
        fps=track.fps,
        channels=track.channels,
        sample_rate=track.sample_rate,
        language=track.language,
    )


def frames_of(parts: Sequence[Part], read: Read) -> list[Frame]:
    """The frames of a segment in the order of decoding; tracks are numbered as in `parts`.

    Raises Changed, OSError.
    """
    spans = [part.track.samples.spans(*part.piece) for part in parts]
    frames = [
        frame
        for number, (part, own) in enumerate(zip(parts, spans, strict=True))
        for frame in _frames(number, part, memoryview(read_spans(own, read)))
    ]
    frames.sort(key=lambda frame: frame.dts)
    return frames


def _frames(number: int, part: Part, data: memoryview) -> Iterator[Frame]:
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
            data=bytes(data[position : position + size]),
        )
        position += size
        time += duration
