"""What viewers are told of a stream without data."""

import time

import pytest
from media_streamer.media.inputs.base import Input
from media_streamer.media.outage import HOPE_SECONDS, LASTING_SECONDS, outage_of, without_addresses
from media_streamer.media.slots import InputSlot
from media_streamer.wire.media import Outage

from .test_slots import opened, slot

REFUSED = "its source gives no data (connection refused)"


def failed(made: InputSlot, *, ago: float, error: str = "connection refused") -> InputSlot:
    """Its attempts have failed for so many seconds."""
    opened(made)
    made.closed(error, time.monotonic() - ago)
    return made


def test_who_comes_with_the_first_attempt_waits_and_who_comes_late_does_not() -> None:
    now = time.monotonic()
    assert outage_of([slot()], now) == Outage()
    assert outage_of([failed(slot(), ago=0)], now) == Outage(REFUSED)
    made = failed(slot(), ago=LASTING_SECONDS + 1)
    assert outage_of([made], now) == Outage(REFUSED, lasting=True)
    opened(made)
    assert outage_of([made], now).lasting, "the next attempt may fail like those before"


def test_what_nobody_watched_is_tried_anew_for_who_comes() -> None:
    made = failed(slot(no_clients_reconnect_delay=600), ago=60)
    now = time.monotonic()
    assert outage_of([made], now) == Outage(REFUSED)
    opened(made)
    assert outage_of([made], now + 1) == Outage(REFUSED)
    assert outage_of([made], now + LASTING_SECONDS + 1).lasting


def test_a_source_that_was_shown_a_moment_ago_has_not_failed_for_long() -> None:
    made = failed(slot(), ago=60)
    source = opened(made)
    source.frames = 100
    made.closed("connection lost", time.monotonic())
    assert made.failures == 2
    assert not outage_of([made], time.monotonic()).lasting


def test_a_source_that_answers_is_waited_for() -> None:
    made = failed(slot(), ago=60)
    source = opened(made)
    source.connected()
    now = time.monotonic()
    assert outage_of([made], now) == Outage(REFUSED)
    assert outage_of([made], now + HOPE_SECONDS + 1).lasting


def test_the_failures_of_before_a_good_run_do_not_count() -> None:
    made = failed(slot(), ago=600)
    source = opened(made)
    source.frames, source.began = 100, time.monotonic() - 60
    made.closed("connection lost", time.monotonic())
    assert outage_of([made], time.monotonic()) == Outage(
        "its source gives no data (connection lost)"
    )


def test_all_inputs_have_to_fail() -> None:
    now = time.monotonic()
    first, second = failed(slot(0), ago=60), slot(1)
    assert outage_of([first, second], now) == Outage(REFUSED)
    failed(second, ago=60, error="timed out")
    assert outage_of([second, first], now) == Outage(REFUSED, lasting=True), "that of the best"
    publisher = slot(2, url="publish://")
    assert outage_of([first, second, publisher], now).lasting
    assert outage_of([publisher], now) == Outage("nobody publishes it")
    assert outage_of([], now) == Outage()


def test_a_copy_says_what_the_copied_one_lacks() -> None:
    made = slot(url="copy://other")
    opened(made)
    reader = made.input
    assert isinstance(reader, Input)
    reader.outage = Outage(REFUSED, lasting=True)
    assert outage_of([made], time.monotonic()) == Outage(REFUSED, lasting=True)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("connection refused", "connection refused"),
        ("cam.lan:9000: refused", "the source: refused"),
        ("cam.lan is not found: no address", "the source is not found: no address"),
        ("10.0.0.7:554 does not answer", "the source does not answer"),
        ("[fd00::1]:554 does not answer", "the source does not answer"),
        ("redirected to http://inner.lan/x?key=1 in a loop", "redirected to the source in a loop"),
        ("no frames for 60 s (source_timeout)", "no frames for 60 s (source_timeout)"),
        ("the server answers 404 Not Found", "the server answers 404 Not Found"),
    ],
)
def test_viewers_are_not_told_where_the_source_is(text: str, told: str) -> None:
    assert without_addresses(text, "srt://user:pw@cam.lan:9000?streamid=x") == told
