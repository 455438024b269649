"""Another frame rate."""

from hypothesis import given
from hypothesis import strategies as st
from media_streamer.transcoder.rates import MAX_REPEATS, FrameRate
from media_streamer.wire.frame import TIME_BASE


def test_half_the_rate() -> None:
    rate = FrameRate(25, 1)
    stamps = [rate.stamps(number * 1800) for number in range(6)]
    assert [len(one) for one in stamps] == [1, 1, 0, 1, 0, 1]


def test_a_hole_is_filled_and_a_long_one_is_not() -> None:
    rate = FrameRate(25, 1)
    assert rate.stamps(0) == [0]
    assert rate.stamps(3 * 3600) == [3600, 7200, 10800]
    late = (4 + MAX_REPEATS + 10) * 3600
    assert rate.stamps(late) == [late]


@given(
    st.sampled_from([(25, 1), (30000, 1001), (12500, 1000), (60, 1), (24000, 1001)]),
    st.lists(st.integers(1, 30_000), min_size=2, max_size=100),
)
def test_stamps_grow_and_stay_near(fraction: tuple[int, int], steps: list[int]) -> None:
    rate = FrameRate(*fraction)
    pts, given_out = 0, []
    for step in steps:
        pts += step
        stamps = rate.stamps(pts)
        given_out += stamps
        if stamps:
            assert abs(stamps[-1] - pts) <= TIME_BASE * fraction[1] / fraction[0] / 2 + 1
    assert given_out == sorted(set(given_out))
