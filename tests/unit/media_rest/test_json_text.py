"""What is JSON and what only Python takes for it."""

import json
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_rest.json_text import parse_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)  # fmt: skip


@given(VALUES)
def test_json_is_read(value: object) -> None:
    assert parse_json(json.dumps(value)) == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("NaN", "NaN is not JSON"),
        ("[-Infinity]", "-Infinity is not JSON"),
        ("1e999", "1e999 is too large a number"),
        ("9" * 400, "a number has 400 digits"),
        ('{"a": 1, "b": {"c": 1, "d": 2, "c": 3}}', "the key 'c' stands twice"),
        ('{"\\udfff": 1}', "holds half a character"),
        ("[" * 100_000, "it is nested too deeply"),
    ],
)
def test_the_rest_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        parse_json(text)


def test_a_key_that_stands_twice_is_found_in_time_that_grows_with_the_text() -> None:
    keys = ", ".join(f'"{number}": 0' for number in [*range(100_000), 99_999])
    began = time.process_time()
    with pytest.raises(ValueError, match="the key '99999' stands twice"):
        parse_json(f"{{{keys}}}")
    assert time.process_time() - began < 1
