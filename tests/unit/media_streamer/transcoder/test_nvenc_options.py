"""What NVIDIA's encoders are opened with, checked as far as the wheel goes without a card.

FFmpeg reads the options before it looks for a driver: a value that it does not know is refused as
such, so another refusal, or none, means that all were taken.
"""

from fractions import Fraction
from typing import Any, Literal

import av
import pytest
from media_streamer.transcoder.encoders import NVENC, options_of
from media_streamer.transcoder.errors import muted
from media_streamer.wire.transcoding import Rendition

PRESETS = ("slow", "medium", "fast", "veryfast", "ultrafast")
PROFILES = {"h264": ("baseline", "main", "high"), "hevc": ("main", "main10"), "av1": ()}
Codec = Literal["h264", "hevc", "av1"]


def refusal(wish: Rendition) -> Exception | None:
    """Why the encoder does not open."""
    name = NVENC[wish.codec]
    context: Any = av.CodecContext.create(name, "w")
    context.width, context.height, context.pix_fmt = 640, 360, "yuv420p"
    context.time_base, context.bit_rate = Fraction(1, 25), wish.bit_rate
    context.options = options_of(name, wish, 0)
    try:
        with muted():
            context.open()
    except av.FFmpegError as error:
        return error
    return None


@pytest.mark.parametrize("codec", NVENC)
def test_all_that_can_be_asked_for_is_taken(codec: Codec) -> None:
    base = Rendition(0, "v1", codec, 1_000_000, "fast")
    wishes = [Rendition(0, "v1", codec, 1_000_000, preset) for preset in PRESETS]
    wishes += [Rendition(0, "v1", codec, 1_000_000, "fast", profile=one) for one in PROFILES[codec]]
    wishes += [
        Rendition(0, "v1", codec, 1_000_000, "fast", cbr=True, buffer_bits=500_000),
        Rendition(0, "v1", codec, 0, "fast", bframes=2, refs=3, qp_range=(10, 40)),
    ]
    if codec != "av1":
        wishes.append(Rendition(0, "v1", codec, 1_000_000, "fast", level="4.1"))
    for wish in [base, *wishes]:
        assert not isinstance(refusal(wish), av.ArgumentError), wish


@pytest.mark.parametrize("codec", NVENC)
def test_a_value_that_is_none_is_noticed(codec: Codec) -> None:
    for extra in ({"preset": "p9"}, {"rc": "bogus"}, {"forced-idr": "x"}):
        wish = Rendition(0, "v1", codec, 1_000_000, "fast", extra=extra)
        assert isinstance(refusal(wish), av.ArgumentError)


@pytest.mark.parametrize("codec", NVENC)
def test_each_option_is_one_that_the_encoder_has(codec: Codec) -> None:
    """FFmpeg passes over names that it does not know, so each one is given what it cannot read."""
    wish = Rendition(
        *(0, "v1", codec, 1_000_000, "fast"),
        profile="main",
        level="4.1",
        bframes=2,
        refs=3,
        qp_range=(10, 40),
    )
    names = options_of(NVENC[codec], wish, 0)
    assert {"preset", "forced-idr", "gpu", "bf", "maxrate", "qmin"} <= names.keys()
    for name in names:
        spoilt = Rendition(0, "v1", codec, 1_000_000, "fast", extra={name: "?"})
        assert isinstance(refusal(spoilt), av.ArgumentError), name
