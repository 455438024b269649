"""The server's configuration: every global of the documented example, and bad ones."""

from typing import Any

import pytest
from media_api.events import EventSinkConfig
from media_api.networks import parse_cidr
from media_api.server import ServerConfig
from pydantic import ValidationError


def test_all_documented_globals() -> None:
    config = ServerConfig.parse(
        {
            "listeners": {
                "http": [80, "127.0.0.1:8080", {"port": "81", "api": "false"}],
                "https": "443",
                "rtmp": 1935,
                "rtmps": [{"port": 1443, "ssl_protocols": ["tlsv1.2"]}],
                "rtsp": 554,
                "rtsps": 1554,
            },
            "loglevel": "debug",
            "log_requests": "true",
            "total_bandwidth": "10G",
            "auth_token": "key",
            "max_sessions": "1000",
            "auto_token": "UUID",
            "cluster_key": "abcd",
            "view_auth": "viewer secret",
            "edit_auth": {"login": "root", "password": "secret"},
            "api_allowed_from": ["10/8", "192.168/16"],
            "event_sinks": [{"name": "h", "sink": "http://backend/event.php"}],
            "pulsedb": "/var/lib/flussonic",
            "session_log": "/var/lib/flussonic",
            "url_prefix": "http://cdn",
            "sources": [{"url": "origin:80", "only": ["a"], "except": ["b"]}],
            "vods": [{"prefix": "vod", "storages": ["/storage"]}],
            "caches": [{"name": "g", "path": "/c", "misses": 4, "expiration": "2d",
                        "storage_limit": "40G"}],
            "nvidia_monitor": "true",
            "geoip": "/etc/geo.mmdb",
        }
    )  # fmt: skip
    answer = config.explicit()
    assert answer["listeners"]["http"][1] == {"port": 8080, "address": "127.0.0.1"}
    assert answer["listeners"]["http"][2] == {"port": 81, "api": False}
    assert answer["listeners"]["rtsps"] == [{"port": 1554}]
    assert answer["total_bandwidth"] == 10**10
    assert answer["auto_token"] == "uuid"
    assert answer["view_auth"] == {"login": "viewer", "password": "secret"}
    assert answer["api_allowed_from"] == ["10.0.0.0/8", "192.168.0.0/16"]
    assert answer["sources"] == [{"url": "origin:80", "only": ["a"], "except": ["b"]}]
    assert answer["caches"][0]["storage_limit"] == 40 * 1024**3
    assert ServerConfig.parse(answer).explicit() == answer


@pytest.mark.parametrize(
    ("text", "cidr"),
    [("10/8", "10.0.0.0/8"), ("172.16/12", "172.16.0.0/12"), ("10.1.2.3", "10.1.2.3/32"),
     ("10.1.2.3/8", "10.0.0.0/8"), ("::1", "::1/128"), ("fd00::/8", "fd00::/8")],
)  # fmt: skip
def test_cidr(text: str, cidr: str) -> None:
    assert parse_cidr(text) == cidr


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"listeners": {"http": [70000]}}, "65535"),
        ({"listeners": {"http": ["http"]}}, "valid integer"),
        ({"api_allowed_from": ["300/8"]}, "no address or network"),
        ({"auth_backends": [{"name": "a", "deny_ips": ["10.0.0/99"]}]}, "no address or network"),
        ({"edit_auth": "root"}, "LOGIN PASSWORD"),
        ({"auto_token": "maybe"}, "uuid"),
        ({"loglevel": "loud"}, "debug"),
        ({"streams": [{"name": "a"}, {"name": "a"}]}, "declared more than once"),
        ({"event_sinks": [{"name": "a", "url": "ftp://x"}]}, "no event sink"),
    ],
)
def test_bad_globals_are_refused(data: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ServerConfig.parse(data)


def test_event_filters() -> None:
    sink = EventSinkConfig.parse(
        {"name": "a", "url": "http://x", "only": [{"event": "play_*", "media": ["a", "b"]}],
         "except": [{"ip": ["10.0.0.1"]}]}
    )  # fmt: skip
    assert sink.accepts({"event": "play_opened", "media": "b"})
    assert not sink.accepts({"event": "play_opened", "media": "c"})
    assert not sink.accepts({"event": "stream_opened", "media": "a"})
    assert not sink.accepts({"event": "play_opened", "media": "a", "ip": "10.0.0.1"})
    assert not sink.accepts({"event": "play_opened"})


@pytest.mark.parametrize("url", ["", "rtmp://h", "http://", "h:port", "://x", "h:99999"])
def test_sources_are_where_http_is_spoken(url: str) -> None:
    with pytest.raises(ValidationError):
        ServerConfig.model_validate({"sources": [{"url": url}]})
    assert ServerConfig.model_validate({"sources": [{"url": "h:80/p"}, {"url": "https://h"}]})
