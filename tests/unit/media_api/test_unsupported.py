"""What has no effect is said."""

from typing import Any

import pytest
from media_api import protocols
from media_api.base import ApiModel
from media_api.input import InputConfig
from media_api.server import ServerConfig
from media_api.stream import StreamConfig, TemplateConfig
from media_api.unsupported import (
    GLOBALS,
    INPUT_READERS,
    INPUT_WORDS,
    LISTS,
    STREAM_CHECKS,
    VOD_OPTIONS,
    Tally,
    asked_in_vain,
    server_asks_in_vain,
    unserved_options,
    unsupported_parts,
)
from media_api.vod import VodConfig


def test_alerts_name_what_has_no_effect() -> None:
    streams = [{"name": f"s{n}", "logo": "/l"} for n in range(7)]
    config = ServerConfig.model_validate(
        {
            "listeners": {"snmp": [161]},
            "sources": [{"url": "origin", "logo": "/l"}],
            "http_proxies": [{"prefix": "p", "url": "http://h"}],
            "streams": streams,
        }
    )
    alerts = unsupported_parts(config)
    assert set(alerts) == {"listener_snmp", "http_proxies", "stream_logo"}
    assert alerts["stream_logo"].endswith("origin, s0, s1, s2, s3, …")


def test_options_of_templates_and_of_streams_from_elsewhere_count() -> None:
    config = ServerConfig.model_validate(
        {"templates": [{"name": "t", "mpegts_ac3": "system_a"}], "wwwroot": "/srv/www"}
    )
    elsewhere = StreamConfig.model_validate(
        {"name": "e", "pushes": [{"url": "ndi://host"}], "hls_scte35": False, "mpegts_ac3": "keep"}
    )
    assert unsupported_parts(config, [elsewhere]) == {
        "wwwroot": "wwwroot has no effect in this version",
        "push_ndi": "ndi:// pushes are not served: this server drives no such device: e",
        "stream_mpegts_ac3": "mpegts_ac3 has no effect in this version: t",
    }


def test_locations_of_files_say_what_they_do_not_do() -> None:
    config = ServerConfig.model_validate(
        {
            "vods": [
                {"prefix": "plain", "storages": [{"url": "/a"}], "download": True},
                {
                    "prefix": "more",
                    "storages": [{"url": "/b"}, {"url": "ftp://key@host/films"}],
                    "read_queue": 10,
                },
                {
                    "prefix": "sets",
                    "storages": [{"url": "/c"}, {"url": "https://host/films"}],
                    "auto_mbr": True,
                },
            ],
        }
    )
    assert unsupported_parts(config) == {
        "vod_storages": "vod more: storages by ftp are not served",
        "vod_auto_mbr": "vod sets: auto_mbr finds files in directories only",
        "vod_read_queue": "vod more: read_queue has no effect in this version",
    }


def test_inputs_that_nobody_opens_are_named() -> None:
    streams = [
        {"name": "a", "inputs": [{"url": "ndi://host"}, {"url": "fake://fake"}]},
        {"name": "b", "inputs": [{"url": "ndi://other"}]},
    ]
    config = ServerConfig.model_validate({"streams": streams})
    assert unsupported_parts(config) == {
        "input_ndi": "ndi:// inputs are not served: this server drives no such device: a, b"
    }


