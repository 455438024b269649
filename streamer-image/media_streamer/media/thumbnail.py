"""Pictures of a stream: a key frame as JPEG, decoded only when somebody asks, or as a film of one
frame, which whoever watches decodes."""

import io
import logging
import threading
from typing import Any

import av

from media_streamer.media.frame import TIME_BASE, Frame, Track
from media_streamer.media.mux.fmp4 import Fmp4Track
from media_streamer.media.track import DECODER_OPTIONS, template

log = logging.getLogger(__name__)

FILM_MS = 10_000
MAX_WIDTH = 640
Size = tuple[int, int] | None
"""Pixels, -1 by the other one and the aspect ratio; None: at most `MAX_WIDTH` wide."""
_QUALITY = 5
"""MJPEG quantiser scale, 2 (best) to 31."""


class Thumbnail:
    """Makes and keeps the picture of the newest key frame that was asked for."""

    def __init__(self, stream: str) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._frame: Frame | None = None
        self._made: dict[Size, bytes | None] = {}
        """Of that frame, by size: there are as many as the configuration has."""

    def jpeg(self, track: Track, frame: Frame, size: Size = None) -> bytes | None:
        """JPEG of a key frame; None if it cannot be decoded. Blocks."""
        with self._lock:
            if self._frame is not frame:
                self._frame, self._made = frame, {}
            if size not in self._made:
                try:
                    picture = make_jpeg(track, frame, size)
                except (av.FFmpegError, ValueError) as error:
                    log.warning("stream %s: no preview: %s", self._stream, error)
                    picture = None
                self._made[size] = picture
            return self._made[size]


def make_jpeg(track: Track, frame: Frame, size: Size = None) -> bytes:
    """A key frame as JPEG; raises ValueError or av.FFmpegError. Blocks."""
    picture = decode(track, frame)
    width, height = scaled(picture.width, picture.height, size)
    return encode(picture.reformat(width, height, "yuvj420p"))


def scaled(width: int, height: int, size: Size) -> tuple[int, int]:
    """Even sides of a picture of that many pixels in a size; None: at most `MAX_WIDTH` wide."""
    wide, high = size or (min(width, MAX_WIDTH), -1)
    if wide < 0:
        wide = high * width // height
    elif high < 0:
        high = wide * height // width
    return max(2, wide & ~1), max(2, high & ~1)


def make_film(track: Track, frame: Frame) -> bytes:
    """A key frame as MP4."""
    writer = Fmp4Track(track, FILM_MS)
    parts = writer.add(Frame(frame.track, 0, 0, TIME_BASE, True, frame.data))
    last, _ = writer.finish(None)
    return b"".join((track.init, *(part.data for part in (*parts, last) if part is not None)))


def decode(track: Track, frame: Frame) -> av.VideoFrame:
    """The picture of a key frame; raises ValueError or av.FFmpegError. Blocks."""
    with template(track.init) as container:
        context: Any = container.streams[0].codec_context
        context.thread_count = 1
        context.options = DECODER_OPTIONS
        packet = av.Packet(frame.data)
        packet.pts = packet.dts = 0
        pictures = [*context.decode(packet), *context.decode(None)]
    if not pictures:
        raise ValueError("the key frame gives no picture")
    picture: av.VideoFrame = pictures[0]
    return picture


def encode(picture: av.VideoFrame) -> bytes:
    """A picture in yuvj420p as JPEG; raises av.FFmpegError. Blocks."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mjpeg") as output:
        stream = output.add_stream("mjpeg", rate=1)
        stream.width, stream.height = picture.width, picture.height
        stream.pix_fmt = "yuvj420p"
        stream.codec_context.qmin = stream.codec_context.qmax = _QUALITY
        stream.codec_context.thread_count = 1
        picture.pts = 0
        output.mux(stream.encode(picture))
        output.mux(stream.encode(None))
    return buffer.getvalue()
