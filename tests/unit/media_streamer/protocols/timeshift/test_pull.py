"""When frames of another stream's archive are due, and what cannot be shown."""

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_api.input import InputConfig
from media_streamer.media.inputs.base import InputError, InputRequest, Limits, Receiver, Stored
from media_streamer.protocols.timeshift.pull import LATE_MS, Late, create

HOUR_MS = 3_600_000
PLACE = ("/archive", "/archive/channel", "")


def request(url: str, **archives: list[tuple[str, str, str]]) -> InputRequest:
    receiver = cast(Receiver, None)
    stored = Stored(archives=archives)
    return InputRequest("late", InputConfig(url=url), receiver, Limits(), stored)


def test_a_stream_that_is_recorded_can_be_shown() -> None:
    assert create(request("timeshift://channel/3600", channel=[PLACE]))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("timeshift://other/3600", "has no archive on this server"),
        ("timeshift://late/3600", "cannot show what it records itself"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_words(url: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        create(request(url, channel=[PLACE], late=[PLACE]))


def test_it_begins_at_once_and_stays_as_late_as_it_began() -> None:
    late = Late(HOUR_MS)
    now = 10 * HOUR_MS
    assert late.wait_ms(now - HOUR_MS - 1500, now) == 0
    assert late.wait_ms(now - HOUR_MS, now) == 1500
    assert late.wait_ms(now - HOUR_MS, now + 1500) == 0


def test_what_comes_before_its_time_waits() -> None:
    assert Late(HOUR_MS).wait_ms(5000, HOUR_MS) == 5000


def test_what_came_late_to_the_disk_makes_all_later_until_it_begins_again() -> None:
    late = Late(1000)
    assert late.wait_ms(0, 1000) == 0
    assert late.wait_ms(100, 5100) == 0
    assert late.wait_ms(200, 5100) == 100
    late.again()
    assert late.wait_ms(9000, 9000) == 1000


@given(st.lists(st.integers(0, 5000), min_size=1), st.lists(st.integers(0, 5000), min_size=1))
def test_nothing_goes_out_before_its_time_nor_much_after(steps: list[int], way: list[int]) -> None:
    """`steps`: between frames; `way`: how long each takes to be read."""
    late, delay, utc, now = Late(20_000), 20_000, 0.0, 20_000.0
    for step, reading in zip(steps, way, strict=False):
        utc, now = utc + step, now + reading
        wait = late.wait_ms(utc, now)
        assert wait >= -LATE_MS
        now += max(0.0, wait)
        assert now >= utc + delay
