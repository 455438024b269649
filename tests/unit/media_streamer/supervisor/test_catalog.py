"""The catalog: inheritance, who wins a name, and changes that name only what differs."""

import pytest
from media_api.server import ServerConfig
from media_api.stream import StreamConfig
from media_streamer.supervisor import catalog as module
from media_streamer.supervisor.catalog import Catalog, CatalogFull, Changes, inherit


def server(**lists: object) -> ServerConfig:
    return ServerConfig.model_validate(lists)


def test_own_keys_win_over_the_template() -> None:
    template = {
        "name": "t",
        "prefixes": ["x"],
        "segment_count": 9,
        "pushes": [{"url": "rtmp://h/app/%s"}],
    }
    config = inherit({"name": "a/b", "title": "own"}, template)
    assert (config.title, config.segment_count, config.name) == ("own", 9, "a/b")
    assert config.pushes is not None
    assert config.pushes[0].url == "rtmp://h/app/a/b"


def test_a_reload_names_only_what_changed() -> None:
    catalog = Catalog()
    streams = [{"name": f"s{n}", "inputs": [{"url": "fake://fake"}]} for n in range(50)]
    assert len(catalog.set_config(server(streams=streams)).added) == 50
    before = catalog.streams["s7"]
    streams[3] = {"name": "s3", "inputs": [{"url": "fake://fake"}], "title": "new"}
    del streams[10]
    streams.append({"name": "more"})
    assert catalog.set_config(server(streams=streams)) == Changes(
        frozenset({"more"}), frozenset({"s10"}), frozenset({"s3"})
    )
    assert catalog.streams["s7"] is before
    assert not catalog.set_config(server(streams=streams))


def test_a_changed_template_changes_its_streams() -> None:
    catalog = Catalog()
    streams = [{"name": "a", "template": "t"}, {"name": "b"}]
    catalog.set_config(server(streams=streams, templates=[{"name": "t", "provider": "1"}]))
    changes = catalog.set_config(
        server(streams=streams, templates=[{"name": "t", "provider": "2"}])
    )
    assert changes.changed == {"a"}
    assert catalog.streams["a"].config.provider == "2"


def test_every_option_of_a_template_holds_for_its_streams() -> None:
    """What each of them does for a stream has tests of its own."""
    options = {
        "inputs": [{"url": "fake://fake"}], "backup": {"file": "v/a"}, "dvr": {"root": "/d"},
        "transcoder": {"video": [{"bitrate": 9}]}, "thumbnails": {"enabled": False},
        "on_play": {"url": "http://h/p"}, "on_publish": {"url": "http://h/p"}, "password": "p",
        "protocols": {"whitelist": True, "hls": True}, "prepush": True, "mpegts_ac3": "keep",
        "segment_duration": 1000, "segment_count": 9, "chunk_duration": 500, "comment": "c",
        "add_audio_only": True, "url_prefix": "http://cdn/", "dash_update_period": 7,
        "pushes": [{"url": "rtmp://h/app/x"}], "cluster_ingest": {"capture_at": "h"},
        "cache": {"path": "/c"}, "meta": {"a": "b"}, "labels": {"a": "b"}, "groups": ["news"],
        "clients_timeout": 5, "retry_limit": 3, "source_timeout": 6, "audio_timeout": 3,
        "video_timeout": 4, "frames_timeout": 5, "max_retry_timeout": 8, "provider": "w",
        "recheck_secondary_inputs_interval": 7, "pulse_off": True, "static": False,
        "disabled": True,
    }  # fmt: skip
    catalog = Catalog()
    streams = [{"name": "a", "template": "t"}]
    catalog.set_config(server(streams=streams, templates=[{"name": "t", **options}]))
    own = StreamConfig.model_validate({"name": "a", **options})
    for option in options:
        assert getattr(catalog.streams["a"].config, option) == getattr(own, option), option


def test_an_unknown_template_is_a_problem_and_not_a_crash() -> None:
    catalog = Catalog()
    catalog.set_config(server(streams=[{"name": "a", "template": "gone"}]))
    assert "gone" in catalog.streams["a"].problem


def test_the_file_wins_over_the_backend() -> None:
    catalog = Catalog()
    catalog.set_config(server(streams=[{"name": "a", "title": "file"}]))
    changes = catalog.change_external(
        [StreamConfig(name="a", title="backend"), StreamConfig(name="b")]
    )
    assert changes.added == {"b"}
    assert catalog.streams["a"].config.title == "file"
    assert catalog.streams["b"].named_by == "external"
    assert catalog.change_external([StreamConfig(name="b", title="x")]).changed == {"b"}
    assert not catalog.change_external([StreamConfig(name="b", title="x")])
    assert catalog.change_external(gone=["a", "b", "c"]).removed == {"b"}
    assert catalog.streams["a"].config.title == "file"


def test_a_name_more_touches_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = Catalog()
    streams = [{"name": f"s{n}", "template": "t"} for n in range(100)]
    config = server(streams=streams, templates=[{"name": "t", "prefixes": ["live"]}])
    catalog.set_config(config)
    made: list[str] = []
    make = module.inherit
    monkeypatch.setattr(
        module,
        "inherit",
        lambda saved, template: made.append(saved["name"]) or make(saved, template),
    )
    catalog.change_external([StreamConfig(name="b")])
    catalog.add_user("live/x")
    assert not catalog.set_config(config), "what stays is compared, not made again"
    assert made == ["b", "live/x"]


def test_dynamic_streams_come_from_the_longest_prefix() -> None:
    catalog = Catalog()
    catalog.set_config(
        server(
            templates=[
                {"name": "any", "prefixes": [""], "provider": "any"},
                {"name": "live", "prefixes": ["live"], "provider": "live"},
            ]
        )
    )
    assert catalog.add_user("live/x").added == {"live/x"}
    assert catalog.streams["live/x"].config.provider == "live"
    catalog.add_user("other")
    assert catalog.streams["other"].config.provider == "any"
    assert catalog.set_config(server()).removed == {"live/x", "other"}
    with pytest.raises(KeyError):
        catalog.add_user("other")


def test_strangers_cannot_make_names_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_DYNAMIC_STREAMS", 3)
    catalog = Catalog()
    catalog.set_config(server(templates=[{"name": "any", "prefixes": [""]}]))
    for number in range(3):
        catalog.add_user(f"n{number}")
    with pytest.raises(CatalogFull):
        catalog.add_user("n3")
    assert catalog.drop_user(["n0"]).removed == {"n0"}
    catalog.add_user("n3")


def test_what_a_stream_asks_in_vain_follows_its_configuration() -> None:
    catalog = Catalog()
    catalog.set_config(server(streams=[{"name": "s", "logo": "/l"}]))
    assert catalog.streams["s"].warnings == ["logo has no effect in this version"]
    catalog.set_config(server(streams=[{"name": "s"}]))
    assert catalog.streams["s"].warnings == []
