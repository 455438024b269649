"""The query language: each operator, every page of every order, and bad parameters."""

import base64
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_api.status import StreamState
from media_rest.query import QueryError, parse_query, run_query, stream_order

STREAMS: list[dict[str, Any]] = [
    {"name": "a", "title": "News", "position": 2, "named_by": "config", "static": True,
     "groups": ["g1", "g2"], "labels": {"zone": "eu"}, "stats": {"bitrate": 100, "alive": True},
     "inputs": [{"url": "rtsp://cam/1", "priority": 1}]},
    {"name": "b", "title": "Sport", "position": 1, "named_by": "config", "static": False,
     "stats": {"bitrate": 187, "alive": False}, "inputs": [{"url": "udp://239.0.0.1:5000"}]},
    {"name": "c/d", "named_by": "user", "static": True, "stats": {"bitrate": 300}, "inputs": []},
    {"name": "e", "named_by": "remote", "static": True, "inputs": []},
]  # fmt: skip


def names(**params: str) -> list[str]:
    query = parse_query(params, StreamState)
    answer = run_query(STREAMS, query, "streams", stream_order)
    return [item["name"] for item in answer["streams"]]


def test_answer_shape() -> None:
    answer = run_query(STREAMS, parse_query({}, StreamState), "streams", stream_order)
    assert [item["name"] for item in answer["streams"]] == ["b", "a", "c/d", "e"]
    assert answer["estimated_count"] == 4
    assert answer["next"] is None
    assert answer["prev"] is None
    assert set(answer["timing"]) == {"load", "filter", "sort", "limit", "select"}


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"name": "a,e"}, "a e"),
        ({"name_ne": "a"}, "b c/d e"),
        ({"stats.bitrate_gt": "187"}, "c/d"),
        ({"stats.bitrate_gte": "187"}, "b c/d"),
        ({"stats.bitrate_lt": "187"}, "a"),
        ({"stats.bitrate_lte": "187"}, "b a"),
        ({"stats.bitrate_gt": "100", "stats.bitrate_lt": "300"}, "b"),
        ({"title_like": "ew"}, "a"),
        ({"title_like": "NEW"}, ""),
        ({"title_is": "null"}, "c/d e"),
        ({"title_is_not": "null"}, "b a"),
        ({"title": "null"}, "c/d e"),
        ({"title": "undefined,News"}, "a c/d e"),
        ({"static": "true", "stats.alive": "true"}, "a"),
        ({"static": "no"}, "b"),
        ({"groups": "g2"}, "a"),
        ({"labels.zone": "eu"}, "a"),
        ({"q": "sPoRt"}, "b"),
        ({"q": "239.0"}, "b"),
        ({"sort": "title"}, "c/d e a b"),
        ({"sort": "-title"}, "b a c/d e"),
        ({"sort": "static,-name"}, "b e c/d a"),
        ({"sort": "stats.bitrate"}, "e a b c/d"),
        ({"limit": "2"}, "b a"),
        ({"cursor": ""}, "b a c/d e"),
    ],
)
def test_query(params: dict[str, str], expected: str) -> None:
    assert names(**params) == expected.split()


