"""The source's pictures, decoded once for all renditions.

Not thread-safe: it belongs to one thread.
"""

import logging
import os
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av

from media_streamer.media.frame import TIME_BASE, Frame, Track
from media_streamer.media.track import template
from media_streamer.transcoder.errors import muted, words_of
from media_streamer.transcoder.hardware import CUVID

log = logging.getLogger(__name__)

BASE = Fraction(1, TIME_BASE)
MAX_THREADS = 4
"""Each holds a picture back."""
GPU_FAILURES = 3
"""Packets in a row that a card may fail at before the CPU goes on."""


class VideoDecoder:
    """Of one track. `gpu`: number of the card that decodes, None: the CPU does."""

    def __init__(
        self, track: Track, gpu: int | None = None, size: tuple[int, int] | None = None
    ) -> None:
        """`size`: to what a card scales. Raises FFmpegError or ValueError."""
        self.errors = 0
        self._track = track
        self._template = template(track.init)
        self._described: Any = self._template.streams[0].codec_context
        self._size = size
        self._failures = 0
        self.gpu = gpu if track.codec in CUVID else None
        self._context: Any = self._open()

    @property
    def sar(self) -> Fraction:
        """Sample aspect ratio of the pictures, as the stream says it."""
        ratio = self._described.sample_aspect_ratio or self._context.sample_aspect_ratio
        if not ratio or ratio <= 0:
            return Fraction(1)
        return Fraction(ratio)

    def decode(self, frame: Frame | None) -> Iterator[av.VideoFrame]:
        """Pictures that are ready, with stamps in ticks; None: what is still held.

        What cannot be decoded is counted and left out.
        """
        packet = None
        if frame is not None:
            packet = av.Packet(frame.data)
            packet.pts, packet.dts, packet.time_base = frame.pts, frame.dts, BASE
            packet.is_keyframe = frame.key
        try:
            pictures = self._context.decode(packet)
        except av.FFmpegError as error:
            self.errors += 1
            self._failed(error)
            return
        if pictures:
            self._failures = 0
        for picture in pictures:
            if picture.pts is not None:
                picture.time_base = BASE
                yield picture

    def restart(self) -> None:
        """What comes next is no continuation: it begins with a key frame."""
        self._context.flush_buffers()

    def close(self) -> None:
        self._template.close()

    def _open(self) -> Any:
        if self.gpu is not None:
            try:
                with muted():
                    return self._open_card(self.gpu)
            except av.FFmpegError as error:
                self._leave_card(error)
        context = self._described
        context.thread_type = "AUTO"
        context.thread_count = min(MAX_THREADS, os.cpu_count() or 1)
        return context

    def _open_card(self, gpu: int) -> Any:
        context: Any = av.CodecContext.create(CUVID[self._track.codec], "r")
        context.extradata = self._described.extradata
        context.options = {"gpu": str(gpu)}
        if self._size is not None:
            width, height = self._size
            context.options = {**context.options, "resize": f"{width}x{height}"}
        context.open()
        return context

    def _failed(self, error: av.FFmpegError) -> None:
        """A card that falls off is not waited for."""
        self._failures += 1
        if self.gpu is not None and self._failures >= GPU_FAILURES:
            self._leave_card(error)
            self._context = self._open()

    def _leave_card(self, error: av.FFmpegError) -> None:
        words = words_of(error)
        log.error("GPU %d cannot decode %s (%s): the CPU does", self.gpu, self._track.codec, words)
        self.gpu, self._failures = None, 0
