"""Manifests of what is recorded: whole, growing, shifted."""

from pathlib import Path
from xml.etree import ElementTree

from media_streamer.archive.container import ArchivedTrack, Group, Head, Piece
from media_streamer.archive.library import Entry, FileContent
from media_streamer.archive.places import RecordedFile
from media_streamer.egress.http.text import QUERY
from media_streamer.presentation.archive import LEAD_MS, WINDOW, visible
from media_streamer.presentation.moments import Moment
from media_streamer.protocols.dash.archive_manifest import render_archive

DASH = "{urn:mpeg:dash:schema:mpd:2011}"
START = 1_700_000_000_000
VIDEO = ArchivedTrack("v1", "video", "avc1.42c01e", 90_000, width=640, height=360)
AUDIO = ArchivedTrack("a1", "audio", "mp4a.40.2", 48_000, channels=2, sample_rate=48_000)
FILE = FileContent(
    RecordedFile(START, Path("/1.mp4")), Head(b"init", (VIDEO, AUDIO), 100, b"init"), (), 0, 0
)


def entry(number: int, *, broken: bool = False, shift_ms: int = 0) -> Entry:
    """Segments of 4 s, whose durations are rounded as on the disk."""
    start_ms = START + 4000 * number + shift_ms
    pieces = tuple(
        Piece(250_000, start_ms * track.timescale // 1000, 3_999_999) for track in (VIDEO, AUDIO)
    )
    return Entry(Group(start_ms, 4_000_000, broken, 100, pieces), FILE, broken)


def manifest(
    entries: list[Entry], moment: Moment, now_ms: int, *wanted: str
) -> ElementTree.Element:
    text = render_archive(
        visible(entries, moment, now_ms), moment, wanted, lambda t: f"tracks-{t.name}/", now_ms
    )
    return ElementTree.fromstring(text.replace(QUERY, "?token=x"))


def test_the_past_is_static_and_plays_without_its_gaps() -> None:
    hour_ms = 3_600_000
    entries = [
        *(entry(number) for number in range(10)),
        *(entry(number, broken=number == 10, shift_ms=hour_ms) for number in range(10, 15)),
    ]
    root = manifest(entries, Moment("archive", START, START + 2 * hour_ms), START + 9 * hour_ms)
    assert root.get("type") == "static"
    assert root.get("mediaPresentationDuration") == "PT60S"
    first, second = root.findall(f"{DASH}Period")
    assert (first.get("start"), second.get("start")) == ("PT0S", "PT40S")
    templates = list(first.iter(f"{DASH}SegmentTemplate"))
    assert [t.get("media") for t in templates] == [
        "tracks-v1/dvr/dash-90000-$Time$.m4s?token=x",
        "tracks-a1/dvr/dash-48000-$Time$.m4s?token=x",
    ]
    assert {t.get("initialization") for t in templates} == {
        f"tracks-v1/dvr/dash-init-{START}.mp4?token=x",
        f"tracks-a1/dvr/dash-init-{START}.mp4?token=x",
    }
    offset = [t.get("presentationTimeOffset") for t in templates]
    assert offset == [str(START * 90), str(START * 48)]
    lines = list(first.iter(f"{DASH}S"))
    # Times follow from one another, though durations are told in whole microseconds.
    assert [(s.get("d"), s.get("r")) for s in lines] == [("360000", "9"), ("192000", "9")]


def test_a_growing_one_counts_by_the_clock_of_the_recording() -> None:
    entries = [entry(number) for number in range(5)]
    moment = Moment("event", START, START + 60_000)
    root = manifest(entries, moment, START + 20_000)
    assert root.get("type") == "dynamic"
    assert root.get("availabilityStartTime") == "1970-01-01T00:00:00.000Z"
    (period,) = root.findall(f"{DASH}Period")
    assert period.get("start") == f"PT{START // 1000}S"
    ended = manifest(entries, moment, moment.to_ms + LEAD_MS + 1)
    assert ended.get("type") == "static"


def test_a_shifted_one_moves_with_the_clock() -> None:
    day_ms = 86_400_000
    entries = [entry(number) for number in range(30)]
    moment = Moment("timeshift", START, START + day_ms)
    root = manifest(entries, moment, START + day_ms + 40_000, "v1")
    assert root.get("availabilityStartTime") == "1970-01-01T23:59:45.000Z"
    (timeline,) = root.iter(f"{DASH}SegmentTimeline")
    assert sum(int(s.get("r", "0")) + 1 for s in timeline) == WINDOW
    # What a player takes for the present is where the list ends.
    present_ms = 40_000 + LEAD_MS
    (only,) = timeline
    assert int(only.get("t", "0")) // 90 + WINDOW * 4000 == START + present_ms - present_ms % 4000


def test_tracks_are_chosen() -> None:
    entries = [entry(0), entry(1)]
    moment = Moment("archive", START, START + 9000)
    for wanted, kinds in (((), ["video", "audio"]), (("a1",), ["audio"])):
        root = manifest(entries, moment, START, *wanted)
        found = [one.get("contentType") for one in root.iter(f"{DASH}AdaptationSet")]
        assert found == kinds
