"""Contact strips: some pictures of a time, side by side in one JPEG or one after another in a film.

The film holds key frames as they were recorded, so it costs the server no decoding. Blocks.
"""

import math
import time
from collections.abc import Sequence
from fractions import Fraction

import av
import av.filter

from media_streamer.media.frame import TIME_BASE, Frame, Track
from media_streamer.media.mux.fmp4 import Fmp4Track
from media_streamer.media.thumbnail import decode, encode

FILM_FRAME_TICKS = TIME_BASE // 2
"""Two pictures a second."""
_PIXELS = "yuvj420p"
_BLACK = (0, 128, 128)

Key = tuple[Track, Frame]


class TooSlow(Exception):  # noqa: N818 - what whoever asked is told
    """There was no time for all pictures."""


def moments(from_ms: int, to_ms: int, count: int) -> list[int]:
    """The middles of `count` equal parts of a time; Unix ms."""
    return [from_ms + (to_ms - from_ms) * (2 * n + 1) // (2 * count) for n in range(count)]


def make_strip(keys: Sequence[Key | None], columns: int, width: int, until: float) -> bytes:
    """JPEG of the pictures, row by row; where there is none it stays black.

    `width`: of each, in pixels; the height is that of the first one. `until`: monotonic seconds.
    Raises ValueError for nothing at all, TooSlow, av.FFmpegError.
    """
    pictures: list[av.VideoFrame | None] = []
    height = 0
    for key in keys:
        if time.monotonic() > until:
            raise TooSlow
        picture = decode(*key) if key is not None else None
        if picture is not None:
            height = height or max(2, picture.height * width // picture.width & ~1)
            picture = picture.reformat(width, height, _PIXELS)
        pictures.append(picture)
    if not height:
        raise ValueError("there is no picture of that time")
    return encode(_tiled([one or _black(width, height) for one in pictures], columns))


def _tiled(pictures: Sequence[av.VideoFrame], columns: int) -> av.VideoFrame:
    """One picture of many of the same size."""
    first, second = pictures[0], Fraction(1, 1)
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=first.width,
        height=first.height,
        format=av.VideoFormat(_PIXELS),
        time_base=second,
    )
    tile = graph.add("tile", f"{columns}x{math.ceil(len(pictures) / columns)}")
    sink = graph.add("buffersink")
    source.link_to(tile)
    tile.link_to(sink)
    graph.configure()
    for number, picture in enumerate(pictures):
        picture.pts, picture.time_base = number, second
        graph.push(picture)
    graph.push(None)
    made = graph.pull()
    assert isinstance(made, av.VideoFrame)
    return made


def _black(width: int, height: int) -> av.VideoFrame:
    picture = av.VideoFrame(width, height, _PIXELS)
    for plane, value in zip(picture.planes, _BLACK, strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    return picture


def make_strip_film(keys: Sequence[Key | None]) -> bytes:
    """MP4 of the pictures that there are, as far as they are of one encoding; raises ValueError."""
    found = [key for key in keys if key is not None]
    if not found:
        raise ValueError("there is no picture of that time")
    track = found[0][0]
    alike = [frame for one, frame in found if one.init == track.init]
    writer = Fmp4Track(track, 1000 * len(alike))
    parts = []
    for number, frame in enumerate(alike):
        at = number * FILM_FRAME_TICKS
        parts += writer.add(Frame(frame.track, at, at, FILM_FRAME_TICKS, True, frame.data))
    last, _ = writer.finish(None)
    return b"".join((track.init, *(part.data for part in (*parts, last) if part is not None)))
