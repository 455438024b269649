import itertools

from hypothesis import given
from hypothesis import strategies as st
from media_streamer.archive.ranges import GAP_MS, Range, merge, total_ms, within, without

some = st.builds(
    lambda start, length: Range(start, start + length),
    st.integers(0, 50_000),
    st.integers(1, 10_000),
)
lists = st.lists(some, max_size=12)


def moments(ranges: list[Range], step: int = 250) -> set[int]:
    return {at for one in ranges for at in range(-(-one.from_ms // step) * step, one.to_ms, step)}


@given(lists)
def test_merged_ranges_are_apart_and_lose_nothing(ranges: list[Range]) -> None:
    merged = merge(ranges)
    assert all(b.from_ms - a.to_ms > GAP_MS for a, b in itertools.pairwise(merged))
    assert moments(ranges) <= moments(merged)
    assert merge(merged) == merged


@given(lists, some)
def test_what_is_taken_is_gone_and_the_rest_is_left(ranges: list[Range], taken: Range) -> None:
    ranges = merge(ranges, 0)
    assert moments(without(ranges, taken)) == moments(ranges) - moments([taken])
    assert moments(within(ranges, taken)) == moments(ranges) & moments([taken])
    assert total_ms(within(ranges, taken)) + total_ms(without(ranges, taken)) == total_ms(ranges)


def test_seconds_that_are_told_lie_inside() -> None:
    told = Range(1500, 5900).as_json()
    assert told == {"from": 2, "duration": 3, "opened_at": 1500, "closed_at": 5900}
    assert Range(1500, 1600).as_json()["duration"] == 0
