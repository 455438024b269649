"""Text to numbers and back: exact, and clear about what is wrong."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_api import units
from pydantic import TypeAdapter, ValidationError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("48h", 172_800), ("7d", 604_800), ("1h30m", 5400), (" 5s ", 5), ("0", 0)],
)
def test_duration(text: str, seconds: int) -> None:
    assert units.parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "-1", "1.5h", "5 s", "7days", "١"])
def test_bad_duration_says_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        units.parse_duration(text)


@given(st.integers(min_value=0, max_value=units.MAX_SECONDS))
def test_duration_round_trip(seconds: int) -> None:
    assert units.parse_duration(units.format_duration(seconds)) == seconds


@pytest.mark.parametrize(
    ("text", "size"), [("40G", 40 * 1024**3), ("1.5K", 1536), ("12", 12), ("2gb", 2 * 1024**3)]
)
def test_size(text: str, size: int) -> None:
    assert units.parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "rate"),
    [("10G", 10**10), ("40M", 4 * 10**7), ("1500k", 1_500_000), ("8.1M", 8_100_000)],
)
def test_rate(text: str, rate: int) -> None:
    assert units.parse_rate(text) == rate


@given(st.integers(min_value=0, max_value=units.MAX_BYTES))
def test_size_round_trip(size: int) -> None:
    assert units.parse_size(units.format_size(size)) == size


@given(st.integers(min_value=0, max_value=units.MAX_BIT_RATE))
def test_rate_round_trip(rate: int) -> None:
    assert units.parse_rate(units.format_rate(rate)) == rate


@given(st.text())
def test_any_text_is_parsed_or_refused(text: str) -> None:
    for parse in (
        units.parse_duration,
        units.parse_milliseconds,
        units.parse_size,
        units.parse_rate,
    ):
        with contextlib.suppress(ValueError):  # any other error would be a crash on bad input
            assert parse(text) >= 0


@pytest.mark.parametrize(
    ("text", "ms"), [("200", 200), ("200ms", 200), ("5s", 5000), ("1m", 60_000)]
)
def test_milliseconds(text: str, ms: int) -> None:
    assert units.parse_milliseconds(text) == ms


@pytest.mark.parametrize("word", ["true", "YES", "on", "1"])
def test_true(word: str) -> None:
    assert units.parse_bool(word) is True


@pytest.mark.parametrize("word", ["false", "No", "off", "0"])
def test_false(word: str) -> None:
    assert units.parse_bool(word) is False


def test_bad_boolean() -> None:
    with pytest.raises(ValueError, match="not a boolean"):
        units.parse_bool("maybe")


@pytest.mark.parametrize("name", ["a", "a/b-c_d.e", "0", "x" * 255])
def test_good_stream_name(name: str) -> None:
    assert units.check_stream_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "/a", "a/", "a//b", "../a", "a/../b", "a/./b", "a b", "ы", "a\n", "x" * 256, "a%2Fb"],
)
def test_bad_stream_name(name: str) -> None:
    with pytest.raises(ValueError, match="stream name"):
        units.check_stream_name(name)


@given(st.text(max_size=40))
def test_stream_name_check_agrees_with_its_pattern(name: str) -> None:
    adapter: TypeAdapter[str] = TypeAdapter(units.StreamName)
    try:
        units.check_stream_name(name)
    except ValueError:
        with pytest.raises(ValidationError):
            adapter.validate_python(name)
    else:
        assert adapter.validate_python(name) == name


@pytest.mark.parametrize(
    ("value", "expected"),
    [(False, False), ("false", False), ("off", False), (0, 0), ("0", 0), ("7d", 604_800), (60, 60)],
)
def test_seconds_or_false(value: object, expected: object) -> None:
    adapter: TypeAdapter[int | bool] = TypeAdapter(units.SecondsOrFalse)
    result = adapter.validate_python(value)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize("value", [True, "true", "soon", -1, 1.5])
def test_seconds_or_false_refuses(value: object) -> None:
    adapter: TypeAdapter[int | bool] = TypeAdapter(units.SecondsOrFalse)
    with pytest.raises(ValidationError):
        adapter.validate_python(value)


@pytest.mark.parametrize(
    ("value", "expected"), [(True, True), ("true", True), ("no", False), ("1", 1), (10, 10)]
)
def test_seconds_or_bool(value: object, expected: object) -> None:
    adapter: TypeAdapter[int | bool] = TypeAdapter(units.SecondsOrBool)
    result = adapter.validate_python(value)
    assert result == expected
    assert type(result) is type(expected)
