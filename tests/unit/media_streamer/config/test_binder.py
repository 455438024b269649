"""Directives become configuration; every error is found at once, at its word, with a hint."""

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.config import ConfigProblem, parse

from .samples import EVERYTHING


def only(text: str) -> ConfigProblem:
    (error,) = parse(text, "f").errors
    return error


def test_every_global_directive_of_the_reference_binds() -> None:
    parsed = parse(
        """
        http 80; http 127.0.0.1:8080; https 443; rtmp 1935; rtmps 1443; rtsp 554; rtsps 1554;
        loglevel debug; logrequests true; total_bandwidth 10G; auth_token TOKEN;
        max_sessions 1000; no_auto_token; cluster_key SECRETKEY; view_auth USER PASSWORD;
        edit_auth USER PASSWORD; api_allowed_from 10/8 192.168/16; trusted_proxies 10.1.2.3;
        notify HANDLER { sink http://backend/event.php; }
        notify LUA { sink /etc/flussonic/events.lua; }
        pulsedb /var/lib/flussonic; session_log /var/lib/flussonic; url_prefix PREFIX;
        source SOURCE/PREFIX; source OTHER/PREFIX { }
        stream ntv { url tshttp://source/ntv.ts; }
        ondemand ntv2 { url tshttp://source/ntv.ts; }
        live published { }
        file vod { path /storage; }
        cache globalcache /var/www misses=4 2d 40G;
        nvidia_monitor true; geoip PATH_TO_DATABASE;
        """
    )
    found = parsed.errors + parsed.warnings
    assert [(error.code, error.line) for error in found] == [("unused_name", 14)]
    assert parsed.config.explicit() == {
        "listeners": {
            "http": [{"port": 80}, {"port": 8080, "address": "127.0.0.1"}],
            "https": [{"port": 443}],
            "rtmp": [{"port": 1935}],
            "rtmps": [{"port": 1443}],
            "rtsp": [{"port": 554}],
            "rtsps": [{"port": 1554}],
        },
        "loglevel": "debug",
        "log_requests": True,
        "total_bandwidth": 10_000_000_000,
        "auth_token": "TOKEN",
        "max_sessions": 1000,
        "auto_token": False,
        "cluster_key": "SECRETKEY",
        "view_auth": {"login": "USER", "password": "PASSWORD"},
        "edit_auth": {"login": "USER", "password": "PASSWORD"},
        "api_allowed_from": ["10.0.0.0/8", "192.168.0.0/16"],
        "trusted_proxies": ["10.1.2.3/32"],
        "event_sinks": [
            {"name": "HANDLER", "url": "http://backend/event.php"},
            {"name": "LUA", "url": "lua:///etc/flussonic/events.lua"},
        ],
        "pulsedb": "/var/lib/flussonic",
        "session_log": "/var/lib/flussonic",
        "url_prefix": "PREFIX",
        "sources": [{"url": "SOURCE/PREFIX"}, {"url": "OTHER/PREFIX"}],
        "streams": [
            {"name": "ntv", "inputs": [{"url": "tshttp://source/ntv.ts"}]},
            {"name": "ntv2", "static": False, "inputs": [{"url": "tshttp://source/ntv.ts"}]},
        ],
        "templates": [
            {"name": "published", "prefixes": ["published"], "inputs": [{"url": "publish://"}]}
        ],
        "vods": [{"prefix": "vod", "storages": [{"url": "/storage"}]}],
        "caches": [
            {
                "name": "globalcache",
                "path": "/var/www",
                "misses": 4,
                "expiration": 172800,
                "storage_limit": 40 * 1024**3,
            }
        ],
        "nvidia_monitor": True,
        "geoip": "PATH_TO_DATABASE",
    }


