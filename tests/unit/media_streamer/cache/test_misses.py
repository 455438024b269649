"""When a file is stored."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.cache.misses import MissCounter


@pytest.mark.parametrize(("misses", "first_stored"), [(0, 1), (1, 1), (2, 2), (4, 4), (10, 10)])
def test_request_number_misses_is_stored(misses, first_stored):
    counter = MissCounter(misses)
    answers = [counter.count("a") for _ in range(first_stored + 2)]
    assert answers == [False] * (first_stored - 1) + [True] * 3


def test_counting_starts_anew():
    counter = MissCounter(2)
    assert [counter.count("a"), counter.count("a")] == [False, True]
    counter.forget("a")
    assert counter.count("a") is False


@given(st.integers(2, 9), st.integers(1, 20), st.lists(st.integers(0, 40).map(str), max_size=300))
def test_counter_is_bounded_and_never_counts_too_much(misses, most, paths):
    counter = MissCounter(misses, most)
    seen: dict[str, int] = {}
    for path in paths:
        seen[path] = seen.get(path, 0) + 1
        if counter.count(path):
            assert seen[path] >= misses
        assert len(counter) <= most
