"""What the log may say of the lines of a playlist."""

import pytest
from media_streamer.protocols.playlist.listing import Due, Piece
from media_streamer.protocols.playlist.pull import PlaylistInput


@pytest.mark.parametrize(
    ("line", "title"),
    [
        ("vod/a.mp4", "vod/a.mp4"),
        ("file://vod/a.mp4", "vod/a.mp4"),
        ("/srv/films/a.mp4", "/srv/films/a.mp4"),
        ("root:$6$abc:19000::::::", "number 7"),
        ("vodka", "number 7"),
        ("/srv/films-of-others/a.mp4", "number 7"),
    ],
)
def test_lines_that_are_no_files_are_not_quoted(line: str, title: str) -> None:
    """`playlist:///etc/shadow` would be read line by line."""
    source = PlaylistInput.__new__(PlaylistInput)
    source._vods = {"vod": ["/srv/films"]}
    assert source._title(Due(7, Piece(line), None)) == title
