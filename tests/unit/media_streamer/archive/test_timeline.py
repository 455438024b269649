"""When the segments of a recording were, over restarts of whatever records it."""

from hypothesis import given
from hypothesis import strategies as st
from media_streamer.archive.job import Part, SegmentJob
from media_streamer.archive.timeline import MAX_DRIFT_MS, MAX_OVERLAP_MS, Timeline

from .conftest import SECONDS, SECTION, START_MS, fragment

STEP_MS = SECONDS * 1000
CLOCK = 90_000


def job(period_ms: int, clock: int, number: int, utc_ms: int = 0) -> SegmentJob:
    """The segment with this number of a period that begins then."""
    parts, data = [], []
    for track in SECTION.tracks:
        time = (clock + number * SECONDS * CLOCK) * track.timescale // CLOCK
        data.append(bytearray(fragment(time, b"x")))
        parts.append(Part("", -1, len(data[-1]), time, float(SECONDS)))
    return SegmentJob(SECTION, parts, (period_ms, clock), broken=False, utc_ms=utc_ms, data=data)


RUNS = st.lists(
    st.tuples(st.integers(1, 8), st.integers(0, 4), st.integers(0, 5), st.integers(0, 2**40)),
    min_size=1, max_size=8,
)  # fmt: skip


@given(RUNS)
def test_pictures_have_their_time_once_however_often_it_is_begun_anew(
    runs: list[tuple[int, int, int, int]],
) -> None:
    """A source whose pictures tell their time sends some once more, or some are missing: both are
    as they were, to the millisecond, whatever the clock of the stream begins with."""
    found: list[int] = []
    expected: list[int] = []
    done = end_ms = 0
    for count, again, missing, clock in runs:
        timeline = Timeline()
        timeline.looked_back(end_ms)
        first = max(0, done + missing - again)
        period_ms = START_MS + first * STEP_MS
        for number in range(count):
            ready = timeline.prepare(job(period_ms, clock, number))
            if ready is not None:
                timeline.written(ready)
                found.append(ready.start_ms)
                end_ms = ready.start_ms + ready.duration_us // 1000
        expected += range(max(done, first), first + count)
        done = max(done, first + count)
    assert [(start_ms - START_MS) / STEP_MS for start_ms in found] == expected


@given(st.integers(1, 3), st.integers(-2 * MAX_OVERLAP_MS, 2 * MAX_OVERLAP_MS))
def test_a_clock_that_was_a_little_slow_leaves_no_overlap(count: int, off_ms: int) -> None:
    """Pictures without a time have that of their arrival."""
    timeline = Timeline()
    end_ms = START_MS + count * STEP_MS
    timeline.looked_back(end_ms)
    ready = timeline.prepare(job(end_ms + off_ms, 0, 0))
    if ready is None:
        assert off_ms < -STEP_MS // 2  # it is there already
    elif -MAX_OVERLAP_MS < off_ms < 0:
        assert ready.start_ms == end_ms
    else:
        assert ready.start_ms == end_ms + off_ms


@given(st.floats(-0.01, 0.01), st.integers(-5000, 5000), st.integers(1, 300))
def test_a_clock_of_the_media_that_runs_away_is_set_right(
    drift: float, offset_ms: int, count: int
) -> None:
    """A source that runs fast or slow: however long it stays, what is recorded at a moment is found
    there; in order, with as few breaks as that takes."""
    timeline = Timeline()
    last_ms, breaks = 0, []
    for number in range(count):
        wall_ms = START_MS + offset_ms + round(number * STEP_MS * (1 + drift))
        ready = timeline.prepare(job(START_MS, 0, number, wall_ms))
        assert ready is not None
        assert abs(ready.start_ms + offset_ms - wall_ms) <= MAX_DRIFT_MS
        assert ready.start_ms - last_ms >= STEP_MS // 2
        last_ms = ready.start_ms
        breaks += [number] if ready.broken else []
    away_ms = abs(drift) * count * STEP_MS
    assert len(breaks) <= away_ms / MAX_DRIFT_MS


def test_short_segments_are_set_right_little_by_little() -> None:
    timeline = Timeline()
    found = []
    for number in range(8):
        off_ms = -9000 if number > 2 else 0
        one = job(START_MS, 0, number, START_MS + number * STEP_MS + off_ms)
        ready = timeline.prepare(one)
        assert ready is not None
        found.append((ready.start_ms - START_MS, ready.broken))
    assert found == [
        (0, False), (4000, False), (8000, False), (10_000, True), (12_000, True),
        (14_000, True), (16_000, True), (19_000, True),
    ]  # fmt: skip
