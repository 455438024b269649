"""The stream model: what is accepted, what is refused, what is kept."""

from typing import Any

import pytest
from media_api.playback import ProtocolsSpec
from media_api.protocols import switches
from media_api.stream import StreamConfig
from pydantic import ValidationError


def stream(**fields: Any) -> StreamConfig:
    return StreamConfig.parse({"name": "a", **fields})


def test_smallest_stream() -> None:
    config = StreamConfig.parse({"name": "a/b", "inputs": [{"url": "fake://fake"}]})
    assert config.static
    assert not config.disabled
    assert config.segment_duration == 5000
    assert config.explicit() == {"name": "a/b", "inputs": [{"url": "fake://fake"}]}
    assert config.effective()["segment_count"] == 4


def test_text_becomes_numbers_and_booleans() -> None:
    config = stream(
        static="false",
        clients_timeout="60",
        source_timeout="false",
        prepush="true",
        segment_duration="5s",
        hls_scte35="false",
        url_prefix="false",
        inputs=[{"url": "udp://239.0.0.1:5000", "priority": "2", "max_bitrate": "40M"}],
        dvr={"root": "/storage", "expiration": "7d", "storage_limit": "500G"},
    )
    assert config.explicit() == {
        "name": "a",
        "static": False,
        "clients_timeout": 60,
        "source_timeout": False,
        "prepush": True,
        "segment_duration": 5000,
        "hls_scte35": False,
        "url_prefix": False,
        "inputs": [{"url": "udp://239.0.0.1:5000", "priority": 2, "max_bitrate": 40_000_000}],
        "dvr": {"root": "/storage", "expiration": 604_800, "storage_limit": 500 * 1024**3},
    }


def test_unknown_and_read_only_keys_are_ignored() -> None:
    config = stream(stats={"alive": True}, vision={"alg": "faces"}, inputs=[])
    assert config.explicit() == {"name": "a", "inputs": []}


def test_old_names() -> None:
    config = stream(auth="http://auth/check", dvr={"root": "/d", "dvr_limit": 60, "disk_space": 1})
    assert config.on_play is not None
    assert config.on_play.url == "http://auth/check"
    assert config.dvr is not None
    assert (config.dvr.expiration, config.dvr.storage_limit) == (60, 1)


def test_old_and_new_name_together_are_refused() -> None:
    with pytest.raises(ValidationError, match="auth is the old name of on_play"):
        stream(auth="http://a", on_play={"url": "http://b"})


def test_keys_that_python_reserves() -> None:
    data = {"transcoder": {"global": {"hw": "nvenc", "deviceid": "1"}}, "dvr": {"copy": "s3://b"}}
    config = stream(**data)
    assert config.transcoder is not None
    assert config.transcoder.global_ is not None
    assert config.transcoder.global_.deviceid == 1
    assert config.explicit()["transcoder"] == {"global": {"hw": "nvenc", "deviceid": 1}}
    assert config.explicit()["dvr"] == {"copy": "s3://b"}


@pytest.mark.parametrize(
    ("flag", "expected"),
    [({"thumbnails": True}, {"enabled": True}), ({"thumbnails": {"enabled": "ondemand"}}, None)],
)
def test_thumbnails_flag(flag: dict[str, Any], expected: dict[str, Any] | None) -> None:
    assert stream(**flag).explicit()["thumbnails"] == (expected or flag["thumbnails"])


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "input URL must look like"),
        ("camera", "input URL must look like"),
        ("http://cam/x.m3u8", "write hls://"),
        ("https://cam/x.m3u8", "write hlss://"),
        ("gopher://x", "no input scheme"),
        ("rtsp://", "lacks an address"),
        ("rtsp://a b", "space or a control"),
        ("rtsp://a\nb", "space or a control"),
        ("rtsp://" + "x" * 2050, "2048 characters"),
    ],
)
def test_bad_input_url_says_why(url: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        stream(inputs=[{"url": url}])


@pytest.mark.parametrize(
    "url",
    ["publish://", "fake://fake", "rtsp://u:p@cam:554/1?a=b", "rtsp-udp://c/1", "m4f://o/a",
     "file://vod/x.mp4", "playlist:///p.txt", "timeshift://a/60", "srt://h:1?mode=caller"],
)  # fmt: skip
def test_good_input_url(url: str) -> None:
    config = stream(inputs=[{"url": url}])
    assert config.inputs[0].scheme == url.partition("://")[0]
    assert config.accepts_publish is (url == "publish://")


@pytest.mark.parametrize(
    "fields",
    [
        {"segment_duration": 50},
        {"segment_duration": True},
        {"segment_count": 0},
        {"inputs": [{}]},
        {"pushes": [{"url": "gopher://x"}]},
        {"hls_scte35": "other"},
        {"inputs": [{"url": "srt://h:1", "passphrase": "short"}]},
        {"source_timeout": True},
        {"static": "perhaps"},
    ],
)
def test_bad_values_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        stream(**fields)


def test_protocols() -> None:
    assert (spec := stream(protocols={"mseld": False}).protocols) is not None
    assert not spec.allows("mseld")
    assert spec.allows("hls")
    assert (spec := stream(protocols={"whitelist": True, "dash": True}).protocols) is not None
    assert spec.allows("dash")
    assert not spec.allows("hls")


def test_every_protocol_has_a_switch() -> None:
    assert set(switches()) == ProtocolsSpec.model_fields.keys() - {"whitelist"}


@pytest.mark.parametrize("file", ["", " ", "a\x00b"])
def test_a_backup_that_is_no_file(file: str) -> None:
    with pytest.raises(ValidationError):
        stream(backup={"file": file})


def test_errors_do_not_repeat_what_was_given() -> None:
    """They reach the log, and URLs have logins."""
    with pytest.raises(ValidationError) as refused:
        stream(inputs=[{"url": "none://user:pa55word@host"}])
    assert "pa55" not in str(refused.value)
