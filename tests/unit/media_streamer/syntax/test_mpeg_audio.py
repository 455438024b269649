"""MPEG audio frames: sizes and durations by the standard, and splitting anything."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.syntax.mpeg_audio import frame, split


@pytest.mark.parametrize(
    ("header", "size", "seconds"),
    [
        (b"\xff\xfb\x90\x00", 417, 1152 / 44100),  # MPEG-1 layer 3, 128 kbit/s, 44.1 kHz
        (b"\xff\xfb\x92\x00", 418, 1152 / 44100),  # with padding
        (b"\xff\xfd\x94\x00", 480, 1152 / 48000),  # MPEG-1 layer 2, 160 kbit/s
        (b"\xff\xff\x14\x00", 32, 384 / 48000),  # MPEG-1 layer 1, 32 kbit/s
        (b"\xff\xf3\x84\x00", 192, 576 / 24000),  # MPEG-2 layer 3, 64 kbit/s
        (b"\xff\xe3\x18\x00", 72, 576 / 8000),  # MPEG-2.5 layer 3, 8 kbit/s
    ],
)
def test_sizes(header: bytes, size: int, seconds: float) -> None:
    assert frame(header) == (size, pytest.approx(seconds))


@pytest.mark.parametrize(
    "header",
    [b"", b"\xff\xfb\x90", b"ID3\x04", b"\xff\xfb\xf0\x00", b"\xff\xfb\x9c\x00",
     b"\xff\xf9\x90\x00",
     b"\xff\xeb\x90\x00", b"\xff\xfb\x00\x00"],
)  # fmt: skip
def test_what_is_no_frame(header: bytes) -> None:
    assert frame(header) is None


@given(st.binary(max_size=3000), st.integers(0, 4))
def test_no_byte_is_lost(noise: bytes, count: int) -> None:
    data = b"\xff\xfb\x94\x00".ljust(384, b"m") * count + noise
    pieces = [piece for _, piece in split(data)]
    assert b"".join(pieces) == data
    stamps = [stamp for stamp, _ in split(data)]
    assert stamps == sorted(stamps)
