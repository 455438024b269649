import re
from urllib.parse import quote

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.egress.http.request import MediaRequest
from media_streamer.egress.http.routes import (
    BadPath,
    Route,
    Router,
    decode_path,
    not_found,
    parse_query,
)

names = st.lists(
    st.text("abcXYZ019._- ü", min_size=1, max_size=8).filter(
        lambda part: part not in (".", "..") and not part.startswith("tracks-")
    ),
    min_size=1,
    max_size=4,
).map("/".join)


async def one(request: MediaRequest) -> web.StreamResponse:
    raise NotImplementedError


async def other(request: MediaRequest) -> web.StreamResponse:
    raise NotImplementedError


ROUTER = Router(
    [
        Route("/index.m3u8", one, content="list"),
        Route("/mpegts", one),
        Route("/mpegts", other, ("POST",)),
        Route(".ts", one),
        Route(
            re.compile(r"(?P<name>.+)/tracks-(?P<track>[a-z0-9]+)/index\.m3u8"),
            other,
            marker="/tracks-",
            content="list",
        ),
    ]
)


@given(names, st.sampled_from(["/index.m3u8", "/mpegts", ".ts"]))
def test_name_is_all_before_the_form(name, form):
    found = ROUTER.find(name + form)
    assert found is not None
    assert (found.name, found.values, found.endpoint.handlers["GET"]) == (name, {}, one)


@given(names)
def test_names_survive_percent_encoding(name):
    for safe in ("/", ""):
        found = ROUTER.find(decode_path("/" + quote(name, safe=safe) + "/mpegts"))
        assert found is not None
        assert found.name == name


def test_an_expression_goes_first_and_gives_its_groups():
    found = ROUTER.find("a/b/tracks-v1/index.m3u8")
    assert found is not None
    assert (found.name, found.values) == ("a/b", {"track": "v1"})
    assert found.endpoint.handlers["HEAD"] is other
    for other_form in ("a/tracks-V1/index.m3u8", "a/tracks-v1/9.ts", "a/tracks-v1/mpegts"):
        assert ROUTER.find(other_form) is None


def test_a_marker_that_is_shared_takes_no_other_path():
    expression = re.compile(r"(?P<name>.+)/(?P<at>\d+)-preview\.mp4")
    router = Router(
        [Route(expression, one, marker="-preview.mp4", shared=True), Route(".mp4", other)]
    )
    found = router.find("a/5-preview.mp4")
    assert (found.name, found.values) == ("a", {"at": "5"})
    assert router.find("films/my-preview.mp4").name == "films/my-preview"


def test_methods_of_one_form_may_be_of_several_protocols():
    found = ROUTER.find("a/mpegts")
    assert found is not None
    assert found.endpoint.handlers == {"GET": one, "HEAD": one, "POST": other}
    assert ROUTER.methods == {"GET", "HEAD", "POST"}


@pytest.mark.parametrize("path", ["mpegts", "index.m3u8", ".ts", "a", "a/tracks-v1/other.m3u8"])
def test_what_names_no_stream_or_no_form_is_nothing(path):
    assert ROUTER.find(path) is None


@pytest.mark.parametrize(
    "routes",
    [
        [Route("/mpegts", one), Route("/mpegts", other)],
        [Route(re.compile("(?P<name>.+)/a"), one)],
        [Route(re.compile("(.+)/a"), one, marker="/a")],
    ],
)
def test_routes_that_cannot_be_meant(routes):
    with pytest.raises(ValueError, match=r"two protocols|needs a marker"):
        Router(routes)


@pytest.mark.parametrize(
    "path", ["", "a", "//a", "/a//b", "/a/../b", "/a/./b", "/%2e%2e/a", "/a%00", "/a%0a", "/a\\b"]
)
def test_paths_that_no_stream_can_have(path):
    with pytest.raises(BadPath):
        decode_path(path)


def test_long_names_are_refused():
    assert ROUTER.find("a" * 255 + "/mpegts") is not None
    with pytest.raises(BadPath):
        ROUTER.find("a" * 256 + "/mpegts")


@given(st.text(max_size=60))
def test_any_text_is_a_route_or_a_clean_refusal(text):
    try:
        route = ROUTER.find(decode_path(text))
    except BadPath:
        return
    assert route is None or route.name


BOUNDED = "What is recorded is downloaded as archive-FROM-DURATION.mp4"
NO_FORM = "What is recorded is not played in this form: .m3u8, .mpd, .ts and .mp4 are"
SMOOTH = "Smooth Streaming is not served by this version"
JSON = (
    "The manifest in JSON is not served by this version: what is recorded is told by "
    "recording_status.json"
)


def test_query_takes_the_first_of_equal_names():
    assert parse_query("token=a&token=b&x=&y=%20") == {"token": "a", "x": "", "y": " "}


@pytest.mark.parametrize("query", ["a=%ff", "&".join("a=1" for _ in range(100))])
def test_broken_queries(query):
    with pytest.raises(BadPath):
        parse_query(query)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("cam.isml/manifest", SMOOTH),
        ("a/cam.ism/Manifest", SMOOTH),
        ("cam/shoutcast", "SHOUTcast is not served by this version"),
        ("cam/index.json", JSON),
        ("a/cam/archive-1700000000-3600.json", JSON),
        ("cam/archive-1700000000-now.json", JSON),
        ("cam/rewind-3600.json", JSON),
        ("cam/timeshift_abs-1700000000.json", JSON),
        ("cam/timeshift_rel-60.json", JSON),
        ("cam(archive=1700000000-60).isml/manifest", SMOOTH),
        ("cam/archive-1700000000-60.f4m", "HDS is not served by this version"),
        ("cam/rewind-60.mp4", BOUNDED),
        ("a/cam/video-timeshift_rel-60.mp4", BOUNDED),
        ("cam/video-1700000000-60.mp4", BOUNDED),
        ("cam/archive-1700000000-60.flv", NO_FORM),
        ("cam/timeshift_abs-1700000000/mpegts", NO_FORM),
        ("cam/rewind-60/whep", NO_FORM),
        ("cam/archive-of-it.mp4", "There is nothing here"),
        ("cam/archive-of-it.json", "There is nothing here"),
        ("cam/else", "There is nothing here"),
    ],
)
def test_a_form_that_is_known_and_not_served_is_told_by_its_name(path, words):
    assert not_found(path) == words
