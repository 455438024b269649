from pathlib import Path

from media_streamer.archive.container import ArchivedTrack, Group, Head, Piece
from media_streamer.archive.library import Entry, FileContent
from media_streamer.archive.places import RecordedFile
from media_streamer.presentation.archive import LEAD_MS, WINDOW, archived_tracks, visible
from media_streamer.presentation.moments import Moment
from media_streamer.protocols.hls.archive_playlist import (
    render_archive,
    segment_name,
    segment_start,
)

START = 1_700_000_000_000
VIDEO = ArchivedTrack("v1", "video", "avc1.42c01e", 90_000, width=640, height=360)
AUDIO = ArchivedTrack("a1", "audio", "mp4a.40.2", 48_000, language="de")


def content(start_ms: int, *tracks: ArchivedTrack, init: bytes = b"init") -> FileContent:
    file = RecordedFile(start_ms, Path(f"/{start_ms}.mp4"))
    return FileContent(file, Head(init, tracks, 100, init), (), 0, 0)


def entry(number: int, file: FileContent, *, broken: bool = False, ms: int = 0) -> Entry:
    pieces = tuple(Piece(250_000, 0, 4_000_000) for _ in file.head.tracks)
    group = Group(START + number * 4000 + ms, 4_000_000, broken, 100, pieces)
    return Entry(group, file, broken)


FILE = content(START, VIDEO, AUDIO)
ENTRIES = [entry(number, FILE) for number in range(30)]


def test_names_of_segments_say_when_they_begin() -> None:
    group = entry(3, FILE, ms=57).group
    assert segment_name(group) == "2023/11/14/22/13/32-04000-057"
    assert segment_start(segment_name(group)) == group.start_ms


def test_a_list_of_the_past_is_whole() -> None:
    shown = visible(ENTRIES, Moment("archive", START, START + 200_000), START)
    text = render_archive("v1", "archive", shown, 4.0)
    assert text.startswith("#EXTM3U\n#EXT-X-VERSION:8\n#EXT-X-TARGETDURATION:4\n")
    assert "#EXT-X-PLAYLIST-TYPE:VOD\n" in text
    assert text.endswith("#EXT-X-ENDLIST\n")
    assert text.count(".m4s") == 30
    assert text.count("#EXT-X-MAP") == 1
    assert f'URI="dvr/init-{START}.mp4' in text
    assert "#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:20.000Z\n#EXTINF:4.000,\n" in text


def test_a_growing_list_ends_after_its_end() -> None:
    moment = Moment("event", START, START + 60_000)
    assert not visible(ENTRIES, moment, START + 60_000).ended
    assert visible(ENTRIES, moment, START + 60_000 + LEAD_MS + 1).ended


def test_a_shifted_list_moves_with_the_clock_and_counts_on() -> None:
    moment, began = Moment("timeshift", START, START + 10**9), START + 10**9
    broken = [entry(n, FILE, broken=n in {1, 20}) for n in range(30)]
    first = visible(broken, moment, began)
    assert [one.group.start_ms - START for one in first.entries] == [0, 4000, 8000]
    assert (first.first, first.breaks, first.ended) == (0, 0, False)
    later = visible(broken, moment, began + 60_000)
    assert len(later.entries) == WINDOW
    assert later.entries[-1].group.end_ms <= START + 60_000 + LEAD_MS
    assert later.entries[0].group.start_ms == START + later.first * 4000
    assert later.breaks == 1
    text = render_archive("v1", "timeshift", later, 4.0)
    assert f"#EXT-X-MEDIA-SEQUENCE:{later.first}\n#EXT-X-DISCONTINUITY-SEQUENCE:1\n" in text
    assert "PLAYLIST-TYPE" not in text


def test_gaps_and_other_sections_are_said() -> None:
    other = content(START + 80_000, VIDEO, AUDIO, init=b"other")
    entries = [entry(0, FILE), entry(1, FILE), entry(20, other, broken=True)]
    shown = visible(entries, Moment("archive", START, START + 200_000), START)
    text = render_archive("a1", "archive", shown, 4.0, "http://cdn/x/")
    assert text.count("#EXT-X-MAP") == 2
    after = text[text.index("#EXT-X-DISCONTINUITY\n") :]
    assert f'#EXT-X-MAP:URI="http://cdn/x/dvr/init-{START + 80_000}.mp4' in after


def test_a_track_that_is_not_there_leaves_a_hole_and_all_lists_count_alike() -> None:
    silent = content(START + 4000, VIDEO, init=b"silent")
    entries = [entry(0, FILE), entry(1, silent, broken=True), entry(2, FILE, broken=True)]
    shown = visible(entries, Moment("archive", START, START + 200_000), START)
    lists = [render_archive(track, "archive", shown, 4.0) for track in ("v1", "a1")]
    assert [text.count("#EXT-X-GAP") for text in lists] == [0, 1]
    assert [text.count("#EXT-X-DISCONTINUITY\n") for text in lists] == [2, 2]
    assert [text.count(".m4s") for text in lists] == [3, 3]


def test_tracks_for_the_multivariant_playlist() -> None:
    video, audio = archived_tracks(ENTRIES)
    assert (video.name, video.bandwidth, video.init and video.init.width) == ("v1", 500_000, 640)
    assert audio.init is not None
    assert audio.init.language == "de"
