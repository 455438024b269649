"""What is asked for, and that nothing is missing once it came."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.archive.container import Group, Head, Piece
from media_streamer.archive.gaps import (
    SETTLED_MS,
    common,
    fills,
    first_part,
    gaps,
    to_fill,
    wanted_time,
)
from media_streamer.archive.library import Entry, FileContent, without_doubles
from media_streamer.archive.places import RecordedFile
from media_streamer.archive.ranges import GAP_MS, Range, merge
from media_streamer.archive.retention import Limits

START_MS = 1_700_000_000_000
HOUR_MS = 3_600_000
LENGTHS = st.integers(300, 7000)


def content(name: str) -> FileContent:
    return FileContent(RecordedFile(0, Path(name)), Head(b"", (), 0, b""), (), 0)


HERE, THERE, LATER = content("here.mp4"), content("there.mp4"), content("later.mp4")


def segments(start_ms: int, lengths: Sequence[int], owner: FileContent) -> list[Entry]:
    """One after another."""
    found = []
    for length in lengths:
        group = Group(start_ms, length * 1000, False, 0, (Piece(1000, 0, length * 1000),))
        found.append(Entry(group, owner, False))
        start_ms += length
    return found


def times(entries: Sequence[Entry]) -> list[Range]:
    return merge(Range(one.group.start_ms, one.group.end_ms) for one in entries)


def fetched(gap: Range, there: Sequence[Entry], max_bytes: int) -> list[Entry]:
    """What the other server sends, answer after answer."""
    found: list[Entry] = []
    while gap.to_ms - gap.from_ms > GAP_MS and (part := first_part(there, gap, max_bytes)):
        assert sum(one.group.size for one in part) <= max_bytes or len(part) == 1
        found += part
        assert part[-1].group.end_ms > gap.from_ms
        gap = Range(min(part[-1].group.end_ms, gap.to_ms), gap.to_ms)
    return found


@given(
    offset=st.integers(-7000, 7000),
    there=st.lists(LENGTHS, min_size=10, max_size=40),
    here=st.lists(st.tuples(LENGTHS, st.booleans()), min_size=4, max_size=40),
    max_bytes=st.integers(500, 5000),
)
def test_what_comes_fills_every_gap(
    offset: int, there: list[int], here: list[tuple[int, bool]], max_bytes: int
) -> None:
    """Two servers cut as they like, by clocks of their own."""
    origin = segments(START_MS + offset, there, THERE)
    whole = segments(START_MS, [length for length, _ in here], HERE)
    local = [one for one, (_, is_there) in zip(whole, here, strict=True) if is_there]
    wanted = Range(START_MS, whole[-1].group.end_ms)
    todo = to_fill(gaps(wanted, times(local)), times(origin), ())
    came = [one for gap in todo for one in fetched(gap, origin, max_bytes)]
    assert all(any(fills(one.group, gap) for gap in todo) for one in came)
    both = ((one.content, one.group) for one in (*local, *came))
    shown = [Range(group.start_ms, group.end_ms) for _, group in without_doubles(both)]
    assert shown == sorted(shown)
    left = common(gaps(wanted, shown), times(origin))
    # What is too short to be asked for, beside what adds too little to be shown.
    assert all(one.to_ms - one.from_ms <= 2 * GAP_MS for one in left), left
    # Once more there is nothing to do.
    again = to_fill(gaps(wanted, times([*local, *came])), times(origin), ())
    assert all(not first_part(origin, one, max_bytes) or one in todo for one in again)


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(1, 99)), max_size=8), st.data())
def test_common_parts(some: list[tuple[int, int]], data: st.DataObject) -> None:
    others = data.draw(st.lists(st.tuples(st.integers(0, 500), st.integers(1, 99)), max_size=8))
    one, other = (merge((Range(a, a + n) for a, n in pairs), 0) for pairs in (some, others))
    expected = {
        ms for ms in range(600) if all(any(a <= ms < b for a, b in had) for had in (one, other))
    }
    assert {ms for a, b in common(one, other) for ms in range(a, b)} == expected


def test_parts_are_of_one_file() -> None:
    there = [*segments(0, [4000] * 2, THERE), *segments(8000, [4000] * 2, LATER)]
    found = first_part(there, Range(3000, 20_000), 10**9)
    assert [one.group.start_ms for one in found] == [0, 4000]


def test_nothing_is_asked_for_that_may_be_on_its_way() -> None:
    now = START_MS + HOUR_MS
    fresh = wanted_time(now, Limits(), 0, [Range(START_MS, now - 2000)], [])
    assert fresh.to_ms == now - 2000
    assert wanted_time(now, Limits(), 0, [], []) == Range(0, now - SETTLED_MS)


def test_what_limits_delete_is_not_asked_for_again() -> None:
    now, local = START_MS + HOUR_MS, [Range(START_MS, START_MS + 60_000)]
    by_age = wanted_time(now, Limits(expiration_seconds=7200), 60_000, local, [])
    assert by_age.from_ms == now - 7_200_000 + 120_000
    by_size = wanted_time(now, Limits(7200, size_bytes=10), 60_000, local, [])
    assert by_size.from_ms == START_MS
    locked = [Range(START_MS - HOUR_MS, START_MS - 1), *local]
    assert wanted_time(now, Limits(disk_percent=9), 0, locked, locked[:1]).from_ms == START_MS
    nothing = wanted_time(now, Limits(disk_percent=9), 0, [], [])
    assert nothing.from_ms == nothing.to_ms


@pytest.mark.parametrize("schedule", [((0, 100),), ((2300, 100),)])
def test_only_times_at_which_it_is_recorded(schedule: tuple[tuple[int, int], ...]) -> None:
    midnight = START_MS // 86_400_000 * 86_400_000
    time = Range(midnight + 1_800_500, midnight + 2 * HOUR_MS)
    assert to_fill([time], [time], schedule) == [Range(time.from_ms, midnight + HOUR_MS)]