def test_a_script_is_named_by_its_path() -> None:
    config = ServerConfig.model_validate(
        {
            "event_sinks": [
                {"name": "web", "url": "http://127.0.0.1/events"},
                {"name": "script", "url": "/etc/events.lua"},
                {"name": "odd", "url": "/etc/passwd"},
            ],
            "init_script": "/etc/start.sh",
        }
    )
    assert unsupported_parts(config) == {
        "event_sinks": "event sinks have no effect, a script is /path/NAME.lua: odd",
        "init_script": "init_script has no effect, a script is /path/NAME.lua",
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
        ({"transcoder": {"global": {"hw": "nvenc"}, "video": [{"bitrate": 1000}]}}, []),
        ({"transcoder": {"global": {"hw": "qsv"}}}, ["transcoder.global.hw"]),
        (
            {"transcoder": {"video": [{"gop": 50}, {"gop": 25, "temporal_tradeoff": 1}]}},
            ["transcoder.video[1].temporal_tradeoff", "transcoder.video[1].gop"],
        ),
        ({"transcoder": {"audio": {"codec": "pcm"}}}, ["transcoder.audio.codec"]),
        ({"transcoder": {"tracks": [{"content": "text"}]}}, ["transcoder.tracks[0]"]),
        ({"dvr": {"root": "/d", "expiration": 60, "keep_locks": True}}, []),
        ({"dvr": {"root": "/d", "copy": "/b", "no_index": False}}, ["dvr.copy"]),
        ({"dvr": {"root": "s3://b"}}, ["dvr.root"]),
        ({"dvr": None, "hls_scte35": False, "pushes": []}, []),
        ({"prepush": 5, "mpegts_ac3": "keep"}, []),
        ({"mpegts_ac3": "system_b"}, ["mpegts_ac3"]),
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


@pytest.mark.parametrize(
    ("document", "key", "words"),
    [
        ({"protocols": {"mss": True}}, "protocol_mss", "mss in protocols is not served"),
        ({"epg_enabled": True}, "stream_epg_enabled", "no effect"),
        ({"on_play": {"url": "/etc/auth.py"}}, "on_play_script", "everybody is refused"),
        ({"on_publish": "lua://x"}, "on_publish_script", "everybody is refused"),
        (
            {"on_play": {"url": "http://h/may", "session_keys": ["name", "device"]}},
            "on_play_session_keys",
            "device: viewers by HLS and DASH are told apart by address and token alone",
        ),
        ({"inputs": [{"url": "hls://h/a", "via": "http://p"}]}, "input_option_via", "no effect"),
        ({"pushes": [{"url": "ndi://x"}]}, "push_ndi", "no such device"),
        (
            {"inputs": [{"url": "rtsp://h/a", "latency": 200}]},
            "input_option_latency",
            "latency of inputs has no effect but with srt://",
        ),
        (
            {"inputs": [{"url": "publish://", "rtp": "udp"}]},
            "input_option_rtp",
            "has no effect but with rtsp://",
        ),
        (
            {"inputs": [{"url": "hls://h/a", "pageUrl": "http://h/p"}]},
            "input_option_page_url",
            "pageUrl of inputs has no effect but with rtmp://",
        ),
        (
            {"inputs": [{"url": "fake://fake", "prefer_codec": "av1"}]},
            "input_option_prefer_codec",
            "has no effect but with publish://",
        ),
        ({"drm": {"vendor": "aes128"}}, "stream_drm", "needs keyserver=URL"),
        ({"drm": {"vendor": "widevine"}}, "stream_drm", "widevine cannot be done"),
        (
            {"drm": {"vendor": "aes128", "keyserver": "http://k", "aes_key": "00"}},
            "stream_drm_aes_key",
            "aes_key of drm has no effect with aes128",
        ),
        (
            {"drm": {"vendor": "aes128", "keyserver": "http://k", "hls_ext_x_key_iv": False}},
            "stream_drm_hls_ext_x_key_iv",
            "has no effect with aes128",
        ),
        ({"backup": {"file": "v/a", "transcode": False}}, "stream_backup_transcode", "no effect"),
        ({"backup": {"file": "v/a", "audio_timeout": 3}}, "stream_backup_audio_timeout", "effect"),
        (
            {"transcoder": {"tracks": [{"content": "audio", "bitrate": 9, "title": "T"}]}},
            "transcoder_tracks_title",
            "no effect",
        ),
        (
            {"transcoder": {"video": [{"bitrate": 9}, {"bitrate": 8, "track": 3}]}},
            "transcoder_video_track",
            "in their order",
        ),
        ({"dvr": {"root": "/d", "keep_locks": False}}, "dvr_option_keep_locks", "always kept"),
        (
            {"pushes": [{"url": "rtmp://h/a", "mpegts_ac3": "system_a"}]},
            "push_option_mpegts_ac3",
            "no effect",
        ),
    ],
)
def test_what_is_asked_in_vain_is_said(document: dict[str, Any], key: str, words: str) -> None:
    model = StreamConfig.model_validate({**document, "name": "s"})
    for item in (document, model):
        found = asked_in_vain(item)
        assert [one.key for one in found] == [key]
        assert words in found[0].text


@pytest.mark.parametrize(
    "document",
    [
        {"protocols": {"mss": False, "hls": True}},
        {"protocols": {"whitelist": True, "cmaf": True}},
        {"on_play": "http://127.0.0.1/auth"},
        {"on_play": {"url": "auth://rules", "domains": ["example.com"]}},
        {"on_play": {"url": "http://h/may", "session_keys": ["name", "token"]}},
        {"on_play": False},
        {"inputs": [{"url": "udp://239.0.0.1:5000", "bind_ip": "10.0.0.1"}]},
        {"inputs": [{"url": "publish://", "pids": [100], "abr_cycles": 3, "timeout": 5}]},
        {"inputs": [{"url": "rtsps://h/a", "user_agent": "x", "rtp": "udp", "priority": 2}]},
        {"inputs": [{"url": "rtmp://h/a", "pageUrl": "http://h/p", "wait_rtcp": False}]},
        {"thumbnails": {"enabled": False}},
        {"backup": {"file": "v/a", "transcode": True}},
        {"dvr": {"root": "/d", "keep_locks": True}},
        {"transcoder": {"video": [{"bitrate": 9, "track": 1}, {"bitrate": 8, "track": 2}]}},
        {"pushes": [{"url": "rtmp://h/a", "mpegts_ac3": "keep"}]},
    ],
)
def test_what_is_done_is_no_complaint(document: dict[str, Any]) -> None:
    assert asked_in_vain(document) == []
    assert asked_in_vain(StreamConfig.model_validate({**document, "name": "s"})) == []


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ({"backup": {"file": "vod/a.mp4"}}, []),
        ({"backup": {"file": "none/a.mp4"}}, ["backup.file"]),
        ({"inputs": [{"url": "file:///storage/a.mp4"}]}, []),
        ({"inputs": [{"url": "file:///storage2/a.mp4"}]}, ["inputs[0].url"]),
        ({"inputs": [{"url": "file://vod"}]}, ["inputs[0].url"]),
    ],
)
def test_files_that_no_location_has(document: dict[str, Any], found: list[str]) -> None:
    vods = {"vod": ["/storage"]}
    assert [one.dotted for one in asked_in_vain(document, vods)] == found
    assert asked_in_vain(document) == []


