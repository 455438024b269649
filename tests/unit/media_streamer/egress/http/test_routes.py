from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.egress.http.routes import BadPath, Route, decode_path, find_route, parse_query

names = st.lists(
    st.text("abcXYZ019._- ü", min_size=1, max_size=8).filter(
        lambda part: part not in (".", "..") and not part.startswith("tracks-")
    ),
    min_size=1,
    max_size=4,
).map("/".join)

FORMS = [
    ("index.m3u8", "hls_master", "ts"),
    ("playlist.m3u8", "hls_master", "ts"),
    ("video.m3u8", "hls_master", "ts"),
    ("index.fmp4.m3u8", "hls_master", "fmp4"),
    ("index.ll.m3u8", "hls_master", "ll"),
    ("mpegts", "ts", ""),
    ("flv", "flv", ""),
    ("preview.jpg", "preview", ""),
    ("embed.html", "player", ""),
    ("media_info.json", "info", "media_info"),
    ("info.json", "info", "info"),
]


@given(names, st.sampled_from(FORMS))
def test_name_is_all_before_the_form(name, form):
    last, kind, file = form
    assert find_route(f"{name}/{last}") == Route(kind, name, file=file)


@given(names)
def test_names_survive_percent_encoding(name):
    for safe in ("/", ""):
        path = decode_path("/" + quote(name, safe=safe) + "/mpegts")
        assert find_route(path) == Route("ts", name)


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("a.ts", Route("ts", "a")),
        ("a/b.flv", Route("flv", "a/b")),
        ("a/tracks-v1a1/mono.m3u8", Route("hls_media", "a", "v1a1", "ts")),
        ("a/tracks-v1/index.ll.m3u8", Route("hls_media", "a", "v1", "ll")),
        ("a/tracks-v1/index.fmp4.m3u8", Route("hls_media", "a", "v1", "fmp4")),
        ("a/b/tracks-a1/init-00ff00ff.mp4", Route("hls_init", "a/b", "a1", "00ff00ff")),
        ("a/tracks-v1/part-17-4.m4s", Route("hls_part", "a", "v1", number=17, index=4)),
        (
            "a/tracks-v1a1/2023/11/14/22/13/20-05000.ts",
            Route("hls_segment", "a", "v1a1", "2023/11/14/22/13/20-05000"),
        ),
        (
            "a/tracks-v1/2023/11/14/22/13/20-00400-250.m4s",
            Route("hls_segment", "a", "v1", "2023/11/14/22/13/20-00400-250"),
        ),
        ("mpegts", None),
        ("index.m3u8", None),
        (".flv", None),
        ("a", None),
        ("a/tracks-v1/other.m3u8", None),
        ("a/tracks-V1/mono.m3u8", None),
        ("a/tracks-v1/2023/11/14/22/13/20-05000.mp4", None),
        ("a/tracks-v1/part-1-1-1.m4s", None),
    ],
)
def test_forms(path, route):
    assert find_route(path) == route


@pytest.mark.parametrize(
    "path", ["", "a", "//a", "/a//b", "/a/../b", "/a/./b", "/%2e%2e/a", "/a%00", "/a%0a", "/a\\b"]
)
def test_paths_that_no_stream_can_have(path):
    with pytest.raises(BadPath):
        decode_path(path)


def test_long_names_are_refused():
    assert find_route("a" * 255 + "/mpegts") is not None
    with pytest.raises(BadPath):
        find_route("a" * 256 + "/mpegts")


@given(st.text(max_size=60))
def test_any_text_is_a_route_or_a_clean_refusal(text):
    try:
        route = find_route(decode_path(text))
    except BadPath:
        return
    assert route is None or route.name


def test_query_takes_the_first_of_equal_names():
    assert parse_query("token=a&token=b&x=&y=%20") == {"token": "a", "x": "", "y": " "}


@pytest.mark.parametrize("query", ["a=%ff", "&".join("a=1" for _ in range(100))])
def test_broken_queries(query):
    with pytest.raises(BadPath):
        parse_query(query)
