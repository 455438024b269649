"""Preview picture of a stream: its last key frame as JPEG, decoded only when somebody asks."""

import io
import logging
import threading
from typing import Any

import av

from media_streamer.media.frame import Frame, Track
from media_streamer.media.track import template

log = logging.getLogger(__name__)

MAX_WIDTH = 640
_QUALITY = 5
"""MJPEG quantiser scale, 2 (best) to 31."""


class Thumbnail:
    """Makes and keeps the picture of the newest key frame that was asked for."""

    def __init__(self, stream: str) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._made: tuple[Frame, bytes | None] | None = None

    def jpeg(self, track: Track, frame: Frame) -> bytes | None:
        """JPEG of a key frame, at most `MAX_WIDTH` wide; None if it cannot be decoded. Blocks."""
        with self._lock:
            if self._made is None or self._made[0] is not frame:
                try:
                    picture = _encode(_decode(track, frame))
                except (av.FFmpegError, ValueError) as error:
                    log.warning("stream %s: no preview: %s", self._stream, error)
                    picture = None
                self._made = (frame, picture)
            return self._made[1]


def _decode(track: Track, frame: Frame) -> av.VideoFrame:
    with template(track.init) as container:
        context: Any = container.streams[0].codec_context
        context.thread_count = 1
        packet = av.Packet(frame.data)
        packet.pts = packet.dts = 0
        pictures = [*context.decode(packet), *context.decode(None)]
    if not pictures:
        raise ValueError("the key frame gives no picture")
    picture: av.VideoFrame = pictures[0]
    return picture


def _encode(picture: av.VideoFrame) -> bytes:
    width = min(picture.width, MAX_WIDTH) & ~1
    height = max(2, picture.height * width // picture.width & ~1)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mjpeg") as output:
        stream = output.add_stream("mjpeg", rate=1)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuvj420p"
        stream.codec_context.qmin = stream.codec_context.qmax = _QUALITY
        stream.codec_context.thread_count = 1
        scaled = picture.reformat(width, height, "yuvj420p")
        scaled.pts = 0
        output.mux(stream.encode(scaled))
        output.mux(stream.encode(None))
    return buffer.getvalue()