def test_limits_to_countries_need_a_database() -> None:
    document = {"name": "s", "on_play": {"allowed_countries": ["DE"]}}
    assert asked_in_vain(document) == []
    assert [one.dotted for one in asked_in_vain(document, geoip=False)] == [
        "on_play.allowed_countries"
    ]
    rules = {"name": "r", "deny_countries": ["DE"]}
    for geoip, keys in ((None, {"on_play_countries", "auth_backends"}), ("/c.mmdb", set())):
        config = {"streams": [document], "auth_backends": [rules], "geoip": geoip}
        assert set(unsupported_parts(ServerConfig.model_validate(config))) == keys


def test_caches_are_for_what_is_taken_from_other_servers() -> None:
    far = {"cache": {"path": "/c"}, "inputs": [{"url": "tshttp://h/a/mpegts"}]}
    own = {"cache": {"reference": "c"}, "inputs": [{"url": "rtmp://h/a"}]}
    assert asked_in_vain(far) == []
    assert [one.key for one in asked_in_vain(own)] == ["stream_cache"]


def test_ports_and_storages_say_what_nobody_reads() -> None:
    document = {
        "listeners": {"http": [{"port": 80, "read_timeout": 5}], "rtmps": [{"port": 1}]},
        "vods": [{"prefix": "v", "storages": [{"url": "/d", "extra": {"a": "b"}}]}],
        "dvrs": [{"name": "d", "root": "/d", "keep_locks": False}],
    }
    found = server_asks_in_vain(ServerConfig.model_validate(document))
    assert {one.key: one.dotted for one in found} == {
        "listener_read_timeout": "listeners.http[0].read_timeout",
        "vod_storage_extra": "vods[0].storages[0].extra",
        "dvrs_option_keep_locks": "dvrs[0].keep_locks",
    }


