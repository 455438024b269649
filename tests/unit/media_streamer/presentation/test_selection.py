"""Selections of tracks: read, ordered and refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.presentation.selection import (
    asked_tracks,
    in_order,
    no_such_tracks,
    track_names,
)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ()),
        ("v1a2", ("v1", "a2")),
        ("a2v1", ("v1", "a2")),
        ("v1,a1", ("v1", "a1")),
        ("v10v2a1v2", ("v2", "v10", "a1")),
        ("video", ("'video'",)),
        ("v1!", ("'v1'",)),
        ("<b>", ("'b'",)),
        ("??", ("''",)),
    ],
)
def test_forms(text: str, names: tuple[str, ...]) -> None:
    assert track_names(text) == names


@given(st.text(max_size=200))
def test_anything_is_a_selection_and_stays_small(text: str) -> None:
    names = track_names(text)
    assert bool(names) == bool(text.replace(",", ""))
    assert sum(map(len, names)) <= 128
    assert no_such_tracks(names, ["v1"]).title


@given(st.sets(st.builds("{}{}".format, st.sampled_from("vatd"), st.integers(1, 999)), max_size=32))
def test_what_is_written_is_read_again(names: set[str]) -> None:
    ordered = in_order(names)
    assert set(ordered) == names
    assert track_names("".join(reversed(ordered))) == ordered


def test_the_parameter_of_a_protocol_comes_second() -> None:
    assert asked_tracks({"tracks": "v2"}) == ()
    assert asked_tracks({"tracks": "v2"}, "tracks") == ("v2",)
    assert asked_tracks({"tracks": "v2", "filter.tracks": "v1"}, "tracks") == ("v1",)


def test_the_refusal_says_what_there_is() -> None:
    refused = no_such_tracks(("v1", "a7"), ["a1", "v1"])
    assert refused.title == "The stream has no track a7; it has v1, a1"
    assert no_such_tracks(("v1",), []).title == "The stream has no track v1; it has none"
