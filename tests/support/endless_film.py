"""A film of one white picture without an end, in place of files that are played."""

import io
from collections.abc import AsyncIterator

import av
from media_streamer.media.canonical import Canonicalizer
from media_streamer.media.films import FilmShelf, Stretch
from media_streamer.media.frame import TIME_BASE, Frame, Track
from media_streamer.media.track import describe_tracks
from media_streamer.wire.media import Replay

FRAME_TICKS = TIME_BASE // 25


def white_film() -> bytes:
    """A transport stream of one white key frame of H.264."""
    white = av.VideoFrame(320, 180, "yuv420p")
    for plane, value in zip(white.planes, (235, 128, 128), strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    white.pts = 0
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mpegts") as output:
        stream = output.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        output.mux(stream.encode(white))
        output.mux(stream.encode(None))
    return buffer.getvalue()


def white_picture() -> tuple[Track, bytes]:
    """A key frame of H.264 and its track."""
    with av.open(io.BytesIO(white_film())) as container:
        source = container.streams.video[0]
        packet = next(container.demux(source))
        (track,) = describe_tracks(container, {source.index: packet})
        picture = Canonicalizer.of(source).packet(packet)
    assert picture is not None
    return track, picture


class EndlessFilm(FilmShelf):
    """25 pictures a second; the wall clock of each is its place in the film."""

    def __init__(self) -> None:
        self.track, self.picture = white_picture()

    async def stretches(self, replay: Replay, in_thread: object) -> AsyncIterator[Stretch]:
        at_ms, tracks = replay.from_ms, [self.track]
        while at_ms < replay.to_ms:
            first = at_ms * 90
            yield Stretch(tracks, [self._frame(first + n * FRAME_TICKS) for n in range(25)], False)
            at_ms += 1000

    def _frame(self, dts: int) -> Frame:
        return Frame(0, dts, dts, FRAME_TICKS, True, self.picture, utc_ms=dts // 90)
