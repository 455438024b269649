"""Tiny real media: encoded by FFmpeg in memory in a few milliseconds."""

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest

Encode = Callable[..., bytes]


def encode(container: str, video: str = "", audio: str = "", **options: Any) -> bytes:
    """`_encode` in a thread that ends: as root, SVT-AV1 gives the thread that calls it the highest
    real-time priority for good, and each process that is started from it."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(_encode, container, video, audio, **options).result()


def _encode(
    container: str,
    video: str = "",
    audio: str = "",
    *,
    frames: int = 8,
    size: tuple[int, int] = (64, 48),
    gop: int = 4,
    options: dict[str, str] | None = None,
    sample_rate: int = 48000,
) -> bytes:
    """A clip of `frames` pictures at 25 a second and as much sound, muxed as `container`."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        streams = []
        if video:
            stream = output.add_stream(video, rate=25, options=options or {})
            stream.width, stream.height = size
            stream.pix_fmt = "yuv420p"
            stream.codec_context.gop_size = gop
            stream.codec_context.thread_count = 1
            streams.append((stream, _pictures(frames, size)))
        if audio:
            sound = output.add_stream(audio, rate=sample_rate)
            sound.codec_context.layout = "stereo"
            streams.append((sound, _sound(frames, sample_rate, sound.codec_context)))
        for stream, decoded in streams:
            for frame in decoded:
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
    return buffer.getvalue()


def _pictures(frames: int, size: tuple[int, int]):  # type: ignore[no-untyped-def]
    for index in range(frames):
        pixels = np.full((size[1], size[0], 3), index * 20 % 256, np.uint8)
        frame = av.VideoFrame.from_ndarray(pixels)
        frame.pts, frame.time_base = index, Fraction(1, 25)
        yield frame


def _sound(frames: int, rate: int, context):  # type: ignore[no-untyped-def]
    samples = np.zeros((2, rate * frames // 25), np.float32)
    frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
    frame.sample_rate, frame.pts = rate, 0
    if not context.is_open:
        context.open()
    resampler = av.AudioResampler(context.format, "stereo", rate, context.frame_size)
    yield from resampler.resample(frame)


@pytest.fixture(scope="session")
def make_media() -> Encode:
    return encode
