"""What time lines are told."""

from hypothesis import given
from hypothesis import strategies as st
from media_streamer.archive.ranges import Range
from media_streamer.protocols.info.recording import BRIEF, brief

HOUR_MS = 3_600_000


def test_pictures_are_spread_over_what_is_recorded() -> None:
    assert brief([]) == []
    assert brief([Range(0, 4000)]) == []
    assert brief([Range(1000, 21_000)]) == [3, 8, 13, 18]
    assert brief([Range(0, 10_000), Range(HOUR_MS, HOUR_MS + 10_000)]) == [2, 7, 3602, 3607]
    assert len(brief([Range(0, 24 * HOUR_MS)])) == BRIEF


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(1, 10**9)), max_size=30))
def test_each_lies_where_something_is_recorded(parts: list[tuple[int, int]]) -> None:
    ranges, at = [], 1000
    for gap, length in parts:
        ranges.append(Range(at + gap, at + gap + length))
        at = ranges[-1].to_ms
    found = brief(ranges)
    assert found == sorted(set(found))
    assert len(found) <= BRIEF
    assert all(any(r.from_ms < 1000 * one + 1000 and 1000 * one < r.to_ms for r in ranges)
               for one in found)  # fmt: skip
