"""What has no effect is said."""

from typing import Any

import pytest
from media_api.server import ServerConfig
from media_api.stream import StreamConfig
from media_api.unsupported import STREAM_CHECKS, Tally, unserved_options, unsupported_parts


def test_alerts_name_what_has_no_effect() -> None:
    streams = [{"name": f"s{n}", "dvr": {"root": "/storage"}} for n in range(7)]
    config = ServerConfig.model_validate(
        {"listeners": {"rtsp": [554]}, "sources": [{"url": "origin"}], "streams": streams}
    )
    alerts = unsupported_parts(config)
    assert set(alerts) == {"listener_rtsp", "sources", "stream_dvr"}
    assert alerts["stream_dvr"].endswith("s0, s1, s2, s3, s4, …")


def test_options_of_templates_and_of_streams_from_elsewhere_count() -> None:
    config = ServerConfig.model_validate(
        {"templates": [{"name": "t", "prepush": 5}], "pulsedb": "/var/lib/p", "geoip": "/g.mmdb"}
    )
    elsewhere = StreamConfig.model_validate(
        {"name": "e", "pushes": [{"url": "rtmp://host/a/b"}], "hls_scte35": False, "prepush": True}
    )
    assert unsupported_parts(config, [elsewhere]) == {
        "pulsedb": "pulsedb has no effect in this version",
        "geoip": "geoip has no effect in this version",
        "stream_pushes": "pushes has no effect in this version: e",
        "stream_prepush": "prepush has no effect in this version: t",
    }


def test_files_that_streams_use_are_no_alert() -> None:
    config = ServerConfig.model_validate(
        {
            "vods": [
                {"prefix": "used", "storages": [{"url": "/a"}]},
                {"prefix": "idle", "storages": [{"url": "/b"}]},
                {"prefix": "spare", "storages": [{"url": "/c"}]},
            ],
            "streams": [
                {
                    "name": "s",
                    "inputs": [{"url": "file://used/a.mp4"}],
                    "backup": {"file": "spare/b.mp4"},
                }
            ],
        }
    )
    assert unsupported_parts(config) == {
        "vods": "files are inputs only, they are not played by themselves: idle"
    }


def test_inputs_that_nobody_opens_are_named() -> None:
    streams = [
        {"name": "a", "inputs": [{"url": "srt://host:9"}, {"url": "fake://fake"}]},
        {"name": "b", "inputs": [{"url": "srt://host:8"}]},
    ]
    config = ServerConfig.model_validate({"streams": streams})
    assert unsupported_parts(config) == {"input_srt": "srt:// inputs are not served: a, b"}


def test_only_scripts_among_the_event_sinks_have_no_effect() -> None:
    config = ServerConfig.model_validate(
        {
            "event_sinks": [
                {"name": "web", "url": "http://127.0.0.1/events"},
                {"name": "script", "url": "/etc/events.lua"},
            ]
        }
    )
    assert unsupported_parts(config) == {
        "event_sinks": "event sinks that are scripts have no effect: script"
    }


def test_an_ordinary_server_has_none() -> None:
    config = ServerConfig.model_validate(
        {"listeners": {"http": [80], "rtmp": [1935]}, "streams": [{"name": "a"}]}
    )
    assert unsupported_parts(config) == {}


@pytest.mark.parametrize(
    ("document", "paths"),
    [
        ({"inputs": [{"url": "fake://fake"}, {"url": "publish://"}]}, []),
        ({"inputs": [{"url": "fake://fake"}, {"url": "h323://a"}]}, ["inputs[1]"]),
        ({"dvr": {}, "title": "t"}, ["dvr"]),
        ({"dvr": None, "hls_scte35": False, "pushes": []}, []),
        ({"prepush": True, "mpegts_ac3": "keep"}, []),
        ({"prepush": 5}, ["prepush"]),
        ({}, []),
    ],
)
def test_documents_are_judged_like_models(document: dict[str, Any], paths: list[str]) -> None:
    assert unserved_options(document) == paths
    model = StreamConfig.model_validate({**document, "name": "s"})
    alerts = unsupported_parts(ServerConfig(), [model])
    assert len(alerts) == len(paths)


def test_checks_are_of_fields_that_streams_have() -> None:
    assert StreamConfig.model_fields.keys() >= STREAM_CHECKS


def test_streams_come_change_and_go() -> None:
    config = ServerConfig.model_validate({"vods": [{"prefix": "films", "storages": []}]})
    tally = Tally()
    stream = {"name": "a", "dvr": {"root": "/d"}, "inputs": [{"url": "file://films/x.mp4"}]}
    tally.put(StreamConfig.model_validate(stream))
    tally.put(StreamConfig.model_validate({"name": "b", "inputs": [{"url": "srt://h:1"}]}))
    assert set(tally.alerts(config)) == {"stream_dvr", "input_srt"}
    tally.put(StreamConfig(name="a"))
    assert set(tally.alerts(config)) == {"vods", "input_srt"}
    tally.drop("b")
    tally.drop("never")
    assert set(tally.alerts(config)) == {"vods"}
