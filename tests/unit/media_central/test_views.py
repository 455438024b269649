from types import SimpleNamespace

import pytest
from media_central.views import Viewer, denied, public_ports, public_url, with_stats


def link(**config):
    return SimpleNamespace(config={"hostname": "s1", **config}, hostname="s1", ports={"rtmp": 1935})


@pytest.mark.parametrize(
    ("config", "viewer", "url"),
    [
        ({}, Viewer(), "http://s1"),
        ({"api_url": "http://10.0.0.1:81"}, Viewer("central:9019"), "http://10.0.0.1:81"),
        ({"api_url": "http://10.0.0.1:81/streamer/api/v3"}, Viewer(), "http://10.0.0.1:81"),
        ({"api_url": "http://127.0.0.1:8080"}, Viewer("tv.example:9019"),
         "http://tv.example:8080"),
        ({"api_url": "http://127.0.0.1:8080"}, Viewer("[fd00::1]:9019"), "http://[fd00::1]:8080"),
        ({"api_url": "http://127.0.0.1:8080"}, Viewer(None), "http://127.0.0.1:8080"),
        ({"api_url": "http://127.0.0.1:8080"}, Viewer("a.example@b"), "http://b:8080"),
        ({"api_url": "http://127.0.0.1:8080"}, Viewer("a<script>"), "http://127.0.0.1:8080"),
        ({"api_url": "http://127.0.0.1:8080"}, Viewer("[::1%25x\n]"), "http://127.0.0.1:8080"),
        ({"api_url": "http://127.0.0.1:8080"}, Viewer("[junk"), "http://127.0.0.1:8080"),
        ({"api_url": "http://127.0.0.1:8080"}, Viewer("x" * 300), "http://127.0.0.1:8080"),
        ({"api_url": "http://127.0.0.1:8080", "public_payload_url": "https://cdn.example/x"},
         Viewer("tv.example"), "https://cdn.example/x"),
        ({"api_url": "http://u:p@10.0.0.1"}, Viewer(), "http://10.0.0.1"),
        ({"api_url": "http://10.0.0.1"}, Viewer(None, "https"), "https://10.0.0.1"),
    ],
)  # fmt: skip
def test_viewers_are_sent_to_an_address_they_can_reach(config, viewer, url):
    assert public_url(link(**config), viewer) == url


@pytest.mark.parametrize(
    ("config", "ports"),
    [
        ({}, {"rtmp": 1935}),
        ({"public_ports": {"rtmp": 30035}}, {"rtmp": 30035}),
        ({"public_ports": {}}, {}),
    ],
)
def test_a_port_is_told_only_where_viewers_reach_it(config, ports):
    assert public_ports(link(**config)) == ports


def test_protocol_switches():
    assert denied({}) == set()
    assert denied({"protocols": {"rtmp": False}}) >= {"rtmp"}
    only_hls = denied({"protocols": {"whitelist": True, "hls": True}})
    assert "hls" not in only_hls
    assert {"rtmp", "tshttp"} <= only_hls
    assert denied({"drm": {"vendor": "aes128"}}) >= {"rtmp", "dash", "cmaf"}


def test_inputs_and_pushes_are_shown_with_what_the_streamer_tells():
    configured = [{"url": "rtmp://a/key"}, {"url": "udp://b"}, {"url": "srt://c"}]
    reported = [{"url": "rtmp://a/***", "stats": {"status": "running"}}, {"url": "udp://b"}]
    first, second, third = with_stats(configured, reported)
    assert first == {"url": "rtmp://a/key", "stats": {"status": "running"}}
    assert (second, third) == ({"url": "udp://b"}, {"url": "srt://c"})
    assert with_stats(configured, None) == configured
