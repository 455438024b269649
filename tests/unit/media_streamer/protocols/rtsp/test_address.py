"""URLs of requests: the stream, its query, its track."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.protocols.rtsp.address import BadUrl, parse


@pytest.mark.parametrize(
    ("url", "name", "query", "track"),
    [
        ("rtsp://h:8554/cam", "cam", "", None),
        ("rtsp://h/live/cam/", "live/cam", "", None),
        ("rtsp://h/cam/trackID=1", "cam", "", 1),
        ("rtsp://h/cam?token=x/trackID=0", "cam", "token=x", 0),
        ("rtsp://h/cam?token=x", "cam", "token=x", None),
        ("rtsp://h/%D0%BA", "к", "", None),
        ("*", "*", "", None),
    ],
)
def test_parts(url: str, name: str, query: str, track: int | None) -> None:
    found = parse(url)
    assert (found.name, found.query, found.track) == (name, query, track)


def test_wanted_tracks() -> None:
    assert parse("rtsp://h/cam?tracks=v1a2").tracks == ("v1", "a2")
    assert parse("rtsp://h/cam?filter.tracks=v2").tracks == ("v2",)
    assert parse("rtsp://h/cam?tracks=nonsense!").tracks == ("'nonsense'",), (
        "no track has that name"
    )


@given(st.text(max_size=60))
def test_anything_is_read_or_refused(text: str) -> None:
    for url in (text, f"rtsp://h/{text}", f"rtsp://[{text}"):
        try:
            parse(url)
        except BadUrl:
            continue
