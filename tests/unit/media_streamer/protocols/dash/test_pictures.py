"""Pictures for who seeks."""

from xml.etree import ElementTree

import pytest
from media_streamer.egress.access import AccessDenied
from media_streamer.egress.http.text import QUERY
from media_streamer.presentation.track_index import Init
from media_streamer.protocols.dash.pictures import asked_pictures, picture_set

VIDEO = Init(0, codecs="avc1", width=1280, height=720, kind="video")
SOUND = Init(0, codecs="mp4a", kind="audio")


@pytest.mark.parametrize(
    ("count", "seconds", "first", "strips"),
    [
        (40, 400.0, 0, [0, 100, 200, 300]),
        (40, 401.0, 1_700_000_000, [1_700_000_000 + 101 * n for n in range(4)]),
        (1000, 3.5, 0, [0, 1, 2, 3]),
        (1, 60.0, 0, [0]),
    ],
)
def test_strips_cover_the_time(count: int, seconds: float, first: int, strips: list[int]) -> None:
    text = "".join(picture_set(3, [SOUND, VIDEO], count, seconds, first)).replace(QUERY, "?token=x")
    found = ElementTree.fromstring(text)
    template, entry = found.find(".//SegmentTemplate"), found.find(".//S")
    shown = found.find("Representation")
    assert template is not None
    assert entry is not None
    assert shown is not None
    each, repeats = int(entry.attrib["d"]), int(entry.get("r", "0"))
    assert [int(entry.attrib["t"]) + n * each for n in range(repeats + 1)] == strips
    assert template.attrib["media"] == f"strip-$Time$-{each}.jpg?token=x"
    assert template.attrib["presentationTimeOffset"] == str(first)
    assert strips[-1] + each >= first + seconds
    assert (shown.get("width"), shown.get("height")) == ("800", "180")


def test_what_has_no_video_has_no_pictures() -> None:
    assert list(picture_set(0, [SOUND], 10, 60.0)) == []
    assert list(picture_set(0, [VIDEO], 10, 0.0)) == []


def test_how_many_are_asked_for() -> None:
    assert asked_pictures({}, are_made=False) == 0
    assert asked_pictures({"thumbnails": "25"}, are_made=True) == 25
    for wrong, status in (
        ("0", 400),
        ("-1", 400),
        ("1001", 400),
        ("\u0664", 400),
        ("9" * 99, 400),
        ("0" * 8 + "1" * 5000, 400),
    ):
        with pytest.raises(AccessDenied) as refused:
            asked_pictures({"thumbnails": wrong}, are_made=True)
        assert refused.value.status == status
    with pytest.raises(AccessDenied) as refused:
        asked_pictures({"thumbnails": "5"}, are_made=False)
    assert refused.value.status == 403
