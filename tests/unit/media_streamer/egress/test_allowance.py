"""What may still be spent, and what an address holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.egress.allowance import Allowance, HeldBytes


def test_a_rate_with_a_burst() -> None:
    allowance = Allowance(per_second=10, at_once=20, now=0)
    assert allowance.left(0) == 20
    allowance.spend(25)
    assert allowance.left(0) == -5, "what was too much is owed"
    assert allowance.wait() == pytest.approx(0.6)
    assert allowance.left(0.61) == 1
    assert allowance.left(1000) == 20, "what is not spent is not kept"


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 50)), max_size=50))
def test_no_more_is_spent_than_the_rate_allows(steps: list[tuple[float, int]]) -> None:
    allowance, now, spent = Allowance(100, 50, 0), 0.0, 0
    for seconds, wish in steps:
        now += seconds
        spend = min(wish, max(0, allowance.left(now)))
        allowance.spend(spend)
        spent += spend
        assert spent <= 50 + 100 * now + 1


def test_connections_of_an_address_are_counted_together() -> None:
    held = HeldBytes(limit=100)
    first, second, other = held.open("192.0.2.1"), held.open("192.0.2.1"), held.open("192.0.2.2")
    assert first.hold(60)
    assert other.hold(100)
    assert not second.hold(41)
    second.hold(0)
    assert first.hold(100)
    first.hold(0)
    assert held.total("192.0.2.1") == 0


def test_a_network_of_ipv6_is_one_address() -> None:
    held = HeldBytes(limit=10)
    assert held.open("2001:db8::1").hold(10)
    assert not held.open("2001:db8::2").hold(1)