def test_every_option_of_an_input_is_somebodys() -> None:
    """One of all inputs, of some protocols by their rows, or one that nobody reads."""
    of_some = {one.field for one in INPUT_READERS}
    of_all = set(protocols.INPUT_OPTIONS)
    assert of_all | of_some | set(INPUT_WORDS) == set(InputConfig.model_fields)
    assert not of_all & (of_some | set(INPUT_WORDS))


def test_options_of_srt_ports() -> None:
    block = {"port": 9001, "latency": 200, "linger": 3, "streamid": "x"}
    found = asked_in_vain({"srt_play": block})
    assert [one.dotted for one in found] == ["srt_play.streamid"]


def test_copies_go_to_buckets_and_archives_are_asked_for_at_servers() -> None:
    inputs = [
        {"url": "m4f://h/a", "remote_dvr": "chain"},
        {"url": "m4f://h/a", "remote_dvr": "nochain"},
        {"url": "udp://239.0.0.1:1", "remote_dvr": "none"},
    ]
    assert _paths({"inputs": inputs}) == ["inputs[1].remote_dvr"]
    assert _paths({"inputs": [{"url": "udp://239.0.0.1:1", "remote_dvr": "chain"}]}) == [
        "inputs[0].remote_dvr"
    ]
    assert _paths({"dvr": {"root": "/d", "copy": "s3://k:s@h/bucket"}}) == []
    assert _paths({"dvr": {"root": "/d", "copy": "/other"}}) == ["dvr.copy"]


def test_gaps_are_filled_only_from_a_server_of_ours() -> None:
    dvr = {"root": "/srv", "dvr_replicate": True}
    playlists = ("hls://h/a/index.m3u8", "hlss://h/a/tracks-v1a1/mono.m3u8?token=x")
    for url in ("m4f://h/a", "m4ss://h/a", "tshttp://h/a/mpegts", *playlists):
        assert _paths({"inputs": [{"url": "fake://x"}, {"url": url}], "dvr": dvr}) == []
    for inputs in ([], [{"url": "tshttp://h/a.ts"}], [{"url": "hls://h/a"}]):
        assert _paths({"inputs": inputs, "dvr": dvr}) == ["dvr.dvr_replicate"]
    assert _paths({"dvr": dvr}) == []  # of a source


def _paths(document: dict[str, Any]) -> list[str]:
    return [one.dotted for one in asked_in_vain(document)]


