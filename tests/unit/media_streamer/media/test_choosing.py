"""The choice of inputs, for any state they may be in."""

from hypothesis import given
from hypothesis import strategies as st
from media_streamer.media.choosing import Candidate, Choice, find_any, keep_best

candidates = st.lists(
    st.builds(
        Candidate,
        rank=st.sampled_from([-1.0, 1.0, 2.0, 3.0]),
        is_publish=st.booleans(),
        is_open=st.booleans(),
        is_demoted=st.booleans(),
        may_open=st.booleans(),
    ).map(
        lambda one: Candidate(
            one.rank,
            one.is_publish,
            one.is_open,
            one.is_demoted and one.is_open,
            one.may_open and not one.is_open and not one.is_publish,
        )
    ),
    min_size=1,
    max_size=5,
)


def check(found: list[Candidate], choice: Choice) -> None:
    """What holds for every choice."""
    assert all(found[i].is_open for i in choice.take_over)
    assert all(found[i].is_open and not found[i].is_publish for i in choice.close)
    assert not choice.take_over & set(choice.close)
    if choice.open is not None:
        assert found[choice.open].may_open


@given(candidates, st.integers(0, 4), st.booleans())
def test_one_that_is_shown_gives_way_to_better_ones_only(
    found: list[Candidate], shown: int, may_probe: bool
) -> None:
    shown %= len(found)
    choice = keep_best(found, shown, may_probe=may_probe)
    check(found, choice)
    rank = found[shown].rank
    assert shown not in choice.close
    assert all(found[i].rank < rank for i in choice.take_over)
    if choice.open is not None:
        assert may_probe
        assert found[choice.open].rank < rank
    after = [
        i
        for i, one in enumerate(found)
        if i not in choice.close and not one.is_publish and i != shown
        if one.is_open or i == choice.open
    ]
    assert all(found[i].rank < rank for i in after), "what is no better is closed"


@given(candidates)
def test_without_one_that_is_shown_the_best_is_opened(found: list[Candidate]) -> None:
    choice = find_any(found)
    check(found, choice)
    assert choice.close == ()
    assert choice.take_over == {i for i, one in enumerate(found) if one.is_open}
    due = [one.rank for one in found if one.may_open]
    waiting = [o for o in found if o.is_open and not o.is_publish and not o.is_demoted]
    if due and not waiting:
        assert choice.open is not None
        assert found[choice.open].rank == min(due)
    else:
        assert choice.open is None


def test_publishers_are_kept() -> None:
    found = [
        Candidate(1, is_publish=True, is_open=True),
        Candidate(2, is_open=True),
        Candidate(3, is_publish=True, is_open=True),
    ]
    assert keep_best(found, 1, may_probe=True) == Choice(frozenset({0}))
