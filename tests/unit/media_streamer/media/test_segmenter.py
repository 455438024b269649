"""Where segments start, and what time it was then."""

import itertools

from hypothesis import given
from hypothesis import strategies as st
from media_streamer.media.frame import TIME_BASE
from media_streamer.media.segmenter import (
    FIRST_TICKS,
    SegmentPlanner,
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


def test_a_stream_that_always_runs_begins_with_short_segments() -> None:
    planner = SegmentPlanner(5000, 0, lasting=True)
    starts = [second for second in range(30) if planner.starts(second * TIME_BASE)]
    assert starts == [0, 1, 3, 5, 7, 9, 14, 19, 24, 29]
    planner.stop()
    starts = [second for second in range(30, 60) if planner.starts(second * TIME_BASE)]
    assert starts[:3] == [30, 35, 40]
    planner = SegmentPlanner(30_000, 0, lasting=True)
    starts = [second for second in range(50) if planner.starts(second * TIME_BASE)]
    assert starts == [0, 1, 11, 21, 31, 41]


def test_numbers_of_a_successor_are_higher_from_the_start_on() -> None:
    began = 1_700_000_000_000
    for target, seconds in itertools.product((5000, 30_000), range(1, 60)):
        planner = SegmentPlanner(target, first_msn(target, began), lasting=True)
        for tenth in range(10 * seconds):
            planner.starts(tenth * TIME_BASE // 10)
        assert first_msn(target, began + 1000 * seconds) >= planner.msn


def test_a_jump_back_starts_a_segment() -> None:
    planner = SegmentPlanner(1000, 0)
    assert planner.starts(10 * TIME_BASE)
    assert planner.starts(5 * TIME_BASE)
    planner.stop()
    assert planner.starts(5 * TIME_BASE + 1)
    assert planner.msn == 2


def test_numbers_of_a_successor_are_higher() -> None:
    before = first_msn(5000, 1_700_000_000_000)
    # One segment of at least 98 % of 5 s after another for an hour.
    assert first_msn(5000, 1_700_003_600_000) >= before + int(3600 / 5)
    assert forced_gap_ticks(5000) == 20 * TIME_BASE
    assert forced_gap_ticks(15_000) == 30 * TIME_BASE
