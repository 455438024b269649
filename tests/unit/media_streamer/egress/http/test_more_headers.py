"""Headers that a stream has of its own: which, and in place of what."""

import pytest
from media_api.playback import PlaybackHeaders as Spec
from media_streamer.egress.http.more_headers import chosen, with_headers
from media_streamer.egress.http.prepared import Message
from media_streamer.wire.control import PlaybackHeaders
from pydantic import ValidationError


def test_rules_hold_for_protocols_and_for_live_or_recorded_media() -> None:
    rules = [
        PlaybackHeaders(headers={"X-A": "all", "X-B": "all"}, segment_headers={"X-S": "all"}),
        PlaybackHeaders("live", headers={"x-a": "live"}),
        PlaybackHeaders("dvr", ["dash"], headers={"X-A": "dvr"}, segment_headers={"X-T": "dvr"}),
    ]
    live = chosen(rules, "hls", archive=False)
    assert live.lists == {"x-a": "live", "X-B": "all"}
    assert live.segments == {"X-S": "all"}
    assert chosen(rules, "hls", archive=True).lists == {"X-A": "all", "X-B": "all"}
    recorded = chosen(rules, "dash", archive=True)
    assert recorded.lists["X-A"] == "dvr"
    assert recorded.segments == {"X-S": "all", "X-T": "dvr"}


def test_a_client_never_hears_two() -> None:
    message = Message(b"body", "text/plain", "no-cache")
    more = {"cache-control": "max-age=9", "X-More": "1"}
    plain = message.bytes(b"\r\n\r\n", True)
    told = message.bytes(b"\r\n\r\n", True, more)
    head, _, body = told.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 200 OK"
    assert b"no-cache" not in head
    assert {b"cache-control: max-age=9", b"X-More: 1"} <= set(lines)
    assert body == b"body"
    assert any(line.startswith(b"Date: ") for line in lines)
    assert set(plain.split(b"\r\n")[1:]) - set(told.split(b"\r\n")) == {b"Cache-Control: no-cache"}


def test_a_whole_head_stays_one() -> None:
    head = b"HTTP/1.1 206 Partial Content\r\nX-Cache: HIT\r\nDate: now\r\n\r\n"
    assert with_headers(head, {"x-cache": "no"}) == (
        b"HTTP/1.1 206 Partial Content\r\nx-cache: no\r\nDate: now\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("X A", "1", "no name of a header"),
        ("X-A", "1\r\nX-B: 2", "control characters"),
        ("X-A", "día", "not ASCII"),
        ("Content-Length", "0", "the server's to say"),
        ("transfer-encoding", "chunked", "the server's to say"),
    ],
)
def test_what_would_break_an_answer_is_refused(name: str, value: str, words: str) -> None:
    for field in ("headers", "segment_headers"):
        with pytest.raises(ValidationError, match=words):
            Spec.model_validate({field: {name: value}})
