"""What other servers say of their streams, in good and in bad words."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.supervisor.cluster.listing import (
    MAX_ITEMS,
    Address,
    Listed,
    read_item,
    read_listing,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "stats", "via", "alive", "groups", "title", "static"]), inner
        )
    ),
    max_leaves=12,
)


@given(st.lists(JSON, max_size=4), JSON)
def test_any_json_is_a_listing(items: list[Any], instance: Any) -> None:
    listing = read_listing([{"streams": items, "instance": instance}])
    assert len(listing.streams) + listing.invalid <= len(items)
    for name, one in listing.streams.items():
        assert one.name == name
        assert all(isinstance(text, str) for text in (one.title, *one.groups, *one.via))


@pytest.mark.parametrize(
    ("item", "listed"),
    [
        ({"name": "a"}, Listed("a", runs=True)),
        ({"name": "a", "disabled": True}, None),
        ({"name": "a", "stats": {"alive": True}}, Listed("a", runs=True)),
        ({"name": "a", "stats": {"alive": False}}, Listed("a")),
        ({"name": "a", "static": False, "stats": {"alive": False}}, Listed("a", runs=True)),
        (
            {"name": "a", "cluster_ingest": {}, "named_by": "remote", "stats": {"via": ["x"]}},
            Listed("a", is_remote=True, ingest=True, via=("x",)),
        ),
    ],
)
def test_items(item: dict[str, Any], listed: Listed | None) -> None:
    assert read_item(item) == listed


def test_a_list_without_end_is_cut() -> None:
    pages = [{"streams": [{"name": f"s{n}"} for n in range(2 * MAX_ITEMS)]}]
    listing = read_listing(pages)
    assert (len(listing.streams), listing.cut) == (MAX_ITEMS, True)


def test_addresses() -> None:
    found = Address.of("origin:8080", "key")
    assert (found.url, found.host) == ("http://origin:8080", "origin:8080")
    assert found.headers()["Authorization"].startswith("Cluster ")
    by_ts = {"url": "tshttp://origin:8080/a/b/mpegts", "cluster_key": "key"}
    by_frames = {"url": "m4f://origin:8080/a/b", "cluster_key": "key"}
    assert found.inputs("a/b", ours=False) == [by_ts]
    assert found.inputs("a/b", ours=True) == [by_frames, by_ts]
    login = Address.of("https://user:p%40ss@origin", None)
    assert login.headers()["Authorization"].startswith("Basic ")
    assert login.inputs("a", ours=True) == [{"url": "tshttps://origin/a/mpegts"}]
    assert "p@ss" not in json.dumps(login.inputs("a", ours=True))
    for wrong in ("", "rtmp://h", "http://", "h:port"):
        with pytest.raises(ValueError, match=r".+"):
            Address.of(wrong, None)
