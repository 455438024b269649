"""Stream ids in every form that is documented, and in none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.protocols.srt.stream_id import BadStreamId, StreamId, parse


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("#!::r=cam,m=request", StreamId("cam", "play")),
        ("#!::m=publish,r=live/cam", StreamId("live/cam", "publish")),
        ("#!::r=cam", StreamId("cam")),
        # As a URL has it, which is what ffmpeg sends; a name with a percent sign is escaped twice.
        ("%23!::r%3Dcam,m%3Drequest", StreamId("cam", "play")),
        ("%23%21%3A%3Am%3Dpublish%2Cr%3Dlive/cam", StreamId("live/cam", "publish")),
        ("%23!::r%3Da%2520b", StreamId("a b")),
        ("%23a", StreamId("#a")),
        ("publish:live/cam", StreamId("live/cam", "publish")),
        ("read:cam", StreamId("cam", "play")),
        ("cam", StreamId("cam")),
        ("/a%20b/", StreamId("a b")),
        ("", StreamId("")),
        ("cam?token=x", StreamId("cam", None, "token=x", {"token": "x"})),
        (
            "#!::r=cam?token=x,m=publish,password=p,u=me",
            StreamId(
                "cam",
                "publish",
                "token=x",
                {"token": "x", "password": "p", "u": "me", "user": "me"},
            ),
        ),
    ],
)
def test_forms(text: str, expected: StreamId) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize("text", ["#!::r=a,m=bidirectional", "x" * 600, "%ff", "%23!::r%3D%ff"])
def test_what_cannot_be_meant(text: str) -> None:
    with pytest.raises(BadStreamId):
        parse(text)


@given(st.text(max_size=80))
def test_anything_is_read_or_refused(text: str) -> None:
    for candidate in (text, f"#!::{text}", f"publish:{text}"):
        try:
            assert len(parse(candidate).name) <= len(candidate)
        except BadStreamId:
            continue