@pytest.mark.parametrize(
    ("directive", "expected"),
    [
        ("auto_token UUID;", {"auto_token": "uuid"}),
        ("auto_token blank;", {"auto_token": "blank"}),
        ("auto_token false;", {"auto_token": False}),
        ("url_prefix;", {"url_prefix": False}),
        ("logrequests;", {"log_requests": True}),
        (
            "edit_auth flussonic:password;",
            {"edit_auth": {"login": "flussonic", "password": "password"}},
        ),
        (
            "http 80 { api false; } http 81;",
            {"listeners": {"http": [{"port": 80, "api": False}, {"port": 81}]}},
        ),
        (
            "http 80; admin_http 81;",
            {"listeners": {"http": [{"port": 80, "api": False}, {"port": 81, "api": True}]}},
        ),
        ("https [::1]:443;", {"listeners": {"https": [{"port": 443, "address": "::1"}]}}),
        ("peer a;", {"peers": [{"hostname": "a"}]}),
        (
            "ice_server stun:a; ice_server turn:b:3478 secret=s lifetime=1h;",
            {
                "ice_servers": [
                    {"url": "stun:a"},
                    {"url": "turn:b:3478", "secret": "s", "lifetime": 3600},
                ]
            },
        ),
        (
            "config_external http://k@central:9019/x;",
            {"config_external": "http://k@central:9019/x"},
        ),
        ("meta k v; meta k2 v2;", {"meta": {"k": "v", "k2": "v2"}}),
    ],
)
def test_global_forms(directive: str, expected: dict[str, object]) -> None:
    parsed = parse(directive)
    assert parsed.errors == []
    assert parsed.config.explicit() == expected


@pytest.mark.parametrize(
    ("directive", "expected"),
    [
        (
            "input udp://h:1 priority=2 source_timeout=false;",
            {"inputs": [{"url": "udp://h:1", "priority": 2, "source_timeout": False}]},
        ),
        (
            'input hls://h/x?a=b headers="X: y z" programs=1,2;',
            {"inputs": [{"url": "hls://h/x?a=b", "headers": {"X": "y z"}, "programs": [1, 2]}]},
        ),
        ("segment_duration 2.5;", {"segment_duration": 2500}),
        ("segment_duration 4s;", {"segment_duration": 4000}),
        ("chunk_duration 200;", {"chunk_duration": 200}),
        ("prepush;", {"prepush": True}),
        ("prepush 3;", {"prepush": 3}),
        ("disabled;", {"disabled": True}),
        ("thumbnails;", {"thumbnails": {"enabled": True}}),
        ("thumbnails enabled=ondemand;", {"thumbnails": {"enabled": "ondemand"}}),
        ("thumbnails false;", {}),
        ("clients_timeout 5m;", {"clients_timeout": 300}),
        (
            "protocols -mpegts -hls;",
            {"protocols": {"whitelist": False, "tshttp": False, "hls": False}},
        ),
        ("protocols dash api;", {"protocols": {"whitelist": True, "dash": True, "api": True}}),
        (
            "dvr @big 7d 97% 500G;",
            {
                "dvr": {
                    "reference": "big",
                    "expiration": 604800,
                    "disk_usage_limit": 97,
                    "storage_limit": 500 * 1024**3,
                }
            },
        ),
        (
            "dvr /d schedule 800-1600,2200-130 replicate;",
            {"dvr": {"root": "/d", "schedule": [[800, 1600], [2200, 130]], "dvr_replicate": True}},
        ),
        ("auth http://a/b;", {"on_play": {"url": "http://a/b"}}),
        ("on_play true;", {"on_play": {"url": True}}),
        (
            "on_play auth://x max_sessions=2 foo=1;",
            {"on_play": {"url": "auth://x", "max_sessions": 2, "extra": {"foo": "1"}}},
        ),
        ("cluster_ingest;", {"cluster_ingest": {}}),
        ("cluster_ingest capture_at=h;", {"cluster_ingest": {"capture_at": "h"}}),
        ("cache @c 2d misses=3;", {"cache": {"reference": "c", "expiration": 172800, "misses": 3}}),
        (
            "backup vod/a.mp4 timeout=10 transcode=false;",
            {"backup": {"file": "vod/a.mp4", "timeout": 10, "transcode": False}},
        ),
        (
            "push rtmp://h/a/%s retry_timeout=3 disabled;",
            {"pushes": [{"url": "rtmp://h/a/%s", "retry_timeout": 3, "disabled": True}]},
        ),
        ("labels { a b; } labels c=d;", {"labels": {"a": "b", "c": "d"}}),
        ("title Two words;", {"title": "Two words"}),
        ("srt 9000;", {"srt": 9000}),
        (
            "srt_publish { port 9001; latency 200; }",
            {"srt_publish": {"port": 9001, "latency": 200}},
        ),
        (
            "transcoder hw=nvenc vb=1000k size=1280x720 preset=fast vb=copy size=-1x240 ab=128k;",
            {
                "transcoder": {
                    "global": {"hw": "nvenc"},
                    "video": [
                        {
                            "track": 1,
                            "bitrate": 1_000_000,
                            "preset": "fast",
                            "size": {"width": 1280, "height": 720},
                        },
                        {"track": 2, "bitrate": "copy", "size": {"width": -1, "height": 240}},
                    ],
                    "audio": {"bitrate": 128_000},
                }
            },
        ),
    ],
)
def test_stream_forms(directive: str, expected: dict[str, object]) -> None:
    parsed = parse(f"stream a {{ {directive} }}")
    assert [str(error) for error in parsed.errors] == []
    assert parsed.config.explicit() == {"streams": [{"name": "a", **expected}]}


