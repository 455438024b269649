"""What is sent together where tracks are not sent each alone."""

import pytest
from media_streamer.multiplexes import multiplexes

KINDS = {"v": "video", "a": "audio"}


@pytest.mark.parametrize(
    ("tracks", "expected"),
    [
        ("", [""]),
        ("v1", ["v1"]),
        ("a1 a2", ["a1a2"]),
        ("v1 a1 a2", ["v1a1a2"]),
        ("v1 v2", ["v1", "v2"]),
        ("v1 v2 a1 a2 a3", ["v1a1", "v2a1", "a2", "a3"]),
    ],
)
def test_one_video_has_everything_several_share_the_first_sound(
    tracks: str, expected: list[str]
) -> None:
    found = multiplexes(tracks.split(), lambda name: KINDS[name[0]])
    assert ["".join(members) for members in found] == expected
