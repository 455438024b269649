"""Misspelt fields are told, what an answer had may come back."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_api.status import StreamState
from media_api.stream import StreamConfig
from media_rest.unknown import MAX_TOLD, told, unknown_fields

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=12,
)


def texts(body: Any) -> list[str]:
    return unknown_fields(body, StreamConfig, StreamState)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"titel": "x"}, "titel: there is no such field, it was left out; did you mean title?"),
        ({"zzz": 1}, "zzz: there is no such field, it was left out"),
        (
            {"inputs": [{"url": "fake://f"}, {"url": "fake://f", "priorty": 1}]},
            "inputs.1.priorty: there is no such field, it was left out; did you mean priority?",
        ),
        (
            {"dvr": {"rot": "/x"}},
            "dvr.rot: there is no such field, it was left out; did you mean root?",
        ),
    ],
)
def test_a_misspelt_field_is_told(body: dict[str, Any], expected: str) -> None:
    assert texts(body) == [expected]


def test_what_an_answer_had_may_come_back() -> None:
    state = StreamState.parse(
        {
            "name": "a",
            "inputs": [{"url": "fake://fake", "stats": {"bytes": 1}}],
            "stats": {"alive": True},
            "config_on_disk": {"what": {"ever": 1}},
            "named_by": "config",
        }
    )
    assert texts(state.effective()) == []


def test_old_names_and_words_of_the_transport_are_known() -> None:
    old = next(iter(StreamConfig.deprecated_aliases), None)
    assert texts({"$reset": True, **({old: None} if old else {})}) == []


def test_the_answer_keeps_its_own_warnings() -> None:
    answer = told({"name": "a", "warnings": ["one"]}, {"titel": 1}, StreamConfig)
    assert answer["warnings"][0] == "one"
    assert answer["warnings"][1].startswith("titel:")
    assert told({"name": "a"}, {"title": "x"}, StreamConfig) == {"name": "a"}


def test_many_are_told_in_few_words() -> None:
    body = {f"field-{number}-{'x' * 5000}": 1 for number in range(1000)}
    found = texts(body)
    assert len(found) == MAX_TOLD + 1
    assert sum(map(len, found)) < 5000


@given(body=st.dictionaries(st.text(max_size=8), JSON))
def test_any_body_can_be_looked_through(body: dict[str, Any]) -> None:
    assert len(texts(body)) <= MAX_TOLD + 1
