"""Where segments of a film begin and end. Pure.

They begin at key frames of the picture, each at the one next to where the target duration would
end it; the other tracks are cut at the same moments, at their own samples.
"""

from bisect import bisect_left
from typing import NamedTuple

from media_streamer.files.movie import FileTrack, Movie
from media_streamer.files.tables import BadFile

NANOSECONDS = 1_000_000_000
MAX_SEGMENTS = 50_000
MAX_SEGMENT_BYTES = 64 * 1024 * 1024
"""A segment is made in memory."""


class Piece(NamedTuple):
    """Samples of a track: what one segment has of it."""

    first: int
    end: int


def cut(movie: Movie, target_seconds: float) -> dict[str, list[Piece]]:
    """The segments of each track, by its name: as many of each, empty where it has nothing.

    Raises BadFile.
    """
    target = round(target_seconds * 1000) * (NANOSECONDS // 1000)
    main = next((track for track in movie.tracks if track.kind == "video"), movie.tracks[0])
    end = max(_moment(track, track.samples.count) for track in movie.tracks)
    if end // target > MAX_SEGMENTS:
        raise BadFile(f"the film has more than {MAX_SEGMENTS} segments")
    moments = boundaries(main, target)
    last = _moment(main, main.samples.count)
    while end - last > target // 2:  # what has no picture any more
        moments.append(last)
        last += target
    if movie.outline is not None:  # what lies in a stretch belongs together
        pieces = _pieces(main, moments)
        return {track.name: pieces for track in movie.tracks}
    return {track.name: _pieces(track, moments) for track in movie.tracks}


def boundaries(track: FileTrack, target: int) -> list[int]:
    """When segments of `target` ns begin, in ns on the common clock, the first one included."""
    samples = track.samples
    moments, first = [_moment(track, 0)], 0
    ticks = target * track.timescale // NANOSECONDS
    while len(moments) < MAX_SEGMENTS:
        wished = samples.time(first) + ticks
        found = _next_sync(track, first, samples.at(wished), wished)
        if found >= samples.count:
            break
        first = found
        moments.append(_moment(track, first))
    return moments


def _moment(track: FileTrack, sample: int) -> int:
    """When a sample is decoded on the common clock, in ns."""
    return (track.samples.time(sample) + track.shift) * NANOSECONDS // track.timescale


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


def _pieces(track: FileTrack, moments: list[int]) -> list[Piece]:
    """A piece for each moment."""
    samples, found, first = track.samples, list[Piece](), 0
    for moment in [*moments[1:], None]:
        if moment is None:
            end = samples.count
        else:
            wished = -(-moment * track.timescale // NANOSECONDS)
            end = samples.at(max(0, wished - track.shift))
        end = _whole_group(track, end)
        end = max(first, end)
        if samples.bytes(first, end) > MAX_SEGMENT_BYTES:
            at = _moment(track, first) // NANOSECONDS
            text = f"track {track.name} has more than {MAX_SEGMENT_BYTES} bytes in a segment"
            raise BadFile(f"{text} at {at} s: its key frames are too far apart")
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
