"""Every form that the table of protocols and the folders promise is answered."""

import pytest
from media_api import protocols
from media_streamer.egress.http.mount import path_forms
from media_streamer.egress.http.routes import READS


def served_forms(role):
    return [
        pytest.param(form.path, id=form.name)
        for row, found in protocols.roles(role)
        if row.transport == "http" and found.served
        for form in found.forms
    ]


@pytest.mark.parametrize("path", served_forms("play"))
def test_play_urls_are_answered(path):
    found = path_forms().find(path.format(name="a/b")[1:])
    assert found is not None
    assert found.name == "a/b"
    # WebRTC begins with an offer.
    methods = ("POST",) if path.endswith("/whep") else READS
    assert found.endpoint.handlers.keys() >= set(methods)


@pytest.mark.parametrize("path", served_forms("publish"))
def test_publish_urls_are_answered(path):
    found = path_forms().find(path.format(name="a/b")[1:])
    assert found is not None
    assert "POST" in found.endpoint.handlers


@pytest.mark.parametrize(
    ("path", "name", "values", "content"),
    [
        ("a.ts", "a", {}, "endless"),
        ("a/b.flv", "a/b", {}, "endless"),
        ("a/flv", "a", {}, "endless"),
        ("a/playlist.m3u8", "a", {}, "list"),
        ("a/video.m3u8", "a", {}, "list"),
        ("a/media_info.json", "a", {}, "page"),
        ("a/info.json", "a", {}, "page"),
        ("a/tracks-v1a1/mono.m3u8", "a", {"track": "v1a1", "file": "mono.m3u8"}, "list"),
        ("a/tracks-v1/index.ll.m3u8", "a", {"track": "v1", "file": "index.ll.m3u8"}, "list"),
        ("a/tracks-v1/index.fmp4.m3u8", "a", {"track": "v1", "file": "index.fmp4.m3u8"}, "list"),
        ("a/b/tracks-a1/init-00ff00ff.mp4", "a/b", {"track": "a1", "file": "00ff00ff"}, "file"),
        ("a/tracks-v1/part-17.m4s", "a", {"track": "v1", "number": "17"}, "file"),
        (
            "a/tracks-v1a1/2023/11/14/22/13/20-05000.ts",
            "a",
            {"track": "v1a1", "file": "2023/11/14/22/13/20-05000"},
            "file",
        ),
        (
            "a/tracks-v1/2023/11/14/22/13/20-00400-250.m4s",
            "a",
            {"track": "v1", "file": "2023/11/14/22/13/20-00400-250"},
            "file",
        ),
    ],
)
def test_forms(path, name, values, content):
    found = path_forms().find(path)
    assert found is not None
    assert (found.name, found.values, found.endpoint.content) == (name, values, content)


@pytest.mark.parametrize(
    "path",
    [
        ".flv",
        "a/tracks-v1/other.m3u8",
        "a/tracks-V1/mono.m3u8",
        "a/tracks-v1/2023/11/14/22/13/20-05000.mp4",
        "a/tracks-v1/part-1-1.m4s",
    ],
)
def test_what_is_nothing(path):
    assert path_forms().find(path) is None
