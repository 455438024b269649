"""Key frames of few bytes that say they are 16,000 by 16,000 pixels: 400 MB for who decodes them.

To describe an input FFmpeg decodes, too. Memory is looked at in a process of its own.
"""

import io
import subprocess
import sys
from pathlib import Path

import av
import pytest
from media_streamer import budgets
from media_streamer.media.frame import Frame
from media_streamer.media.inputs.sample_probe import probe
from media_streamer.media.thumbnail import decode
from media_streamer.wire.media import PublishedFrame, TrackSetup

GIANT, MOST = 16_000, 64
"""Pixels a side, MiB that the process may grow."""


def vp8(side: int) -> PublishedFrame:
    """A key frame of 64 by 64 pixels that says it is larger (RFC 6386, 9.1)."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="ivf") as output:
        stream = output.add_stream("libvpx", rate=25)
        stream.width = stream.height = 64
        picture = av.VideoFrame(64, 64, "yuv420p")
        picture.pts = 0
        output.mux([*stream.encode(picture), *stream.encode(None)])
    data = bytearray(buffer.getvalue()[32 + 12 :])
    assert data[3:6] == b"\x9d\x01\x2a"
    data[6:10] = side.to_bytes(2, "little") * 2
    return PublishedFrame(0, 0, 0, True, bytes(data))


def show(side: int) -> tuple[int, int]:
    """Describe it and decode it, as for a preview."""
    sample = vp8(side)
    track = probe(TrackSetup(0, "video", "vp8", b"", 1000), sample)
    picture = decode(track, Frame(0, 0, 0, 3600, True, sample.data))
    return picture.width, picture.height


def test_large_ones_are_shown() -> None:
    assert show(4096) == (4096, 4096)
    assert budgets.PICTURE_PIXELS >= 7680 * 4320, "8K"


def test_giant_ones_are_not_decoded() -> None:
    code = f"""
import resource
from tests.unit.media_streamer.media.test_giant_pictures import *
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
before = peak()
try:
    show({GIANT})
except (av.FFmpegError, ValueError):
    print(peak() - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True,
        cwd=Path(__file__).parents[4],
    )  # fmt: skip
    assert done.stdout.strip(), "it was decoded"
    assert int(done.stdout) < MOST


@pytest.mark.parametrize("side", [GIANT, 16_383])
def test_they_have_no_preview(side: int) -> None:
    with pytest.raises((av.FFmpegError, ValueError)):
        show(side)
