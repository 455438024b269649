import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.archive.places import MAX_MS
from media_streamer.presentation.moments import LISTED, PATTERN, Moment, asked, listed

NOW = 1_700_000_000.5
NOW_MS = 1_700_000_000_000


def read(form: str, **query: str) -> Moment:
    match = re.fullmatch(PATTERN, form)
    assert match is not None, form
    return asked(match.groupdict(default=""), query, NOW)


@pytest.mark.parametrize(
    ("form", "moment"),
    [
        ("archive-100-60", ("archive", 100_000, 160_000)),
        ("index-100-60", ("archive", 100_000, 160_000)),
        ("video-100-60", ("archive", 100_000, 160_000)),
        ("archive-100-now", ("event", 100_000, MAX_MS)),
        ("rewind-60", ("event", NOW_MS - 60_000, MAX_MS)),
        ("timeshift_abs-100", ("timeshift", 100_000, NOW_MS)),
        ("video-timeshift_abs-100", ("timeshift", 100_000, NOW_MS)),
        ("timeshift_rel-60", ("timeshift", NOW_MS - 60_000, NOW_MS)),
        ("timeshift_rel-0", ("timeshift", NOW_MS - 20_000, NOW_MS)),
        ("timeshift_abs-99999999999", ("timeshift", NOW_MS - 20_000, NOW_MS)),
        ("rewind-99999999999", ("event", 0, MAX_MS)),
        ("archive-999999999999999-1", ("archive", MAX_MS, MAX_MS)),
    ],
)
def test_forms(form: str, moment: tuple[str, int, int]) -> None:
    assert read(form) == Moment(*moment)  # type: ignore[arg-type]


def test_an_end_in_the_future_is_a_list_that_grows_if_asked_for() -> None:
    future = f"archive-{int(NOW)}-60"
    assert read(future).kind == "archive"
    assert read(future, event="true") == Moment("event", NOW_MS, NOW_MS + 60_000)
    assert read("archive-100-60", event="true").kind == "archive"


@pytest.mark.parametrize("form", ["archive-1", "archive--1-5", "archive-1-2-3", "rewind-", "x-1-2"])
def test_what_is_no_form(form: str) -> None:
    assert re.fullmatch(PATTERN, form) is None


def test_the_playlist_of_a_track_that_somebody_writes_grows_too() -> None:
    match = re.fullmatch(LISTED, "archive-100-now")
    assert match is not None
    assert listed(match.groupdict()) == Moment("event", 100_000, MAX_MS)


seconds = st.integers(0, 10**15 - 1)


@given(st.sampled_from(["archive", "rewind", "timeshift_abs", "timeshift_rel"]), seconds, seconds)
def test_the_playlists_of_tracks_mean_the_same(word: str, first: int, second: int) -> None:
    form = f"archive-{first}-{second}" if word == "archive" else f"{word}-{first}"
    moment = read(form)
    assert 0 <= moment.from_ms <= MAX_MS
    match = re.fullmatch(LISTED, moment.name)
    assert match is not None
    assert listed(match.groupdict()) == moment
