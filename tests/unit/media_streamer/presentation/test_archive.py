from pathlib import Path

from media_streamer.archive.container import ArchivedTrack, Group, Head, Piece, merge_inits
from media_streamer.archive.library import Entry, FileContent
from media_streamer.archive.places import RecordedFile
from media_streamer.presentation.archive import (
    EMPTY_BYTES,
    LEAD_MS,
    WINDOW,
    archived_multiplexes,
    archived_names,
    archived_tracks,
    visible,
)
from media_streamer.presentation.moments import Moment
from media_streamer.protocols.hls.archive_playlist import (
    render_archive,
    segment_name,
    segment_start,
)
from msgspec.structs import replace

from tests.support.recordings import track_init

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
    text = render_archive(["v1"], "archive", shown, 4.0)
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
    last = ENTRIES[-1]
    long = last._replace(group=replace(last.group, duration_us=20_000_000))
    assert not visible([*ENTRIES, long], moment, START + 60_000 + 40_000).ended
    assert visible([*ENTRIES, long], moment, START + 60_000 + 40_001).ended


def test_the_longest_segment_is_told_before_and_after_it_is_shown() -> None:
    last = ENTRIES[-1]
    long = last._replace(group=replace(last.group, duration_us=20_000_000))
    moment = Moment("timeshift", START, START + 10**9)
    for entries in ([*ENTRIES, long], [long, *ENTRIES]):
        for shown_ms in (0, 60_000):
            shown = visible(entries, moment, START + 10**9 + shown_ms)
            text = render_archive(["v1"], "timeshift", shown, 4.0)
            assert "#EXT-X-TARGETDURATION:20\n" in text


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
    text = render_archive(["v1"], "timeshift", later, 4.0)
    assert f"#EXT-X-MEDIA-SEQUENCE:{later.first}\n#EXT-X-DISCONTINUITY-SEQUENCE:1\n" in text
    assert "PLAYLIST-TYPE" not in text


def test_gaps_and_other_sections_are_said() -> None:
    other = content(START + 80_000, VIDEO, AUDIO, init=b"other")
    entries = [entry(0, FILE), entry(1, FILE), entry(20, other, broken=True)]
    shown = visible(entries, Moment("archive", START, START + 200_000), START)
    text = render_archive(["a1"], "archive", shown, 4.0, "http://cdn/x/")
    assert text.count("#EXT-X-MAP") == 2
    after = text[text.index("#EXT-X-DISCONTINUITY\n") :]
    assert f'#EXT-X-MAP:URI="http://cdn/x/dvr/init-{START + 80_000}.mp4' in after


def test_a_track_that_is_not_there_leaves_a_hole_and_all_lists_count_alike() -> None:
    silent = content(START + 4000, VIDEO, init=b"silent")
    entries = [entry(0, FILE), entry(1, silent, broken=True), entry(2, FILE, broken=True)]
    shown = visible(entries, Moment("archive", START, START + 200_000), START)
    lists = [render_archive([track], "archive", shown, 4.0) for track in ("v1", "a1")]
    assert [text.count("#EXT-X-GAP") for text in lists] == [0, 1]
    assert [text.count("#EXT-X-DISCONTINUITY\n") for text in lists] == [2, 2]
    assert [text.count(".m4s") for text in lists] == [3, 3]


def test_tracks_for_the_multivariant_playlist() -> None:
    video, audio = archived_tracks(ENTRIES)
    assert (video.name, video.bandwidth, video.init and video.init.width) == ("v1", 500_000, 640)
    assert audio.init is not None
    assert audio.init.language == "de"


MPEG_VIDEO = ArchivedTrack("v1", "video", "mp4v.61", 90_000, width=640, height=360)
MPEG_AUDIO = ArchivedTrack("a1", "audio", "mp4a.6B", 48_000, language="de")
AV1 = ArchivedTrack("v1", "video", "av01.0.04M.08", 90_000)
SECTION = merge_inits([track_init(90_000), track_init(48_000, b"soun")])


def test_a_list_of_mpeg_ts_is_of_a_multiplex() -> None:
    file = content(START, MPEG_VIDEO, MPEG_AUDIO, init=SECTION)
    entries = [entry(0, file), entry(1, file), entry(20, file, broken=True)]
    shown = visible(entries, Moment("event", START, START + 10**9), START)
    text = render_archive(("v1", "a1"), "event", shown, 4.0, "", "ts")
    assert text.startswith("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:4\n")
    assert "#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-MEDIA-SEQUENCE:0\n" in text
    assert "EXT-X-MAP" not in text
    assert "INDEPENDENT" not in text
    assert text.count("#EXTINF:4.000,\ndvr/2023/11/14/22/13/2") == 2
    assert text.count(".ts") == 3
    after = text.partition("#EXT-X-DISCONTINUITY\n")[2]
    assert after.startswith("#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:14:40.000Z\n")


def test_what_mpeg_ts_has_nothing_of_is_a_hole() -> None:
    """Another codec, no sound for a moment: all lists count alike."""
    other = content(START + 4000, AV1, MPEG_AUDIO, init=SECTION)
    file = content(START, MPEG_VIDEO, MPEG_AUDIO, init=SECTION)
    silent = entry(2, file, broken=True)
    video, audio = silent.group.pieces
    group = replace(silent.group, pieces=(video, replace(audio, size=EMPTY_BYTES)))
    entries = [entry(0, file), entry(1, other, broken=True), silent._replace(group=group)]
    shown = visible(entries, Moment("archive", START, START + 200_000), START)
    gaps = {
        names: [
            "#EXT-X-GAP" in one
            for one in render_archive(names, "archive", shown, 4.0, "", "ts").split("TIME:")[1:]
        ]
        for names in (("v1", "a1"), ("v1",), ("a1",))
    }
    assert gaps == {
        ("v1", "a1"): [False, False, False],
        ("v1",): [False, True, False],
        ("a1",): [False, False, True],
    }
    assert "#EXT-X-VERSION:8\n" in render_archive(("a1",), "archive", shown, 4.0, "", "ts")


def test_a_track_that_ended_is_one_of_the_list_still() -> None:
    silent = content(START + 4000, VIDEO)
    assert archived_names([entry(0, FILE), entry(1, silent)]) == {"v1", "a1"}


def test_multiplexes_for_the_multivariant_playlist() -> None:
    (both,) = archived_multiplexes(archived_tracks(ENTRIES))
    assert both.name == "v1a1"
    assert both.init is not None
    assert (both.init.codecs, both.init.width) == ("avc1.42c01e,mp4a.40.2", 640)
    assert (both.init.kind, both.init.language) == ("multiplex", "de")
    assert 1_000_000 < both.bandwidth < 1_200_000
    second = ArchivedTrack("v2", "video", "avc1.42c01e", 90_000, width=320, height=180)
    other = ArchivedTrack("a2", "audio", "mp4a.40.2", 48_000, language="fr")
    file = content(START, VIDEO, second, AUDIO, other)
    found = archived_multiplexes(archived_tracks([entry(0, file)]))
    assert [track.name for track in found] == ["v1a1", "v2a1", "a2"]
    assert [track.init.width for track in found if track.init] == [640, 320, 0]
    assert [track.init.language for track in found if track.init] == ["de", "de", "fr"]
