"""From lists of other servers to streams of this one."""

from typing import Any

import pytest
from media_api.cluster import PeerConfig, SourceConfig
from media_streamer.supervisor.cluster.listing import Address, Listed, Listing
from media_streamer.supervisor.cluster.offers import (
    Names,
    Offer,
    Offers,
    PeerOffers,
    SourceOffers,
    split_source,
)

ADDRESS = Address.of("origin:8080", "key")


def source(**config: Any) -> SourceOffers:
    return SourceOffers(
        SourceConfig.model_validate({"url": "origin:8080", **config}), ADDRESS, "me"
    )


def listing(*streams: Listed) -> Listing:
    return Listing("it", {one.name: one for one in streams})


@pytest.mark.parametrize(
    ("only", "except_", "taken"),
    [
        (None, None, "a b/x b/y/z"),
        ([], None, ""),
        (["a", "b/*"], None, "a b/x b/y/z"),
        (["b/*"], ["b/y/*"], "b/x"),
        (None, ["*"], ""),
        (["a."], None, ""),
    ],
)
def test_names(only: list[str] | None, except_: list[str] | None, taken: str) -> None:
    names = Names(only, except_)
    assert " ".join(one for one in ("a", "b/x", "b/y/z") if names.take(one)) == taken


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("h", ("h", "")),
        ("h:80/p/q/", ("h:80", "p/q")),
        ("https://h:80/p", ("https://h:80", "p")),
    ],
)
def test_urls_of_sources(url: str, parts: tuple[str, str]) -> None:
    assert split_source(url) == parts


def test_options_of_the_source_and_of_groups() -> None:
    config = {
        "prefix": "far",
        "on_play": "http://auth",
        "comment": "x",
        "group_config": {"news": {"dvr": {"root": "/d"}}},
    }
    offers = source(**config).of(
        listing(Listed("a", "A", ("news",), runs=True), Listed("b", runs=True)), ()
    )
    assert offers.keys() == {"far/a", "far/b"}
    assert offers["far/a"].options == {
        "on_play": {"url": "http://auth"},
        "comment": "x",
        "dvr": {"root": "/d"},
        "title": "A",
    }
    assert "dvr" not in offers["far/b"].options
    assert offers["far/a"].inputs[1]["url"] == "tshttp://origin:8080/a/mpegts"
    assert offers["far/a"].elsewhere.via == ("it",)


def test_every_option_of_a_source_holds_for_its_streams() -> None:
    """But those that say what is taken from where."""
    options = {
        "provider": "Works",
        "backup": {"file": "vod/a.mp4"},
        "prepush": True,
        "mpegts_ac3": "keep",
        "add_audio_only": True,
        "audio_timeout": 3,
        "frames_timeout": 4,
        "chunk_duration": 500,
        "dash_update_period": 7,
        "video_timeout": 5,
        "source_timeout": 6,
        "max_retry_timeout": 7,
        "recheck_secondary_inputs_interval": 8,
        "retry_limit": 3,
        "clients_timeout": 9,
        "segment_duration": 1000,
        "segment_count": 9,
        "url_prefix": "http://cdn/",
        "password": "p",
        "pulse_off": True,
        "drm": {"vendor": "aes128", "keyserver": "http://h/k"},
        "on_play": {"url": "http://h/p"},
        "on_publish": {"url": "http://h/p"},
        "protocols": {"whitelist": True, "hls": True},
        "pushes": [{"url": "rtmp://h/app/x"}],
        "thumbnails": {"enabled": False},
        "transcoder": {"video": [{"bitrate": 9}]},
        "meta": {"a": "b"},
        "labels": {"a": "b"},
    }
    of_group = {"cache": {"path": "/c"}, "segment_duration": 2000, "on_play": {"url": "http://g"}}
    groups = {"news": {"name": "news", **of_group}}
    listed = listing(Listed("a", "", ("news",), runs=True), Listed("b", runs=True))
    offers = source(**options, group_config=groups).of(listed, ())
    for name, expected in (("a", {**options, **of_group}), ("b", options)):
        for option, value in expected.items():
            found = offers[name].options[option]
            assert _holds(found, value), (name, option, found)
    assert "cache" not in offers["b"].options


def _holds(found: Any, value: Any) -> bool:
    """Whether what was said is there; defaults may be, too."""
    if isinstance(value, dict):
        return all(_holds(found[key], one) for key, one in value.items())
    if isinstance(value, list):
        return all(_holds(a, b) for a, b in zip(found, value, strict=True))
    return bool(found == value)


def test_what_comes_from_here_or_from_nobody_knows_where_is_not_taken() -> None:
    streams = listing(
        Listed("mine", runs=True, is_remote=True, via=("other", "me")),
        Listed("unknown", runs=True, is_remote=True),
        Listed("far", runs=True, is_remote=True, via=("other",)),
        Listed("dead"),
    )
    offers = source().of(streams, ())
    assert offers.keys() == {"far"}
    assert offers["far"].elsewhere.via == ("it", "other")
    # One that ran before does so again: its viewers need not look for it.
    assert source().of(streams, ["dead"]).keys() == {"far", "dead"}


def test_peers_offer_their_own_and_name_their_address() -> None:
    config = PeerConfig.model_validate(
        {
            "hostname": "p",
            "public_payload_url": "https://public/",
            "private_payload_url": "http://10.0.0.1:81",
        }
    )
    offers = PeerOffers(config, ADDRESS).of(
        listing(
            Listed("a", runs=True),
            Listed("b", runs=True, is_remote=True, via=("x",)),
            Listed("c", runs=True, ingest=True, via=("x",)),
            Listed("d", runs=True, ingest=True),
        )
    )
    assert offers.keys() == {"a", "d"}
    found = offers["a"]
    assert (found.elsewhere.hostname, found.elsewhere.url) == ("p", "https://public")
    assert found.inputs[0] == {"url": "m4f://10.0.0.1:81/a", "cluster_key": "key"}


def test_a_stream_of_several_servers_has_several_inputs() -> None:
    one = source().of(listing(Listed("a", runs=True), Listed("b", runs=True)), ())
    two: dict[str, Offer] = source(comment="2").of(listing(Listed("a", runs=True)), ())
    offers = Offers()
    assert offers.order(["one", "two"]) == set()
    assert offers.put("two", two) == {"a"}
    assert offers.put("one", one) == {"a", "b"}
    assert offers.put("one", one) == set()
    assert offers.put("unknown", one) == set()
    both = offers.stream("a")
    assert both is not None
    assert len(both.saved["inputs"]) == 4
    assert "comment" not in both.saved, "the options are those of the first"
    assert offers.order(["two", "one"]) == {"a", "b"}
    again = offers.stream("a")
    assert again is not None
    assert again.saved["comment"] == "2"
    assert offers.order(["two"]) == {"a", "b"}
    assert offers.stream("b") is None
    assert list(offers.names("one")) == []
