"""Headers of VP8 and VP9, of libvpx and made up."""

from collections.abc import Callable

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.syntax.vpx import KeyFrame, vp8_key_frame, vp9_key_frame

FAST = {"deadline": "realtime", "cpu-used": "8"}


@pytest.mark.parametrize(
    ("encoder", "read"), [("libvpx", vp8_key_frame), ("libvpx-vp9", vp9_key_frame)]
)
def test_frames_of_libvpx(encoder: str, read: Callable[[bytes], KeyFrame | None]) -> None:
    context = av.codec.CodecContext.create(encoder, "w")
    context.width, context.height, context.pix_fmt = 98, 66, "yuv420p"
    context.options = {**FAST, "lag-in-frames": "0"}
    found = []
    for _ in range(3):
        frame = av.VideoFrame(98, 66, "yuv420p")
        found += [read(bytes(packet)) for packet in context.encode(frame)]
    assert found == [KeyFrame(98, 66), None, None]


def test_deep_colours_of_vp9() -> None:
    bits = "10010010" + f"{0x498342:024b}" + "00010"
    bits += f"{319:016b}{239:016b}"
    data = int(bits.ljust(128, "0"), 2).to_bytes(16)
    assert vp9_key_frame(data) == KeyFrame(320, 240, 2, 10)


@given(st.binary(max_size=20))
def test_garbage_never_raises(data: bytes) -> None:
    vp8_key_frame(data)
    vp9_key_frame(b"\x82\x49\x83\x42" + data)
    assert vp9_key_frame(data[:3]) is None
