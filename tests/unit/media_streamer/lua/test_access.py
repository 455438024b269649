"""Decisions of scripts."""

from typing import Any

import pytest
from media_streamer.lua.access import verdict_of


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        ([True], (True, 200, "", None, 180)),
        ([True, {"user_id": "u", "auth_time": 30, "max_sessions": 2}], (True, 200, "u", 2, 30)),
        ([True, {"unique": True, "user_id": 7}], (True, 200, "7", 1, 180)),
        ([False], (False, 403, "", None, 180)),
        ([False, {"code": 404, "auth_time": 1e12}], (False, 404, "", None, 180)),
        ([False, {"code": 302, "location": "http://h/"}], (False, 302, "", None, 180)),
        ([False, {"code": 302}], (False, 403, "", None, 180)),
    ],
)
def test_what_is_decided(found: list[Any], wanted: tuple[Any, ...]) -> None:
    made = verdict_of(found)
    told = (made.allowed, made.status, made.user_id, made.max_sessions, made.auth_seconds)
    assert told == wanted
    assert made.decided


@pytest.mark.parametrize("found", [[], [None], [1], ["yes"], [{}]])
def test_what_is_no_decision(found: list[Any]) -> None:
    with pytest.raises(ValueError, match="end it with"):
        verdict_of(found)
