import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.egress.http.files import RangeNotSatisfiable, parse_range


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("", None),
        ("bytes=-", None),
        ("items=0-1", None),
        ("bytes=0-1,3-4", None),
        ("bytes=5-2", None),
        ("bytes=0-0", (0, 1)),
        ("bytes=10-", (10, 90)),
        ("bytes=90-500", (90, 10)),
        ("bytes=-10", (90, 10)),
        ("bytes=-500", (0, 100)),
    ],
)
def test_ranges_of_100_bytes(header, expected):
    assert parse_range(header, 100) == expected


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_ranges_outside(header):
    with pytest.raises(RangeNotSatisfiable, match=r"bytes \*/100"):
        parse_range(header, 100)


@given(st.text("bytes=-,0123456789 ", max_size=20), st.integers(0, 10**9))
def test_a_range_lies_within_the_file(header, size):
    try:
        found = parse_range(header, size)
    except RangeNotSatisfiable:
        return
    if found is not None:
        start, length = found
        assert start >= 0
        assert length > 0
        assert start + length <= size
