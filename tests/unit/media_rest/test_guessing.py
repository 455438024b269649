"""Guessing passwords: who must wait, who must not, and that memory stays bounded."""

from hypothesis import given
from hypothesis import strategies as st
from media_rest import guessing
from media_rest.guessing import FREE_FAILURES, LONGEST_WAIT_SECONDS, GuessLimiter


def guess(limiter: GuessLimiter, address: str, login: str, times: int, now: float = 0.0) -> float:
    """Wrong passwords as fast as they are heard; returns the time at the end."""
    for _ in range(times):
        now += limiter.wait_for(address, login, now)
        limiter.failed(address, login, now)
    return now


def test_a_few_mistakes_cost_nothing() -> None:
    limiter = GuessLimiter()
    assert guess(limiter, "a", "admin", FREE_FAILURES) == 0.0
    assert limiter.wait_for("a", "admin", 0.0) > 0


def test_two_thousand_guesses_take_more_than_a_day() -> None:
    limiter = GuessLimiter()
    assert guess(limiter, "a", "admin", 2000) > 86400
    assert limiter.failures_total == 2000


def test_a_login_guessed_from_everywhere_waits_but_not_where_it_is_used() -> None:
    limiter = GuessLimiter()
    limiter.succeeded("home", "admin", 0.0)
    for number in range(200):
        limiter.failed(f"10.0.0.{number}", "admin", 1.0)
    assert limiter.wait_for("10.0.1.1", "admin", 1.0) == guessing.CROWD_WAIT_SECONDS
    assert limiter.wait_for("home", "admin", 1.0) == 0
    assert limiter.wait_for("10.0.1.1", "other", 1.0) == 0
    assert limiter.refused_total == 1


def test_one_guesser_keeps_nobody_else_out() -> None:
    limiter = GuessLimiter()
    now = guess(limiter, "2001:db8:1::1", "admin", 50)
    assert limiter.wait_for("2001:db8:1::2", "admin", now) > 0, "the same network"
    assert limiter.wait_for("2001:db8:2::1", "admin", now) == 0
    assert limiter.wait_for("192.0.2.1", "admin", now) == 0


def test_a_program_with_a_wrong_key_does_not_lock_out_people_at_its_address() -> None:
    limiter = GuessLimiter()
    limiter.succeeded("a", "admin", 0.0)
    now = guess(limiter, "a", "", 50)
    assert limiter.wait_for("a", "admin", now) == 0
    assert limiter.wait_for("a", "root", now) > 0


def test_where_the_login_is_used_it_cannot_be_guessed_either() -> None:
    limiter = GuessLimiter()
    limiter.succeeded("a", "admin", 0.0)
    assert guess(limiter, "a", "admin", 2000) > 86400


def test_a_quiet_address_begins_anew() -> None:
    limiter = GuessLimiter()
    now = guess(limiter, "a", "admin", 20)
    later = now + guessing.FORGET_SECONDS + LONGEST_WAIT_SECONDS
    assert limiter.failed("a", "admin", later) == 1
    assert limiter.wait_for("a", "admin", later) == 0


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.floats(0, 100))))
def test_nobody_waits_longer_than_the_bound(steps: list[tuple[int, int, float]]) -> None:
    limiter, now = GuessLimiter(), 0.0
    for address, login, pause in steps:
        now += pause
        assert 0 <= limiter.wait_for(str(address), str(login), now) <= LONGEST_WAIT_SECONDS
        limiter.failed(str(address), str(login), now)


def test_memory_is_bounded() -> None:
    limiter = GuessLimiter()
    for number in range(3 * guessing.MAX_KEYS):
        limiter.failed(f"a{number}", f"l{number}" + "l" * 1000, 0.0)
        limiter.succeeded(f"b{number}", "l", 0.0)
    assert len(limiter._records) == guessing.MAX_KEYS
    assert len(limiter._trusted) == guessing.MAX_KEYS
    assert max(len(login or "") for _, login in limiter._records) <= 64
