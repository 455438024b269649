"""More viewers are written to less often, within bounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.egress.pace import WRITES_A_SECOND, Pace, Prompt
from media_streamer.rounds import MAX_INTERVAL_SECONDS, TURN_SECONDS


@given(st.integers(0, 100_000))
def test_interval_keeps_the_rate_of_writes_unless_it_would_be_too_long(viewers: int) -> None:
    pace = Pace()
    pace.viewers = viewers
    assert 0 <= pace.interval <= MAX_INTERVAL_SECONDS
    if pace.interval < MAX_INTERVAL_SECONDS:
        assert viewers == pytest.approx(WRITES_A_SECOND * pace.interval)


@given(st.integers(0, 100_000), st.integers(0, 100))
def test_media_is_gathered_for_whole_turns(viewers: int, own: int) -> None:
    pace = Pace()
    pace.viewers = viewers
    gathered = pace.gathering(own)
    assert gathered % (1000 * TURN_SECONDS) == 0
    assert 1000 * TURN_SECONDS <= gathered <= 1000 * MAX_INTERVAL_SECONDS
    if not own:
        assert gathered == 1000 * MAX_INTERVAL_SECONDS


def test_few_may_want_each_frame_as_it_comes() -> None:
    pace = Pace()
    for pace.viewers in range(1, 100):
        is_prompt = pace.gathering(pace.viewers, prompt=True) < 1000 * TURN_SECONDS
        assert is_prompt == (pace.viewers <= 3)
    assert pace.gathering(0, prompt=True) == 1000 * MAX_INTERVAL_SECONDS


def test_what_is_taken_for_its_latency_is_not_gathered():
    pace = Prompt()
    pace.viewers = 5000
    assert pace.interval == 0.0
    assert pace.gathering(5000) == pace.gathering(0) == 40