def test_one_line_streams_templates_and_rules() -> None:
    parsed = parse(
        """
        stream a udp://239.0.0.1:5000;
        ondemand b fake://fake bitrate=1M;
        template t { prefix p1 p2; prefix ""; input publish://; }
        stream c { template t; }
        vod v { paths /a /b; storage s3://k:s@h/b; cache /x 400G misses=3; download; }
        dvr big { root /dvr; disk d1 mode=migrate; disk d2; raid 0; active 2; }
        auth_backend x { allow token T; deny country GB US; backend http://b; allow default; }
        event_sink s { url http://h; only event=a,b media=x*; only event=c; except ip=1; foo bar; }
        """
    )
    assert parsed.errors == []
    config = parsed.config.explicit()
    assert config["streams"][0] == {"name": "a", "inputs": [{"url": "udp://239.0.0.1:5000"}]}
    assert config["streams"][1]["inputs"] == [{"url": "fake://fake", "bitrate": 1_000_000}]
    assert config["templates"][0]["prefixes"] == ["p1", "p2", ""]
    assert [item["url"] for item in config["vods"][0]["storages"]] == ["/a", "/b", "s3://k:s@h/b"]
    assert config["dvrs"][0]["disks"] == [{"path": "d1", "mode": "migrate"}, {"path": "d2"}]
    assert config["auth_backends"][0] == {
        "name": "x",
        "allow_tokens": ["T"],
        "deny_countries": ["GB", "US"],
        "backends": [{"url": "http://b"}],
        "allow_default": True,
    }
    assert config["event_sinks"][0] == {
        "name": "s",
        "url": "http://h",
        "only": [{"event": ["a", "b"], "media": ["x*"]}, {"event": ["c"]}],
        "except": [{"ip": ["1"]}],
        "extra": {"foo": "bar"},
    }


@pytest.mark.parametrize(
    ("text", "code", "line", "col", "part"),
    [
        ("rmtp 1935;", "unknown_directive", 1, 1, "did you mean rtmp"),
        ("stream a { inptu x; }", "unknown_directive", 1, 12, "did you mean input?"),
        ("stream a { input rtsp://h prioritty=1; }", "unknown_option", 1, 27, "priority"),
        ("stream a { input http://h; }", "bad_url", 1, 18, "hls://"),
        ("stream a {\n input u;\n}", "bad_url", 2, 8, "scheme://"),
        ("stream a { push x://y; }", "bad_url", 1, 17, "no push scheme"),
        ("stream a { source_timeout abc; }", "wrong_type", 1, 27, "duration"),
        ("stream a { segment_count 0; }", "out_of_range", 1, 26, "greater than or equal to 1"),
        ("stream a { hls_scte35 awz; }", "bad_value", 1, 23, "did you mean aws?"),
        ("stream a { password; }", "missing_value", 1, 12, "needs a value"),
        ("stream a { static false true; }", "unexpected_value", 1, 25, "does not take 'true'"),
        ("stream a { static { } }", "unexpected_block", 1, 12, "no block"),
        ("stream a/../b { }", "bad_name", 1, 8, "must not contain"),
        ("stream { }", "missing_value", 1, 1, "name is missing"),
        ("stream a { }\nstream a { }", "duplicate_name", 2, 8, "declared at f:1"),
        ("stream a { title x;\n title y; }", "duplicate_directive", 2, 8, "line 1"),
        ("stream a { auth x://y; on_play x://z; }", "duplicate_directive", 1, 24, "same as auth"),
        ("stream a { thumbnails\n disabled; }", "missing_semicolon", 1, 22, "before disabled"),
        ("stream a { dvr /d 7x; }", "unexpected_value", 1, 19, "'7x'"),
        ("stream a { protocols hsl; }", "bad_value", 1, 22, "did you mean hls?"),
        ("stream a { transcoder vbb=1; }", "unknown_option", 1, 23, "did you mean vb?"),
        ("total_bandwidth 10Q;", "wrong_type", 1, 17, "not a rate"),
        ("api_allowed_from 10/8 300.1.1.1;", "bad_value", 1, 23, "no address or network"),
        ("trusted_proxies ingress;", "bad_value", 1, 17, "no address or network"),
        ("edit_auth x;", "missing_value", 1, 1, "LOGIN PASSWORD"),
        ("http 0;", "out_of_range", 1, 6, "greater than or equal to 1"),
        ("http;", "missing_value", 1, 1, "needs a PORT"),
        ("notify n { }", "missing_value", 1, 1, "url is missing"),
        ("loglevel loud;", "bad_value", 1, 10, "'debug'"),
    ],
)
def test_errors(text: str, code: str, line: int, col: int, part: str) -> None:
    error = only(text)
    assert (error.code, error.line, error.col) == (code, line, col), str(error)
    assert part in str(error)
    assert str(error).startswith(f"f:{line}:{col}: error: ")