DESCRIPTIVE = {
    "name", "title", "comment", "namespace", "position", "meta", "provider", "labels", "groups",
}  # fmt: skip
"""Said to people and to other programs."""
WITH_EFFECT: dict[type[ApiModel], set[str]] = {
    ServerConfig: {
        "pulsedb", "init_script", "session_log",
        "listeners", "loglevel", "log_requests", "total_bandwidth", "max_sessions", "auth_token",
        "auto_token", "cluster_key", "view_auth", "edit_auth", "api_allowed_from",
        "api_allowed_origins", "trusted_proxies", "admin_view_disabled", "url_prefix",
        "webrtc_addresses", "ice_servers",
        "config_external", "hostname", "streams", "templates", "vods", "event_sinks",
        "auth_backends", "geoip", "nvidia_monitor", "srt", "srt2", "srt_play", "srt2_play",
        "srt_publish", "srt2_publish", "dvrs", "sources", "peers", "balancers", "caches",
    },
    TemplateConfig: {
        "prefixes", "clients_timeout", "retry_limit", "source_timeout", "audio_timeout",
        "video_timeout", "frames_timeout", "max_retry_timeout",
        "recheck_secondary_inputs_interval", "backup", "thumbnails", "on_play", "on_publish",
        "password", "prepush", "protocols", "segment_count", "segment_duration", "chunk_duration",
        "url_prefix", "add_audio_only", "dash_update_period", "pushes", "static", "disabled",
        "inputs", "template", "dvr", "cluster_ingest", "cache",
        "pulse_off", "transcoder", "webrtc_abr", "drm", "playback_headers",
    },
    VodConfig: {
        "prefix", "storages", "disabled", "download", "position", "on_play", "protocols",
        "url_prefix", "segment_duration", "add_audio_only", "drm", "auto_mbr", "cache",
        "segment_cache", "thumbnails",
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("model", "in_vain"),
    [
        (ServerConfig, {*LISTS, *GLOBALS, *protocols.unserved_fields()}),
        (TemplateConfig, set(STREAM_CHECKS)),
        (VodConfig, set(VOD_OPTIONS)),
    ],
)
def test_every_option_has_an_effect_or_is_said_to_have_none(
    model: type[ApiModel], in_vain: set[str]
) -> None:
    """Whoever adds a field says here that it works, or in `unsupported` that it does not."""
    known = WITH_EFFECT[model] | DESCRIPTIVE | in_vain
    assert set(model.model_fields) - known == set()
    assert WITH_EFFECT[model] & in_vain == set()


def test_streams_come_change_and_go() -> None:
    config = ServerConfig.model_validate({"vods": [{"prefix": "films", "storages": []}]})
    tally = Tally()
    stream = {"name": "a", "logo": "/l", "inputs": [{"url": "file://films/x.mp4"}]}
    tally.put(StreamConfig.model_validate(stream))
    tally.put(StreamConfig.model_validate({"name": "b", "inputs": [{"url": "ndi://h:1"}]}))
    assert set(tally.alerts(config)) == {"stream_logo", "input_ndi"}
    tally.put(StreamConfig(name="a"))
    assert set(tally.alerts(config)) == {"input_ndi"}
    tally.drop("b")
    tally.drop("never")
    assert set(tally.alerts(config)) == set()


def test_options_of_pushes_that_nobody_reads_are_said() -> None:
    found = asked_in_vain(
        {
            "pushes": [
                {"url": "udp://239.0.0.1:1", "bitrate": 5_000_000, "vb": 4_000_000},
                {"url": "udp://239.0.0.1:1", "vb": 5000},
                {"url": "rtmp://h/a/k", "retry_limit": 3, "multicast_loop": True, "standby": False},
            ]
        }
    )
    assert [(one.dotted, one.text) for one in found] == [
        ("pushes[1].vb", "vb of udp:// pushes has no effect without bitrate"),
        (
            "pushes[2].multicast_loop",
            "multicast_loop of rtmp:// pushes has no effect in this version",
        ),
    ]


def test_a_publisher_whose_rate_is_left_alone_is_told_none() -> None:
    one = {"url": "publish://", "min_bitrate": 300, "max_bitrate": 9_000_000, "abr_cycles": 3}
    document = {"inputs": [{**one, "webrtc_abr": False}]}
    for item in (document, StreamConfig.model_validate({**document, "name": "s"})):
        found = asked_in_vain(item)
        assert [name.path[-1] for name in found] == ["min_bitrate", "abr_cycles"]
        assert "webrtc_abr false" in found[0].text
    assert asked_in_vain({"inputs": [one]}) == []
