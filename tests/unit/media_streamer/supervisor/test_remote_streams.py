"""Streams of other servers in the catalog, and where their past is."""

from typing import Any

import pytest
from media_api.server import ServerConfig
from media_api.stream import StreamConfig
from media_streamer.supervisor.catalog import (
    CapturedElsewhere,
    Catalog,
    Elsewhere,
    RemoteStream,
    Stream,
)
from media_streamer.supervisor.delivery import passage_of
from media_streamer.wire.control import CacheTerms, Passage

FAR = Elsewhere("origin", via=("x",))
TEMPLATE = {"name": "t", "prefixes": ["a"], "inputs": [{"url": "publish://"}]}


def remote(name: str, **saved: Any) -> dict[str, RemoteStream]:
    inputs = [{"url": f"m4f://origin/{name}"}]
    return {name: RemoteStream({"name": name, "static": False, "inputs": inputs, **saved}, FAR)}


def server(*streams: str) -> ServerConfig:
    return ServerConfig.model_validate(
        {"streams": [{"name": one} for one in streams], "templates": [TEMPLATE]}
    )


def test_who_has_the_name() -> None:
    """Of the file, of the backend, of a publisher who is there, of another server."""
    catalog = Catalog()
    catalog.set_config(server())
    changes = catalog.change_remote(remote("a/b"))
    assert changes.added == {"a/b"}
    stream = catalog.streams["a/b"]
    assert (stream.named_by, stream.elsewhere) == ("remote", FAR)
    assert "config_on_disk" not in stream.redacted
    assert catalog.change_external([StreamConfig(name="a/b")]).changed == {"a/b"}
    assert (stream.named_by, stream.elsewhere) == ("external", None)
    catalog.set_config(server("a/b"))
    assert stream.named_by == "config"
    catalog.set_config(server())
    catalog.change_external(gone=["a/b"])
    assert (stream.named_by, stream.elsewhere) == ("remote", FAR)
    assert catalog.change_remote({}, ["a/b", "never"]).removed == {"a/b"}
    assert catalog.streams == {}


def test_a_publisher_keeps_his_name_until_he_leaves() -> None:
    catalog = Catalog()
    catalog.set_config(server())
    catalog.add_user("a/b")
    assert not catalog.change_remote(remote("a/b")).changed
    assert catalog.streams["a/b"].named_by == "user"
    assert catalog.drop_user(["a/b"]).changed == {"a/b"}
    assert catalog.streams["a/b"].named_by == "remote"


def test_an_invalid_option_costs_that_stream_only() -> None:
    catalog = Catalog()
    catalog.change_remote(remote("a", segment_count="many") | remote("b"))
    assert catalog.streams["a"].config.disabled
    assert not catalog.streams["b"].config.disabled


def test_captured_elsewhere_and_here_again() -> None:
    catalog = Catalog()
    whole = {"name": "s", "inputs": [{"url": "rtsp://cam"}], "dvr": {"root": "/d"}}
    catalog.set_config(ServerConfig.model_validate({"streams": [whole]}))
    there = CapturedElsewhere(
        [{"url": "m4f://peer/s"}], Elsewhere("peer", "http://peer", captured=True)
    )
    assert catalog.set_captured({"s": there}).changed == {"s"}
    assert not catalog.set_captured({"s": there})
    stream = catalog.streams["s"]
    assert [one.url for one in stream.config.inputs] == ["m4f://peer/s"]
    assert (stream.config.static, stream.config.dvr) == (False, None)
    assert stream.saved == whole, "what is saved stays"
    assert catalog.set_captured({}).changed == {"s"}
    assert [one.url for one in stream.config.inputs] == ["rtsp://cam"]
    assert stream.config.static


@pytest.mark.parametrize(
    ("config", "passage"),
    [
        ({"inputs": [{"url": "m4f://h:80/a/b"}]}, Passage("http://h:80", "a/b")),
        (
            {"inputs": [{"url": "tshttps://h/a/mpegts", "cluster_key": "k"}]},
            Passage("https://h", "a", "k"),
        ),
        (
            {"inputs": [{"url": "m4f://h/a"}], "cache": {"reference": "c"}},
            Passage("http://h", "a", cache=CacheTerms("/c", misses=4, storage_limit=9)),
        ),
        (
            {"inputs": [{"url": "m4f://h/a"}], "cache": {"path": "/own", "expiration": 5}},
            Passage("http://h", "a", cache=CacheTerms("/own", expiration=5)),
        ),
        ({"inputs": [{"url": "m4f://h/a"}], "cache": {"reference": "x"}}, Passage("http://h", "a")),
        ({"inputs": [{"url": "m4f://h/a"}], "dvr": {"root": "/d"}}, None),
        ({"inputs": [{"url": "m4f://h/a", "remote_dvr": "none"}]}, None),
        ({"inputs": [{"url": "m4f://h/a", "remote_dvr": "chain"}]}, Passage("http://h", "a")),
        (
            {"inputs": [{"url": "hls://h/a/index.m3u8", "remote_dvr": "chain"}]},
            Passage("http://h", "a"),
        ),
        ({"inputs": [{"url": "hls://h/a/index.m3u8"}], "cache": {"path": "/c"}}, None),
        (
            {"inputs": [{"url": "m4f://h/a", "remote_dvr": "nochain"}]},
            Passage("http://h", "a", chain=False),
        ),
        ({"inputs": [{"url": "hls://h/a/index.m3u8"}]}, None),
        ({"inputs": [{"url": "tshttp://h/a.ts"}]}, None),
        ({"inputs": []}, None),
    ],
)
def test_where_the_past_of_a_stream_is(config: dict[str, Any], passage: Passage | None) -> None:
    caches = [{"name": "c", "path": "/c", "misses": 4, "storage_limit": 9}]
    whole = ServerConfig.model_validate({"caches": caches})
    saved = {"name": "s", **config}
    stream = Stream("s", "remote", saved, StreamConfig.model_validate(saved))
    assert passage_of(stream, whole) == passage
    assert "'k'" not in repr(passage_of(stream, whole))
    stream.named_by = "config"
    is_told = "cache" in config or "remote_dvr" in str(config)
    assert passage_of(stream, whole) == (passage if is_told else None)
