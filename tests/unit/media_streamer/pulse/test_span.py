"""Steps of a graph, and the level that they are read from."""

import pytest
from media_streamer.pulse.span import span_of

NOW = 1_700_000_000
DAY = 86_400


@pytest.mark.parametrize(
    ("ago", "length", "points", "level", "step"),
    [
        (600, 600, 300, 0, 5),
        (6 * 3600, 6 * 3600, 1000, 0, 25),
        (DAY, DAY, 300, 1, 300),
        (10 * DAY, 600, 300, 1, 60),
        (30 * DAY, 30 * DAY, 300, 2, 10_800),
        (30 * DAY, 30 * DAY, 2000, 2, 3600),
        (200 * DAY, 3600, 300, 2, 3600),
        (366 * DAY, 366 * DAY, 366, 2, DAY),
    ],
)
def test_levels(ago: int, length: int, points: int, level: int, step: int) -> None:
    found = span_of(NOW - ago, NOW - ago + length, points, NOW)
    assert (found.level.number, found.step) == (level, step)
    assert found.since % step == 0
    assert found.since <= NOW - ago


@pytest.mark.parametrize(("since", "until"), [(5, 5), (6, 5), (-1, 5), (0, 10**12)])
def test_no_span(since: int, until: int) -> None:
    with pytest.raises(ValueError, match="span"):
        span_of(since, until, 300, NOW)
