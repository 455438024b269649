"""Layers of VP9 as one picture: frames of libvpx, decoded by FFmpeg."""

import contextlib
from collections.abc import Sequence

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.syntax.vp9_layers import Layers, NotReadError
from media_streamer.syntax.vpx import KeyFrame, split, superframe, vp9_key_frame

FAST = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "b": "300k"}


def encoded(width: int, height: int, levels: Sequence[int], **options: str) -> list[bytes]:
    """A frame for each brightness, the first one a key frame."""
    context = av.codec.CodecContext.create("libvpx-vp9", "w")
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.options = FAST | options
    found: list[bytes] = []
    for number, level in enumerate(levels):
        picture = np.full((height * 3 // 2, width), level, np.uint8)
        frame = av.VideoFrame.from_ndarray(picture, "yuv420p")
        frame.pts = number
        found += map(bytes, context.encode(frame))
    assert len(found) == len(levels)
    return found


def decoded(pictures: Sequence[bytes]) -> list[tuple[int, int]]:
    """Brightness and width of what is shown."""
    context = av.codec.CodecContext.create("vp9", "r")
    context.thread_count = 1
    shown = [frame for data in pictures for frame in context.decode(av.Packet(data))]
    return [(round(float(one.to_ndarray()[: one.height].mean())), one.width) for one in shown]


@pytest.mark.parametrize("resilient", ["0", "1"])
@pytest.mark.parametrize("count", [2, 3])
def test_the_highest_is_shown(resilient: str, count: int) -> None:
    levels = [40, 80, 120, 160, 200, 100]
    frames = encoded(320, 176, levels, **{"error-resilient": resilient})
    alone = decoded(frames)
    assert [level for level, _ in alone] == pytest.approx(levels, abs=6)
    layers = Layers()
    joined = [layers.join(frames[n : n + count]) for n in range(0, 6, count)]
    assert decoded(joined) == alone[count - 1 :: count]


def test_a_larger_layer_makes_the_picture_larger() -> None:
    """Two key frames: such a picture is of both sizes."""
    small, large = encoded(160, 96, [60])[0], encoded(320, 176, [180])[0]
    ((level, width),) = decoded([Layers().join([small, large])])
    assert (level, width) == (pytest.approx(180, abs=6), 320)


def test_what_is_predicted_says_its_size_in_a_key_picture() -> None:
    small = encoded(160, 96, [60])[0]
    assert vp9_key_frame(small) == KeyFrame(160, 96)
    bits = "10000111" + "0" * 20 + "000" + f"{639:016b}{359:016b}"
    large = int(bits.ljust(136, "0"), 2).to_bytes(17)
    assert vp9_key_frame(superframe([small, large])) == KeyFrame(640, 360)


def test_what_refers_to_what_has_not_come_is_said() -> None:
    _, other, more = encoded(160, 96, [60, 90, 120])
    with pytest.raises(NotReadError, match="has not come"):
        Layers().join([other, more])


@given(st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=8))
def test_a_superframe_is_taken_apart_again(frames: list[bytes]) -> None:
    if len(frames) > 1:
        assert split(superframe(frames)) == frames


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=9))
def test_garbage_is_refused(frames: list[bytes]) -> None:
    with contextlib.suppress(NotReadError):
        Layers().join([b"\x82\x49\x83\x42" + frames[0], *frames])
    split(frames[0])
