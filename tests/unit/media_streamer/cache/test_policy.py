"""What is asked for, what may be kept."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.cache.policy import (
    CacheControl,
    NameFilter,
    NotServed,
    lifetime_seconds,
    read_target,
)
from media_streamer.egress.http.routes import BadPath

SEGMENT = "/a/b/tracks-v1/2026/01/02/03/04/05-05000.m4s"
GOOD = {"Content-Length": "5", "Content-Type": "video/mp4"}


@pytest.mark.parametrize(
    ("path", "stream", "is_media"),
    [
        (SEGMENT, "a/b", True),
        ("/a/tracks-v1/init-0123abcd.mp4", "a", True),
        ("/a/b/tracks-v1/other.mp4", "a/b", True),
        ("/a/tracks-v1/part-50.m4s", "a", True),
        ("/a/index.m3u8", "a", False),
        ("/a/tracks-v1/index.ll.m3u8", "a", False),
        ("/a/mpegts", "a", False),
        ("/a.ts", "a", True),
        ("/a.flv", "a", False),
        ("/a/preview.jpg", "a", False),
        ("/a/other.mp4", "a", True),
        ("/a/manifest.mpd", "a", False),
        ("/ui/static/vendor/hls.min.js", "", False),
    ],
)
def test_targets(path, stream, is_media):
    wanted = read_target(path, "")
    assert (wanted.path, wanted.stream) == (path[1:], stream)
    assert wanted.is_media is is_media
    assert wanted.identity == ""


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/ui",
        "/ui/",
        "/x",
        "/a/x",
        "/metrics",
        "/-/x.m3u8",
        "/streamer/api/v3/a.ts",
        "/streamer%2Fapi/v3/a.ts",
        "/%66lussonic/api/v3/index.m3u8",
        "/ui/a.m3u8",
    ],
)
def test_not_served(path):
    with pytest.raises(NotServed):
        read_target(path, "")


@pytest.mark.parametrize("path", ["/a/../b.ts", "/a/%2e%2e/b.ts", "//a.ts", "/a%00.ts", "/%ff.ts"])
def test_bad_paths(path):
    with pytest.raises(BadPath):
        read_target(path, "")


def test_identity_is_who_asks_not_what():
    one = read_target(SEGMENT, "token=x&_HLS_msn=5&_HLS_part=1&_HLS_skip=YES&filter.tracks=v1")
    assert one.identity == "token=x"
    assert read_target(SEGMENT, "b=2&a=1").identity == read_target(SEGMENT, "a=1&b=2").identity
    assert read_target(SEGMENT, "token=").identity != "", "an empty token is not none"
    assert (
        read_target(SEGMENT, "token=a%26b").identity != read_target(SEGMENT, "token=a&b").identity
    )
    with pytest.raises(BadPath):
        read_target(SEGMENT, "token=%ff")
    with pytest.raises(BadPath):
        read_target(SEGMENT, "&".join(f"a{n}=" for n in range(100)))


@pytest.mark.parametrize(
    ("control", "expected"),
    [
        ("public, max-age=3600, immutable", math.inf),
        ("IMMUTABLE", math.inf),
        ("public, max-age=60", 60),
        ("max-age=59", None),
        ("max-age=100, s-maxage=10", None),
        ('max-age="100"', 100),
        ("private, max-age=100", 100),
        ("immutable, no-store", None),
        ("no-cache, max-age=100", None),
        ("max-age=x", None),
        ("max-age=-5", None),
        ("max-age=\u0663\u0663\u0663", None),
        ("", None),
    ],
)
def test_lifetime_by_cache_control(control, expected):
    assert lifetime_seconds(200, {**GOOD, "Cache-Control": control}) == expected


@pytest.mark.parametrize(
    "change",
    [
        {"Content-Length": ""},
        {"Content-Length": "0"},
        {"Content-Length": "\u0665"},
        {"Content-Type": "application/vnd.apple.mpegurl"},
        {"Content-Type": "application/x-mpegURL"},
        {"Content-Type": "application/dash+xml"},
        {"Content-Encoding": "gzip"},
        {"Set-Cookie": "a=b"},
        {"Vary": "Cookie"},
        {"Vary": "*"},
    ],
)
def test_never_stored(change):
    assert lifetime_seconds(200, {**GOOD, "Cache-Control": "immutable", **change}) is None


@pytest.mark.parametrize("status", [201, 206, 301, 302, 403, 404, 500])
def test_only_200_is_stored(status):
    assert lifetime_seconds(status, {**GOOD, "Cache-Control": "immutable"}) is None


def test_age_counts():
    headers = {**GOOD, "Cache-Control": "max-age=100"}
    assert lifetime_seconds(200, {**headers, "Age": "30"}) == 70
    assert lifetime_seconds(200, {**headers, "Age": "50"}) is None


@given(st.text(max_size=60))
def test_cache_control_of_any_text(text):
    control = CacheControl.parse(text)
    assert 0 <= control.max_age < 10**10


@pytest.mark.parametrize(
    ("only", "except_", "name", "served"),
    [
        ([], [], "a", True),
        (["a"], [], "a", True),
        (["a"], [], "ab", False),
        (["a"], [], "a/b", False),
        (["a/*"], [], "a/b/c", True),
        (["a/*"], [], "a", False),
        (["a", "b/*"], [], "b/x", True),
        (["a.c"], [], "abc", False),
        ([], ["a"], "a", False),
        ([], ["a"], "b", True),
        (["a/*"], ["a/x"], "a/x", False),
        (["*"], ["*-secret"], "news-secret", False),
    ],
)
def test_only_and_except(only, except_, name, served):
    assert NameFilter(only, except_).serves(name) is served
