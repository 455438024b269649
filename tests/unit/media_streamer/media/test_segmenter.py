"""Where segments start, and what time it was then."""

from hypothesis import given
from hypothesis import strategies as st
from media_streamer.media.frame import TIME_BASE
from media_streamer.media.segmenter import (
    FIRST_TICKS,
    MAX_CLOCK_ERROR_MS,
    SegmentPlanner,
    WallClock,
    first_msn,
    forced_gap_ticks,
)


@given(
    st.lists(st.integers(1, 10 * TIME_BASE), min_size=1, max_size=50),
    st.integers(100, 20_000),
)
def test_segments_are_at_least_the_target_and_no_key_frame_is_missed(
    gops: list[int], duration_ms: int
) -> None:
    planner = SegmentPlanner(duration_ms, 7)
    dts = previous = start = 0
    assert planner.starts(0)
    assert planner.msn == 7
    target = duration_ms * 90 * 0.98
    for number, gop in enumerate(gops, 8):
        previous, dts = dts, dts + gop
        if planner.starts(dts):
            # Only the first one may be shorter: it makes a fresh stream playable soon.
            assert dts - start >= (target if start else min(target, FIRST_TICKS))
            assert previous == start or previous - start < target
            start = dts
        assert 7 < planner.msn + 1 <= number + 1


def test_a_jump_back_starts_a_segment() -> None:
    planner = SegmentPlanner(1000, 0)
    assert planner.starts(10 * TIME_BASE)
    assert planner.starts(5 * TIME_BASE)
    planner.stop()
    assert planner.starts(5 * TIME_BASE + 1)
    assert planner.msn == 2


@given(st.lists(st.floats(-5000, 5000), max_size=100))
def test_wall_clock_follows_the_media_and_is_only_slewed(errors: list[float]) -> None:
    clock = WallClock()
    clock.start(0, 1_000_000)
    clock.start(TIME_BASE, 5_000_000)
    assert clock.utc_ms(0) == 1_000_000, "the first frame sets it"
    dts, last = 0, 1_000_000
    for error in errors:
        dts += 2 * TIME_BASE
        clock.correct(dts, 2000, clock.utc_ms(dts) + error)
        now = clock.utc_ms(dts)
        assert abs(now - last - 2000) <= 2 + 1
        last = now


def test_wall_clock_catches_up_with_a_drift() -> None:
    clock = WallClock()
    clock.start(0, 0)
    dts = 0
    # The source's clock is 0.05 % slow: 43 s a day.
    for second in range(1, 86_400, 5):
        dts = second * TIME_BASE
        clock.correct(dts, 5000, second * 1000.5)
    assert abs(clock.utc_ms(dts) - dts / 90 * 1.0005) < MAX_CLOCK_ERROR_MS + 10


def test_reset_takes_the_next_frame() -> None:
    clock = WallClock()
    clock.start(0, 0)
    clock.reset()
    clock.start(TIME_BASE, 50_000)
    assert clock.utc_ms(2 * TIME_BASE) == 51_000


def test_numbers_of_a_successor_are_higher() -> None:
    before = first_msn(5000, 1_700_000_000_000)
    # One segment of at least 98 % of 5 s after another for an hour.
    assert first_msn(5000, 1_700_003_600_000) >= before + int(3600 / 5)
    assert forced_gap_ticks(5000) == 20 * TIME_BASE
    assert forced_gap_ticks(15_000) == 30 * TIME_BASE
