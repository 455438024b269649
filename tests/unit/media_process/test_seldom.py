"""However many lines strangers cause, few are written, and what is left out is counted."""

import threading

from hypothesis import given
from hypothesis import strategies as st
from media_process.seldom import Seldom

CAUSES = st.sampled_from("abcdefgh")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_cause_is_said_at_once_then_once_a_minute_with_what_was_left_out() -> None:
    clock = Clock()
    seldom = Seldom(now=clock)
    assert seldom.tail("cam", "already_published") == ""
    assert [seldom.tail("cam", "already_published") for _ in range(7)] == [None] * 7
    assert seldom.tail("cam", "wrong_password") == ""
    clock.now = 60.0
    assert seldom.tail("cam", "already_published") == " (7 more like it were not logged)"
    clock.now = 120.0
    assert seldom.tail("cam", "already_published") == ""


def test_causes_that_are_made_up_share_one_line() -> None:
    clock = Clock()
    seldom = Seldom(most=10, now=clock)
    assert sum(seldom.tail(f"name-{number}") is not None for number in range(1000)) == 11
    clock.now = 61.0
    assert seldom.tail("name-999") == ""


@given(st.lists(st.tuples(CAUSES, st.floats(0, 40))))
def test_lines_and_memory_are_bounded(events: list[tuple[str, float]]) -> None:
    clock = Clock()
    seldom, lines = Seldom(most=4, now=clock), 0
    for cause, wait in events:
        clock.now += wait
        lines += seldom.tail(cause) is not None
    assert lines <= (4 + 1) * (clock.now // 60 + 1)
    assert len(seldom._said) <= 4 + 1
    assert len(seldom._unsaid) <= 4 + 1


class Interrupted(float):
    """A time; where it is first looked at, another thread asks."""

    seldom: Seldom | None = None

    def __sub__(self, other: float) -> float:
        seldom, Interrupted.seldom = self.seldom, None
        if seldom is not None:
            thread = threading.Thread(target=seldom.tail, args=("other",))
            thread.start()
            thread.join(0.2)
        return float(self) - other


def test_threads_may_ask_the_same_one() -> None:
    """A library calls back from a thread of its own, while the loop says what it has."""
    now = 0.0
    seldom = Seldom(most=4, now=lambda: Interrupted(now))
    for number in range(4):
        seldom.tail(str(number))
    now = 61.0
    Interrupted.seldom = seldom
    assert seldom.tail("one") == ""
