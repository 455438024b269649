"""Where segments of a film begin and end. Pure.

They begin at key frames of the picture, each at the one next to where the target duration would
end it; the other tracks are cut at the same moments, at their own samples.
"""

from bisect import bisect_left
from fractions import Fraction
from typing import NamedTuple

from media_streamer.files.movie import FileTrack, Movie
from media_streamer.files.tables import BadFile

MAX_SEGMENTS = 50_000
MAX_SEGMENT_BYTES = 64 * 1024 * 1024
"""A segment is made in memory."""


class Piece(NamedTuple):
    """Samples of a track: one segment."""

    first: int
    end: int


def cut(movie: Movie, target_seconds: float) -> dict[str, list[Piece]]:
    """The segments of each track, by its name; raises BadFile."""
    target = Fraction(round(target_seconds * 1000), 1000)
    main = next((track for track in movie.tracks if track.kind == "video"), movie.tracks[0])
    moments = boundaries(main, target)
    end = max(track.seconds(track.samples.count) for track in movie.tracks)
    while end - moments[-1] > 2 * target and len(moments) < MAX_SEGMENTS:
        moments.append(moments[-1] + target)  # what has no picture any more
    if len(moments) >= MAX_SEGMENTS:
        raise BadFile(f"the film has more than {MAX_SEGMENTS} segments")
    return {track.name: _pieces(track, moments) for track in movie.tracks}


def boundaries(track: FileTrack, target: Fraction) -> list[Fraction]:
    """When segments begin, on the common clock, the first one included."""
    samples = track.samples
    moments, first = [track.seconds(0)], 0
    while len(moments) < MAX_SEGMENTS:
        wished = samples.time(first) + round(target * track.timescale)
        after = samples.at(wished)
        found = _next_sync(track, first, after, wished)
        if found >= samples.count:
            break
        first = found
        moments.append(track.seconds(first))
    return moments


def _next_sync(track: FileTrack, first: int, after: int, wished: int) -> int:
    """The sample behind `first` that can begin a segment and is next to `wished`."""
    samples = track.samples
    syncs = samples.syncs
    if syncs is None:
        return max(first + 1, after)
    place = bisect_left(syncs, after)
    later = syncs[place] if place < len(syncs) else samples.count
    earlier = syncs[place - 1] if place > 0 else 0
    if earlier <= first:
        return later
    far = samples.time(later) - wished
    return earlier if wished - samples.time(earlier) <= far else later


def _pieces(track: FileTrack, moments: list[Fraction]) -> list[Piece]:
    """A piece for each moment at which the track has something."""
    samples, found, first = track.samples, list[Piece](), 0
    for moment in [*moments[1:], None]:
        if moment is None:
            end = samples.count
        else:
            wished = -(
                -(moment * track.timescale).numerator // (moment * track.timescale).denominator
            )
            end = samples.at(max(0, wished - track.shift))
            end = _whole_group(track, end)
        if end > first:
            if samples.bytes(first, end) > MAX_SEGMENT_BYTES:
                at = float(track.seconds(first))
                text = f"track {track.name} has more than {MAX_SEGMENT_BYTES} bytes in a segment"
                raise BadFile(f"{text} at {at:.0f} s: its key frames are too far apart")
            found.append(Piece(first, end))
            first = end
    return found


def _whole_group(track: FileTrack, sample: int) -> int:
    """The first sample from there on at which decoding can start."""
    syncs = track.samples.syncs
    if syncs is None or sample >= track.samples.count:
        return sample
    place = bisect_left(syncs, sample)
    return syncs[place] if place < len(syncs) else track.samples.count
