"""Play tokens: what is one, and until when."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.supervisor.play_tokens import LIFE_SECONDS, PlayTokens

NOW = 1_764_200_000.0


@pytest.mark.parametrize("key", [None, "together"])
def test_a_token_is_good_for_its_stream(key: str | None) -> None:
    tokens = PlayTokens()
    token = tokens.make("sport/ü", key, NOW)
    assert tokens.end_of(token, "sport/ü", key) == NOW + LIFE_SECONDS
    assert tokens.end_of(token, "sport", key) is None
    assert tokens.end_of(token, "sport/ü", "another key") is None
    assert tokens.make("sport/ü", key, NOW) != token


def test_servers_with_the_same_key_know_each_others() -> None:
    token = PlayTokens().make("a", "together", NOW)
    assert PlayTokens().end_of(token, "a", "together") is not None
    assert PlayTokens().end_of(PlayTokens().make("a", None, NOW), "a", None) is None


@given(st.data())
def test_a_token_that_was_touched_is_none(data: st.DataObject) -> None:
    tokens = PlayTokens()
    token = tokens.make("a", "together", NOW)
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters().filter(lambda one: one != token[at]))
    assert tokens.end_of(token[:at] + other + token[at + 1 :], "a", "together") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "operator",
        "operator.",
        "operator.1",
        "operator...",
        "operator.²..",
        "operator.9.a." * 99,
    ],
)
def test_what_strangers_send_is_none(text: str) -> None:
    assert PlayTokens().end_of(text, "a", "together") is None
