"""One order of time for all tracks."""

import itertools

from hypothesis import given
from hypothesis import strategies as st
from media_streamer.transcoder.interleave import MAX_HOLD, Interleaver
from media_streamer.wire.frame import Frame


def _frame(track: int, dts: int, size: int = 1) -> Frame:
    return Frame(track, dts, dts, 1, True, bytes(size))


def test_a_track_waits_for_the_others() -> None:
    frames = Interleaver([0, 1])
    frames.add(_frame(1, 10))
    frames.add(_frame(1, 20))
    assert frames.take() == []
    frames.add(_frame(0, 15))
    assert [(one.track, one.dts) for one in frames.take()] == [(1, 10), (0, 15)]
    assert [one.dts for one in frames.flush()] == [20]


def test_a_track_that_stays_away_holds_nothing_up_for_good() -> None:
    frames = Interleaver([0, 1])
    frames.add(_frame(0, 0))
    assert frames.take() == []
    frames.add(_frame(0, MAX_HOLD + 1))
    assert [one.dts for one in frames.take()] == [0, MAX_HOLD + 1]
    frames.add(_frame(0, MAX_HOLD + 2))
    assert len(frames.take()) == 1
    frames.add(_frame(1, MAX_HOLD + 3))
    assert frames.take() == []


def test_what_nobody_takes_is_bounded() -> None:
    frames = Interleaver([0])
    for number in range(300):
        frames.add(_frame(0, number * 3600, 1 << 20))
        frames.shed()
    assert frames.held_bytes <= 32 << 20


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 100_000)), max_size=80))
def test_nothing_is_lost_and_dts_grows(items: list[tuple[int, int]]) -> None:
    frames = Interleaver([0, 1, 2])
    out: list[Frame] = []
    for track, dts in items:
        frames.add(_frame(track, dts))
        out += frames.take()
    out += frames.flush()
    assert len(out) == len(items)
    assert frames.held_bytes == 0
    for track in range(3):
        mine = [one.dts for one in out if one.track == track]
        assert all(before < after for before, after in itertools.pairwise(mine))