def test_the_path_of_an_error_is_that_of_the_api() -> None:
    error = only("stream a { }\nstream b { input udp://h:1; input x; }")
    assert error.path == ("streams", 1, "inputs", 1, "url")
    assert error.as_json()["path"] == ["streams", 1, "inputs", 1, "url"]


def test_all_errors_are_told_at_once_and_the_rest_is_kept() -> None:
    parsed = parse(
        "http 80\nrtmp 1935;\nstream a {\n  inptu x;\n  segment_count many;\n  title ok;\n}\n"
        "stream b { input copy://a; }\nlogelevel info;\n"
    )
    assert [error.code for error in parsed.errors] == [
        "missing_semicolon",
        "unknown_directive",
        "wrong_type",
        "unknown_directive",
    ]
    assert [stream.name for stream in parsed.config.streams] == ["a", "b"]
    assert parsed.config.streams[0].title == "ok"


def test_a_missing_brace_is_told_and_the_streams_behind_it_are_read() -> None:
    parsed = parse("stream a { title x;\nstream b { }\nstream c { }\n")
    assert [error.code for error in parsed.errors] == ["unclosed_block", "unclosed_block"]
    assert [stream.name for stream in parsed.config.streams] == ["a", "b", "c"]


def test_what_only_the_reference_server_can_is_a_warning() -> None:
    parsed = parse("transponder x { }\nstream a { vision; }")
    assert parsed.errors == []
    assert [warning.code for warning in parsed.warnings] == ["unsupported_directive"] * 2


def test_names_that_nothing_declares_are_warnings() -> None:
    parsed = parse(
        "template tee { } dvr big { root /d; } cache c /x; auth_backend ab { }\n"
        "stream ok { template tee; dvr @big; cache @c; on_play auth://ab; }\n"
        "stream a { template te; dvr @b; on_play auth://nobody; }"
    )
    assert parsed.errors == []
    assert [(w.code, w.line, w.col) for w in parsed.warnings] == [
        ("unknown_reference", 3, 21),
        ("unknown_reference", 3, 29),
        ("unknown_reference", 3, 41),
    ]
    assert "did you mean tee?" in str(parsed.warnings[0])
    assert [stream.name for stream in parsed.config.streams] == ["ok", "a"]


def test_messages_hide_credentials() -> None:
    text = "stream a { input rtsp://root:hunter2@cam/x bad; push x://u:hunter2@h; }"
    shown = "\n".join(str(error) for error in parse(text).errors)
    assert "unknown_option" in shown
    assert "hunter2" not in shown


def test_a_thousand_streams_are_read_in_a_second_or_so() -> None:
    text = "".join(
        f"stream s{index} {{ input udp://239.0.0.1:5000 priority=1; dvr /d 7d; title T; }}\n"
        for index in range(1000)
    )
    started = time.monotonic()
    parsed = parse(text)
    # About 0.2 s on one core of 2020; the bound only catches quadratic behaviour.
    assert time.monotonic() - started < 10
    assert len(parsed.config.streams) == 1000


@given(st.text(alphabet="ab =;{}#\"'\\\n", max_size=80))
def test_no_text_breaks_it(text: str) -> None:
    parse(text)


@given(st.integers(0, 2**32), st.integers(1, 8))
def test_no_damage_to_a_valid_file_breaks_it(seed: int, cuts: int) -> None:
    rng = random.Random(seed)
    text = EVERYTHING
    words = EVERYTHING.split()
    for _ in range(cuts):
        start = rng.randrange(len(text))
        end = min(len(text), start + rng.choice((0, 1, 1, 5, 40)))
        new = rng.choice(("", ";", "{", "}", '"', "=", "none", "@x", "\n", rng.choice(words)))
        text = text[:start] + new + text[end:]
    parsed = parse(text)
    assert parsed.config is not None
