"""What Central writes into a streamer, and what it leaves alone."""

import pytest
from media_central.streamers.provision import (
    LISTS,
    Call,
    Wanted,
    calls,
    record_of,
    same_backend,
    wanted,
)

WANTED = "http://key@central:9019/streamer/api/v3/streamers/s1"


@pytest.mark.parametrize(
    ("found", "same"),
    [
        (WANTED, True),
        (WANTED + "/", True),
        (WANTED.replace("key@", "***@"), True),
        (WANTED.replace("key@", "other@"), False),
        (WANTED.replace("key@", ""), False),
        (WANTED.replace("s1", "s2"), False),
        (None, False),
        ({"url": WANTED}, False),
    ],
)
def test_a_hidden_key_counts_as_right_a_wrong_one_does_not(found, same):
    assert same_backend(found, WANTED) is same


@pytest.mark.parametrize(
    ("found", "name"),
    [
        (WANTED.replace("/s1", "/s%2F2"), "s/2"),
        (WANTED.replace("key@", "***@").replace("/s1", "/s2/"), "s2"),
        (WANTED, ""),
        (WANTED.replace("key@", "other@"), ""),
        (WANTED.replace("central", "elsewhere").replace("/s1", "/s2"), ""),
        ("http://backend/streams", ""),
        (None, ""),
        ({"url": WANTED}, ""),
    ],
)
def test_of_what_record_a_streamer_asks(found, name):
    assert record_of(found, WANTED) == name


SINK = {"name": "central", "url": "http://key@central:9019/streamer/api/v3/events/collector"}
RULES = {"vip": {"name": "vip", "allow_tokens": ["t"]}}
RECORD = {
    "hostname": "s1",
    "config": {
        "event_sinks": [{"name": "mine", "url": "http://monitor/"}],
        "server_names": [{"domain": "tv.example"}],
    },
}
ALL = wanted(WANTED, SINK["url"], RECORD, RULES)
AS_WANTED = {
    "config_external": WANTED,
    "event_sinks": [{**SINK, "level": "info"}, {"name": "mine", "url": "http://monitor/"}],
    "auth_backends": [RULES["vip"], {"name": "theirs", "allow_default": True}],
    "server_names": [{"domain": "tv.example"}],
}


def test_a_streamer_that_says_all_is_left_alone() -> None:
    assert calls(AS_WANTED, ALL, ALL.names) == []


def test_a_fresh_streamer_is_told_all_and_first_where_its_streams_are() -> None:
    found = calls({}, ALL, frozenset())
    assert found[0] == Call(
        "PUT", "/config", {"config_external": WANTED, "server_names": [{"domain": "tv.example"}]}
    )
    assert {call.path for call in found[1:]} == {
        "/event_sinks/central", "/event_sinks/mine", "/auth_backends/vip",
    }  # fmt: skip
    assert all(call.body and call.body["$reset"] for call in found[1:])


def test_what_drifted_is_written_again_and_what_is_theirs_stays() -> None:
    drifted = {**AS_WANTED, "auth_backends": [{"name": "vip", "allow_tokens": ["x"]}]}
    (call,) = calls(drifted, ALL, ALL.names)
    assert (call.method, call.path, call.body) == (
        "PUT", "/auth_backends/vip", {"$reset": True, **RULES["vip"]},
    )  # fmt: skip


def test_what_central_wrote_and_is_gone_is_taken_away() -> None:
    now = wanted(WANTED, SINK["url"], {"hostname": "s1"}, {})
    found = calls(AS_WANTED, now, ALL.names)
    assert {(call.method, call.path) for call in found} == {
        ("DELETE", "/event_sinks/mine"), ("DELETE", "/auth_backends/vip"),
    }  # fmt: skip
    assert calls(AS_WANTED, now, frozenset()) == [], "what it does not remember may be theirs"


def test_hidden_secrets_count_as_right() -> None:
    hidden = {**AS_WANTED, "auth_backends": [{"name": "vip", "allow_tokens": ["***"]}]}
    assert calls(hidden, ALL, ALL.names) == []


def test_names_are_escaped() -> None:
    now = Wanted(WANTED, {key: {} for key in LISTS} | {"http_proxies": {"a/b": {"prefix": "a/b"}}})
    assert calls({"config_external": WANTED}, now, frozenset())[0].path == "/http_proxies/a%2Fb"


@pytest.mark.parametrize("odd", [None, "x", [1, None, {"title": "nameless"}], {"name": "vip"}])
def test_odd_answers_are_not_taken_for_lists(odd: object) -> None:
    found = calls({**AS_WANTED, "auth_backends": odd}, ALL, ALL.names)
    assert [call.path for call in found] == ["/auth_backends/vip"]
