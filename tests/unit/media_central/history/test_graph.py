"""Which figures answer a span, and in which steps."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_central.history.graph import MAX_POINTS, span_of

NOW = datetime(2026, 11, 26, 10, 30, 17, tzinfo=UTC)
WEEK_AGO = NOW - timedelta(days=7)


@pytest.mark.parametrize(
    ("ago", "points", "level", "step"),
    [
        (timedelta(hours=1), 300, "minute", timedelta(minutes=1)),
        (timedelta(hours=12), 300, "minute", timedelta(minutes=3)),
        (timedelta(days=1), 300, "hour", timedelta(hours=1)),
        (timedelta(days=30), 1000, "hour", timedelta(hours=1)),
        (timedelta(days=30), 100, "hour", timedelta(hours=8)),
        (timedelta(days=365), 400, "day", timedelta(days=1)),
        (timedelta(days=365), 52, "day", timedelta(days=8)),
    ],
)
def test_steps(ago: timedelta, points: int, level: str, step: timedelta) -> None:
    span = span_of(NOW - ago, NOW, points, WEEK_AGO)
    assert (span.level, span.step) == (level, step)


def test_minutes_that_were_dropped_are_answered_from_hours() -> None:
    day = NOW - timedelta(days=20)
    assert span_of(day, day + timedelta(hours=1), 300, WEEK_AGO).level == "hour"


def test_a_span_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(ValueError, match="must end after"):
        span_of(NOW, NOW, 10, WEEK_AGO)


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)),
    st.timedeltas(timedelta(seconds=1), timedelta(days=4000)),
    st.integers(1, MAX_POINTS),
)
def test_a_graph_has_no_more_points_than_asked_for(
    begin: datetime, length: timedelta, points: int
) -> None:
    since = begin.replace(tzinfo=UTC)
    span = span_of(since, since + length, points, WEEK_AGO)
    assert span.since <= since
    assert (span.until - span.since) / span.step <= points + 2
    assert (span.since - datetime(1970, 1, 1, tzinfo=UTC)) % span.step == timedelta(0)