@pytest.mark.parametrize(
    ("params", "parameter"),
    [
        ({"limit": "many"}, "limit"),
        ({"limit": "0"}, "limit"),
        ({"limit": "9" * 5000}, "limit"),
        ({"stats.bitrate_gt": "fast"}, "stats.bitrate_gt"),
        ({"static": "perhaps"}, "static"),
        ({"nosuch": "1"}, "nosuch"),
        ({"stats.nosuch_gt": "1"}, "stats.nosuch_gt"),
        ({"inputs.priority": "1"}, "inputs.priority"),
        ({"title_is": "News"}, "title_is"),
        ({"sort": "nosuch"}, "sort"),
        ({"select": "name,nosuch"}, "select"),
        ({"cursor": "%%%"}, "cursor"),
        ({"cursor": "aGVsbG8="}, "cursor"),
        ({"cursor": base64.b64encode(b"x=1").decode()}, "cursor"),
        ({"cursor": base64.b64encode(b"$after=%5B1%5D").decode()}, "cursor"),
        ({"..": "1"}, ".."),
    ],
)
def test_bad_parameter_is_named(params: dict[str, str], parameter: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse_query(params, StreamState)
    body = caught.value.body()
    assert caught.value.status == 400
    assert body["errors"][0]["source"] == {"parameter": parameter}
    assert body["errors"][0]["meta"] == {"while": "parsing_query"}


def test_parameters_of_the_operation_are_left_alone() -> None:
    query = parse_query({"host": "s1", "name": "a"}, StreamState, own_params={"host"})
    assert len(query.filters) == 1


def test_repeated_parameter_is_membership() -> None:
    query = parse_query([("name", "a"), ("name", "b")], StreamState)
    answer = run_query(STREAMS, query, "streams")
    assert [item["name"] for item in answer["streams"]] == ["a", "b"]


def test_select_keeps_required_fields() -> None:
    query = parse_query({"select": "stats.bitrate,inputs.priority", "name": "a"}, StreamState)
    (item,) = run_query(STREAMS, query, "streams")["streams"]
    assert item == {
        "name": "a",
        "stats": {"bitrate": 100},
        "inputs": [{"url": "rtsp://cam/1", "priority": 1}],
    }


def test_cursor_without_sort_is_the_documented_filter() -> None:
    answer = run_query(STREAMS, parse_query({"limit": "2"}, StreamState), "streams", stream_order)
    assert base64.b64decode(answer["next"]) == b"%24position_gt=1"
    query = parse_query({"limit": "2", "cursor": answer["next"]}, StreamState)
    back = run_query(STREAMS, query, "streams", stream_order)
    assert parse_qsl(base64.b64decode(back["prev"]).decode()) == [
        ("$position_lt", "2"),
        ("$reversed", "true"),
    ]


values = st.one_of(st.none(), st.integers(-3, 3), st.sampled_from(["", "x", "é", "Z"]))
collections = st.lists(
    st.fixed_dictionaries({"title": values, "provider": values, "position": st.integers(0, 3)}),
    max_size=12,
).map(lambda items: [{"name": f"n{index}", **item} for index, item in enumerate(items)])
orders = st.sampled_from(["", "title", "-title", "provider,-title", "-position,title", "-name"])


@given(collections, orders, st.integers(1, 5))
def test_pages_lose_and_repeat_nothing(items: list[dict[str, Any]], sort: str, limit: int) -> None:
    params = {"sort": sort} if sort else {}
    whole = run_query(items, parse_query({**params, "limit": "99"}, StreamState), "streams")
    pages: list[list[dict[str, Any]]] = []
    cursor, answer = "", whole
    while True:
        query = parse_query({**params, "limit": str(limit), "cursor": cursor}, StreamState)
        answer = run_query(items, query, "streams")
        pages.append(answer["streams"])
        if answer["next"] is None:
            break
        cursor = answer["next"]
        assert len(pages) <= len(items)
    assert [item for page in pages for item in page] == whole["streams"]
    for page in reversed(pages[:-1]):
        query = parse_query({**params, "limit": str(limit), "cursor": answer["prev"]}, StreamState)
        answer = run_query(items, query, "streams")
        assert answer["streams"] == page
    assert answer["prev"] is None


@given(st.dictionaries(st.text(max_size=12), st.text(max_size=12), max_size=4))
def test_any_parameters_give_an_answer_or_a_query_error(params: dict[str, str]) -> None:
    try:
        query = parse_query(params, StreamState)
    except QueryError as error:
        assert error.status == 400  # noqa: PT017 - either outcome is right, no other is
    else:
        assert run_query(STREAMS, query, "streams")["estimated_count"] >= 0


@given(st.binary(max_size=40))
def test_any_cursor_gives_an_answer_or_a_query_error(data: bytes) -> None:
    cursor = base64.b64encode(data).decode()
    try:
        query = parse_query({"cursor": cursor}, StreamState)
    except QueryError as error:
        assert error.parameter == "cursor"  # noqa: PT017 - either outcome is right, no other is
    else:
        assert run_query(STREAMS, query, "streams")["estimated_count"] == 4


def test_input_is_not_changed() -> None:
    before = [dict(item) for item in STREAMS]
    names(sort="-name", select="title")
    assert before == STREAMS
