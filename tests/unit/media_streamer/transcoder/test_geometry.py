"""Sizes of pictures."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.transcoder.geometry import Geometry, decoder_size, fit
from media_streamer.wire.transcoding import Decoding, Rendition, SizeWish, Work

SQUARE = Fraction(1)
sides = st.integers(2, 8192)
ratios = st.sampled_from([SQUARE, Fraction(16, 11), Fraction(12, 11), Fraction(40, 33)])
wishes = st.builds(
    SizeWish,
    st.just(-1) | sides,
    st.just(-1) | sides,
    st.sampled_from(["crop", "scale", "fit"]),
)


@pytest.mark.parametrize(
    ("source", "wish", "scaled", "size"),
    [
        ((1920, 1080), SizeWish(1280, 720), (1280, 720), (1280, 720)),
        ((1920, 1080), SizeWish(-1, 240), (426, 240), (426, 240)),
        ((1920, 1080), SizeWish(640, -1), (640, 360), (640, 360)),
        ((1440, 1080), SizeWish(1280, 720), (960, 720), (1280, 720)),
        ((1440, 1080), SizeWish(1280, 720, "crop"), (1280, 960), (1280, 720)),
        ((1440, 1080), SizeWish(1280, 720, "scale"), (1280, 720), (1280, 720)),
        ((1921, 1081), None, (1920, 1080), (1920, 1080)),
        ((320, 180), SizeWish(1280, 720), (1280, 720), (1280, 720)),
    ],
)
def test_known_sizes(
    source: tuple[int, int],
    wish: SizeWish | None,
    scaled: tuple[int, int],
    size: tuple[int, int],
) -> None:
    assert fit(*source, SQUARE, wish) == Geometry(*size, *scaled, SQUARE)


def test_pictures_of_other_shapes_than_their_pixels() -> None:
    pal = fit(720, 576, Fraction(64, 45), SizeWish(-1, 576))
    assert (pal.width, pal.height, pal.sar) == (1024, 576, SQUARE)
    kept = fit(720, 576, Fraction(64, 45), None)
    assert (kept.width, kept.height, kept.sar) == (720, 576, Fraction(64, 45))
    told = fit(1024, 576, SQUARE, SizeWish(-1, 576), Fraction(64, 45))
    assert (told.width, told.sar) == (720, Fraction(64, 45))


@given(sides, sides, ratios, st.none() | wishes)
def test_sizes_can_always_be_encoded(
    width: int, height: int, sar: Fraction, wish: SizeWish | None
) -> None:
    way = fit(width, height, sar, wish)
    for side in (way.width, way.height, way.scaled_width, way.scaled_height):
        assert side >= 2
        assert side % 2 == 0
    assert not (way.pads and way.cuts)
    if wish is not None and wish.width > 0 and wish.height > 0:
        assert abs(way.width - wish.width) <= 1
        assert abs(way.height - wish.height) <= 1
        if wish.strategy == "fit":
            assert not way.cuts
        if wish.strategy == "crop":
            assert not way.pads


def _work(*sizes: SizeWish | None) -> Work:
    made = [
        Rendition(number, f"v{number + 1}", "h264", 1, "fast", size=size)
        for number, size in enumerate(sizes)
    ]
    return Work(decoding=Decoding(0), renditions=made)


def test_a_decoder_that_scales_gives_what_the_largest_rendition_needs() -> None:
    assert decoder_size(_work(SizeWish(-1, 360), SizeWish(-1, 720)), 1920, 1080) == (1280, 720)
    assert decoder_size(_work(SizeWish(-1, 360), None), 1920, 1080) is None
    assert decoder_size(_work(SizeWish(-1, 1080)), 1920, 1080) is None
    assert decoder_size(_work(SizeWish(640, 360, "crop")), 1920, 1080) is None
    assert decoder_size(Work(), 1920, 1080) is None
