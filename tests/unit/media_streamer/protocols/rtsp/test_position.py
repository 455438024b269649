"""Range, Scale and Speed of PLAY."""

import hypothesis
import pytest
from hypothesis import strategies as st
from media_streamer.archive.places import MAX_MS
from media_streamer.protocols.rtsp.message import Headers
from media_streamer.protocols.rtsp.position import (
    MAX_RATE,
    MIN_RATE,
    NOWHERE,
    Rate,
    Span,
    asked_rate,
    asked_span,
    written_span,
)
from media_streamer.protocols.rtsp.status import Refused

BASE = 1_000_000
NINE = 1_483_261_200_000
"""2017-01-01T09:00:00Z"""


def given(**fields: str) -> Headers:
    headers = Headers()
    for name, value in fields.items():
        headers.put(name, value)
    return headers


def span(text: str) -> Span:
    return asked_span(given(range=text), BASE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", NOWHERE),
        ("npt=now-", Span("npt", None, None)),
        ("npt=0-", Span("npt", BASE, None)),
        ("npt=0.000-", Span("npt", BASE, None)),
        ("npt=12.5-20", Span("npt", BASE + 12_500, BASE + 20_000)),
        ("npt=1:02:03.25-", Span("npt", BASE + 3_723_250, None)),
        ("npt=-10", Span("npt", None, BASE + 10_000)),
        ("clock=20170101T090000Z-", Span("clock", NINE, None)),
        ("clock=20170101T090000.2Z-20170101T090001.25Z", Span("clock", NINE + 200, NINE + 1250)),
        ("npt=5-;time=19970123T143720Z", Span("npt", BASE + 5000, None)),
        ("npt=999999999999-", Span("npt", MAX_MS, None)),
    ],
)
def test_ranges(text: str, expected: Span) -> None:
    assert span(text) == expected


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("smpte=0:10:20-", 501), ("bytes", 501), ("npt=", 457), ("npt=-", 457), ("npt=5", 457),
        ("npt=20-10", 457), ("npt=x-", 457), ("npt=1e9-", 457), ("npt=٣-", 457),
        ("clock=20171301T000000Z-", 457), ("clock=2017-01-01T00:00:00Z-", 457),
        ("clock=20170101T090000Z-20170101T090000Z", 457), ("npt=1:99:00-", 457),
    ],
)  # fmt: skip
def test_what_is_no_range_is_refused(text: str, status: int) -> None:
    with pytest.raises(Refused) as raised:
        span(text)
    assert raised.value.status == status


@hypothesis.given(st.text(max_size=40), st.sampled_from(["", "npt=", "clock="]))
def test_any_text_is_a_range_or_a_refusal(text: str, unit: str) -> None:
    try:
        found = span(unit + text)
    except Refused:
        return
    for moment in (found.start_ms, found.end_ms):
        assert moment is None or 0 <= moment <= MAX_MS


@hypothesis.given(st.integers(0, MAX_MS), st.sampled_from(["npt", "clock"]))
def test_what_is_answered_means_what_was_asked(start: int, unit: str) -> None:
    text = written_span(Span("npt" if unit == "npt" else "clock", start, None), 0)
    assert asked_span(given(range=text), 0).start_ms == start


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, Rate()), ({"scale": "2"}, Rate(2.0)), ({"speed": "4.0"}, Rate(1.0, 4.0)),
        ({"scale": "-1"}, Rate()), ({"scale": "0"}, Rate()), ({"scale": "nan"}, Rate()),
        ({"scale": "inf"}, Rate()), ({"scale": "x"}, Rate()),
        ({"scale": "1000", "speed": "0.001"}, Rate(MAX_RATE, MIN_RATE)),
    ],
)  # fmt: skip
def test_rates(headers: dict[str, str], expected: Rate) -> None:
    assert asked_rate(given(**headers)) == expected
