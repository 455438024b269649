"""A segment of a film as MPEG-TS, made of the samples as they lie in the file."""

import threading
from collections.abc import Sequence
from itertools import accumulate
from operator import add

from media_streamer.archive.transport import ts_muxer
from media_streamer.files.disk import Read
from media_streamer.files.frames import Part, described
from media_streamer.files.movie import FileTrack
from media_streamer.files.segment import fill
from media_streamer.files.tables import BadFile
from media_streamer.wire.frame import TIME_BASE, Run, Track

PACKET_SHARE = 188 / 184
SAMPLE_BYTES = 125
"""What a sample costs beside its bytes: headers, and half a packet of stuffing."""
TABLE_BYTES_SECOND = 376 * 2.5 + 188 * 4
SCRATCH_BYTES = 4 * 1024 * 1024


class _Scratch(threading.local):
    """Where a thread reads samples to: memory that is new each time costs as much as to read."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def take(self, size: int) -> memoryview:
        """Of use until the next one is taken by the same thread."""
        if size > SCRATCH_BYTES:
            return memoryview(bytearray(size))
        if size > len(self._bytes):
            self._bytes = bytearray(min(SCRATCH_BYTES, 2 * size))
        return memoryview(self._bytes)[:size]


_scratch = _Scratch()


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


def ts_segment(parts: Sequence[Part], read: Read) -> memoryview:
    """The segment; blocks. Raises Changed, BadFile, OSError."""
    try:
        spans = [part.track.samples.spans(*part.piece) for part in parts]
        sizes = [sum(span.size for span in own) for own in spans]
        room, runs, at = _scratch.take(sum(sizes)), [], 0
        for part, own, size in zip(parts, spans, sizes, strict=True):
            data = room[at : at + size]
            fill(data, own, read)
            runs.append(_run(part, data))
            at += size
        return ts_muxer(_described([part.track for part in parts])).mux_runs(runs)
    except (ValueError, IndexError) as error:
        raise BadFile(f"its samples are broken: {error}") from None


def _described(tracks: Sequence[FileTrack]) -> list[Track]:
    """Raises ValueError for what cannot be carried."""
    return [described(number, track) for number, track in enumerate(tracks)]


def _run(part: Part, data: memoryview) -> Run:
    track, (first, end) = part
    samples, scale = track.samples, track.timescale
    begin = samples.time(first) + track.shift
    times = list(accumulate(samples.durations(first, end), initial=begin))[:-1]
    offsets = samples.offsets(first, end)
    shown = times if offsets is None else map(add, times, offsets)
    syncs = samples.sync_numbers(first, end)
    return Run(
        [time * TIME_BASE // scale for time in times],
        [time * TIME_BASE // scale for time in shown],
        [syncs is None or sample in syncs for sample in range(first, end)],
        samples.sizes(first, end),
        data,
    )
