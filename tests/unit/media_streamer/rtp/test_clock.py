"""RTP clocks: over the wrap, and to the wall clock by sender reports."""

from hypothesis import given
from hypothesis import strategies as st
from media_streamer.rtp.clock import SenderClock, Unwrapper, ntp_time


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(-(2**20), 2**26), max_size=200))
def test_the_long_clock_follows_every_step(start: int, steps: list[int]) -> None:
    unwrapper = Unwrapper()
    true = unwrapper.unwrap(start)
    for step in steps:
        true += step
        assert unwrapper.unwrap(true % 2**32) == true


def test_reports_tell_the_wall_clock() -> None:
    clock = SenderClock(90_000)
    assert clock.unix_seconds(clock.unwrap(2**32 - 45_000)) is None
    clock.report(ntp_time(1_700_000_000.0), 2**32 - 45_000)
    ticks = clock.unwrap(45_000)
    assert ticks == 2**32 + 45_000
    assert abs((clock.unix_seconds(ticks) or 0) - 1_700_000_001.0) < 1e-6


def test_a_sender_without_a_clock_says_zero() -> None:
    clock = SenderClock(8000)
    clock.report(0, 100)
    assert clock.unix_seconds(100) is None
