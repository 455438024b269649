"""The bit rate that a publisher is told by its losses."""

from hypothesis import given
from hypothesis import strategies as st
from media_streamer.protocols.webrtc.allowance import (
    LEAST_BIT_RATE,
    START_BIT_RATE,
    Allowance,
)
from media_streamer.wire.control import RateTerms

MOST = 4_000_000


def test_it_rises_step_by_step_to_the_most() -> None:
    told = Allowance(RateTerms(step_up=30), 0, MOST)
    assert told.report(0.0, START_BIT_RATE)
    assert told.bit_rate == 1_300_000
    for _ in range(9):
        told.report(0.0, told.bit_rate)
    assert told.bit_rate == MOST
    assert not told.report(0.0, MOST)


def test_loss_between_the_bounds_changes_nothing() -> None:
    told = Allowance(RateTerms(loss_lower=2, loss_upper=10), 0, MOST)
    assert not told.report(2.0, START_BIT_RATE)
    assert not told.report(10.0, START_BIT_RATE)
    assert told.report(10.1, START_BIT_RATE)


def test_much_loss_brings_it_below_what_comes_and_not_below_the_least() -> None:
    told = Allowance(RateTerms(step_down=20), 500_000, MOST)
    told.report(50.0, 800_000)
    assert told.bit_rate == 640_000
    for _ in range(9):
        told.report(50.0, 100_000)
    assert told.bit_rate == 500_000


def test_the_worst_second_is_no_end() -> None:
    told = Allowance(RateTerms(step_down=100, cycles=0), 0, MOST)
    told.report(100.0, 0)
    assert told.bit_rate == LEAST_BIT_RATE
    assert told.report(0.0, LEAST_BIT_RATE)
    assert told.bit_rate > LEAST_BIT_RATE


def test_by_losses_alone_what_comes_does_not_count() -> None:
    told = Allowance(RateTerms(step_down=20, loss_only=True), 0, MOST)
    told.report(50.0, 100_000)
    assert told.bit_rate == 800_000
    told.report(0.0, 100_000)
    assert told.bit_rate == 1_040_000


def test_what_a_publisher_does_not_use_is_not_raised() -> None:
    told = Allowance(RateTerms(correction=300_000), 0, MOST)
    assert not told.report(0.0, 600_000)
    assert told.report(0.0, 700_000)


def test_after_so_many_descents_it_stays() -> None:
    told = Allowance(RateTerms(cycles=2), 0, MOST)
    for loss in (50.0, 50.0, 0.0):
        told.report(loss, told.bit_rate)
    assert not told.is_settled
    told.report(50.0, told.bit_rate)
    assert told.is_settled
    assert not told.report(50.0, 0)
    assert not told.report(0.0, MOST)


@given(
    st.lists(st.tuples(st.floats(0, 100), st.integers(0, 10**9)), max_size=40),
    st.builds(
        RateTerms,
        step_up=st.integers(0, 2**53),
        step_down=st.floats(0, 100),
        loss_lower=st.floats(0, 100),
        loss_upper=st.floats(0, 100),
        cycles=st.integers(0, 5),
        loss_only=st.booleans(),
    ),
    st.integers(0, 10**8),
)
def test_it_stays_within_its_bounds(
    reports: list[tuple[float, int]], terms: RateTerms, least: int
) -> None:
    told = Allowance(terms, least, MOST)
    for loss, sent in reports:
        told.report(loss, sent)
        assert min(least, MOST) <= told.bit_rate <= MOST
