"""Which form what is recorded is listed in, and what is refused."""

from pathlib import Path

import pytest
from media_streamer.archive.container import ArchivedTrack, Group, Head, Piece, merge_inits
from media_streamer.archive.library import Entry, FileContent
from media_streamer.archive.places import RecordedFile
from media_streamer.egress.access import AccessDenied
from media_streamer.presentation.archive import archived_tracks
from media_streamer.protocols.hls.archive import check_listed, fits_ts

from tests.support.recordings import track_init

START = 1_700_000_000_000
SOUND = ArchivedTrack("a1", "audio", "mp4a.6B", 48_000)


def entries(video: str, *other: str) -> list[Entry]:
    """A segment for each codec of a video that has the same sound with it."""
    made = []
    for number, codecs in enumerate((video, *other)):
        tracks = (ArchivedTrack("v1", "video", codecs, 90_000), SOUND) if codecs else (SOUND,)
        init = merge_inits([track_init(track.timescale) for track in tracks])
        start_ms = START + 4000 * number
        file = FileContent(
            RecordedFile(start_ms, Path("/1.mp4")), Head(init, tracks, 100, init), (), 0
        )
        pieces = tuple(Piece(250_000, 0, 4_000_000) for _ in tracks)
        made.append(Entry(Group(start_ms, 4_000_000, False, 100, pieces), file, False))
    return made


@pytest.mark.parametrize(
    ("codecs", "fits"),
    [("mp4v.61", True), ("hvc1.1.6.L93.B0", False), ("av01.0.04M.08", False), ("xx", False)],
)
def test_mpeg_ts_is_for_what_hls_carries_in_it(codecs: str, fits: bool) -> None:
    found = entries("mp4v.61", codecs)
    tracks = archived_tracks(found)
    assert fits_ts(found, tracks) is fits
    assert fits_ts(found, [track for track in tracks if track.name == "a1"])


def test_tracks_that_there_never_were_are_refused() -> None:
    found = entries("mp4v.61", "")
    check_listed(found, ("v1", "a1"), "ts")  # the video has ended, and the list has not
    check_listed(found, ("v1",), "fmp4")
    for names, container in ((("v1", "a2"), "ts"), (("v1a1",), "fmp4"), (("'x'",), "ts")):
        with pytest.raises(AccessDenied) as denied:
            check_listed(found, names, "ts" if container == "ts" else "fmp4")
        assert denied.value.status == 404


def test_what_mpeg_ts_cannot_carry_is_refused_with_its_codec() -> None:
    found = entries("mp4v.61", "av01.0.04M.08")
    with pytest.raises(AccessDenied) as denied:
        check_listed(found, ("v1", "a1"), "ts")
    assert denied.value.status == 406
    assert "v1 (av01.0.04M.08)" in denied.value.title
    check_listed(found, ("a1",), "ts")
    check_listed(found, ("v1",), "fmp4")
