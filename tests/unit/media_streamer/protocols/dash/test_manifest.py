"""Manifests say what there is, and the same whoever renders them."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from media_streamer.egress.http.text import QUERY
from media_streamer.presentation.track_index import Init, Part, Period, Segment, Timing, TrackIndex
from media_streamer.protocols.dash.manifest import render

from tests.support import dash_rules

DASH = "{urn:mpeg:dash:schema:mpd:2011}"
START = Period(1_700_000_000_000, 90_000)
VIDEO = Init(1, "/v1", "avc1.64001f", 640, 360, 25.0, kind="video", timescale=90_000)
SOUND = Init(1, "/a1", "mp4a.40.2", channels=2, sample_rate=48_000, kind="audio", timescale=48_000)


def track(name: str, init: Init, lengths: Sequence[int], period: Period = START) -> TrackIndex:
    """Segments of these lengths in ticks, from the start of the period."""
    made = TrackIndex(name, inits={init.number: init})
    time = round(period.time * init.timescale / 90_000)
    extend(made, init, time, lengths, period)
    return made


def extend(made: TrackIndex, init: Init, time: int, lengths: Sequence[int], period: Period) -> None:
    for length in lengths:
        elapsed = time / init.timescale - period.time / 90_000
        msn = made.segments[-1].msn + 1 if made.segments else 7
        made.segments.append(
            Segment(
                msn=msn,
                start_utc_ms=round(period.utc_ms + 1000 * elapsed),
                duration=length / init.timescale,
                path=f"/{msn}",
                size=1000,
                discontinuity=False,
                init=init.number,
                bandwidth=100_000 + msn,
                time=time,
                period=period,
            )
        )
        time += length


def manifest(*tracks: TrackIndex, segment: float = 2.0, **options: object) -> ElementTree.Element:
    text = render(
        tracks,
        Timing(segment=segment),
        lambda track: f"tracks-{track.name}/",
        **options,  # type: ignore[arg-type]  # test shorthand
    )
    return ElementTree.fromstring(text.replace(QUERY, "?token=x"))


def under(root: ElementTree.Element, tag: str) -> list[ElementTree.Element]:
    return list(root.iter(f"{DASH}{tag}"))


@dataclass(frozen=True)
class Listed:
    url: str
    start: float
    """Presentation time in seconds."""
    duration: float


def listed(root: ElementTree.Element, kind: str) -> Iterator[Listed]:
    """The segments of a kind as a player reads them."""
    for period in under(root, "Period"):
        begins = float(period.attrib["start"].removeprefix("PT").removesuffix("S"))
        for members in under(period, "AdaptationSet"):
            if members.attrib["contentType"] != kind:
                continue
            for template in under(members, "SegmentTemplate"):
                scale = int(template.attrib["timescale"])
                offset = int(template.attrib["presentationTimeOffset"])
                time = 0
                for entry in under(template, "S"):
                    time = int(entry.get("t", time))
                    length = int(entry.attrib["d"])
                    for _ in range(int(entry.get("r", 0)) + 1):
                        url = template.attrib["media"].replace("$Time$", str(time))
                        yield Listed(url, begins + (time - offset) / scale, length / scale)
                        time += length


def test_what_players_are_told() -> None:
    root = manifest(track("v1", VIDEO, [180_000] * 3), track("a1", SOUND, [96_256, 95_232, 96_256]))
    assert root.attrib["type"] == "dynamic"
    assert root.attrib["availabilityStartTime"] == "1970-01-01T00:00:00.000Z"
    assert root.attrib["publishTime"] == "2023-11-14T22:13:26.000Z"
    assert root.attrib["timeShiftBufferDepth"] == "PT6S"
    assert root.attrib["minimumUpdatePeriod"] == "PT1S"
    video, sound = under(root, "Representation")
    assert video.attrib["id"] == "v1"
    assert video.attrib["frameRate"] == "25"
    assert sound.attrib["audioSamplingRate"] == "48000"
    assert [one.duration for one in listed(root, "video")] == [2.0, 2.0, 2.0]
    first, *_, last = listed(root, "audio")
    assert first.url == "tracks-a1/dash-1700000000000-48000.m4s?token=x"
    assert last.url == "tracks-a1/dash-1700000000000-239488.m4s?token=x"
    assert first.start == START.utc_ms / 1000
    template = under(video, "SegmentTemplate")[0]
    assert template.attrib["initialization"] == f"tracks-v1/dash-init-{VIDEO.name}.mp4?token=x"
    (clock,) = under(root, "UTCTiming")
    assert clock.attrib["value"] == "dash-time?token=x"


@pytest.mark.parametrize("sound", [71_680, 72_704])
def test_picture_and_sound_begin_together_where_the_first_segment_is_nearly_short(
    sound: int,
) -> None:
    """Key frames each 1.5 s of a target of 2: the sound of the first is 1.493 or 1.515 s."""
    picture = track("v1", VIDEO, [135_000, 180_000, 180_000])
    root = manifest(picture, track("a1", SOUND, [sound, 95_232, 96_256]))
    first, other = (next(listed(root, kind)) for kind in ("video", "audio"))
    assert abs(first.start - other.start) < 0.1
    assert len(list(listed(root, "video"))) == len(list(listed(root, "audio")))


def test_a_short_first_segment_is_shown_until_all_tracks_have_another() -> None:
    picture = track("v1", VIDEO, [90_000, 180_000])
    alone = manifest(picture, track("a1", SOUND, [48_128]))
    assert [len(list(listed(alone, kind))) for kind in ("video", "audio")] == [2, 1]
    both = manifest(picture, track("a1", SOUND, [48_128, 95_232]))
    assert [len(list(listed(both, kind))) for kind in ("video", "audio")] == [1, 1]


def test_update_period_and_location_are_said() -> None:
    root = manifest(
        track("v1", VIDEO, [180_000]), update_seconds=5, location="index.mpd", segment=2.0
    )
    assert root.attrib["minimumUpdatePeriod"] == "PT5S"
    assert [found.text for found in under(root, "Location")] == ["index.mpd?token=x"]


def test_a_discontinuity_begins_a_period_and_the_window_may_move_on() -> None:
    v1 = track("v1", VIDEO, [180_000] * 3)
    later = Period(START.utc_ms + 60_000, 900_000)
    extend(v1, VIDEO, 900_000, [180_000] * 2, later)
    before = manifest(v1)
    assert [period.attrib["start"] for period in under(before, "Period")] == [
        "PT1700000000S",
        "PT1700000060S",
    ]
    assert [one.start for one in listed(before, "video")][-2:] == [1_700_000_060, 1_700_000_062]
    v1.segments.popleft()
    assert list(listed(manifest(v1), "video")) == list(listed(before, "video"))[1:]


def test_each_language_is_a_set_and_renditions_of_a_group_share_one() -> None:
    def rendition(name: str, rank: int, height: int) -> TrackIndex:
        init = Init(
            1, f"/{name}", "avc1.64001f", 16 * height // 9, height, 25.0,
            kind="video", timescale=90_000, group="ladder", rank=rank,
        )  # fmt: skip
        return track(name, init, [180_000])

    def sound(name: str, language: str) -> TrackIndex:
        init = Init(1, f"/{name}", "mp4a.40.2", language=language, kind="audio", timescale=48_000)
        return track(name, init, [96_000])

    root = manifest(
        sound("a1", 'deu"<&'), sound("a2", "eng"), rendition("v2", 1, 360), rendition("v1", 0, 720)
    )
    sets = under(root, "AdaptationSet")
    assert [(s.attrib["contentType"], s.get("lang")) for s in sets] == [
        ("video", None), ("audio", "deu"), ("audio", "eng"),
    ]  # fmt: skip
    assert [r.attrib["height"] for r in under(sets[0], "Representation")] == ["720", "360"]
    roles = [role.attrib["value"] for role in under(root, "Role")]
    assert roles == ["main", "main", "alternate"]


def test_videos_share_a_set_if_they_can_be_switched() -> None:
    """Renditions need no name for it; a video that is not cut at its key frames stands alone."""

    def video(name: str, height: int) -> TrackIndex:
        init = Init(0, f"/{name}", "avc1.64001f", 640, height, 25.0, kind="video", timescale=90_000)
        return track(name, init, [180_000] * 3)

    alike, other = [video("v1", 720), video("v2", 360)], video("v3", 480)
    other.segments[1] = replace(other.segments[1], independent=False)
    root = manifest(*alike, other)
    sets = under(root, "AdaptationSet")
    assert [[r.get("id") for r in under(one, "Representation")] for one in sets] == [
        ["v1", "v2"],
        ["v3"],
    ]
    assert [one.get("startWithSAP") for one in sets] == ["1", None]


def test_what_was_empty_or_came_without_its_place_is_left_out() -> None:
    v1, a1 = track("v1", VIDEO, [180_000] * 3), track("a1", SOUND, [96_000] * 3)
    hole = a1.segments[1]
    a1.segments[1] = Segment(
        hole.msn, hole.start_utc_ms, 2.0, "/x", 24, False, 1, 96, time=hole.time, period=START
    )
    gone = v1.segments[2]
    v1.segments[2] = Segment(gone.msn, gone.start_utc_ms, 2.0, "/x", 1000, False, 1, 9)
    root = manifest(v1, a1)
    assert len(list(listed(root, "video"))) == 2
    first, last = listed(root, "audio")
    assert last.start - first.start == 4.0


def test_the_early_first_segment_is_shown_only_while_it_is_alone() -> None:
    assert [one.duration for one in listed(manifest(track("v1", VIDEO, [90_000])), "video")] == [1]
    several = manifest(track("v1", VIDEO, [90_000, 180_000, 180_000]))
    assert [one.duration for one in listed(several, "video")] == [2, 2]


def test_a_source_whose_clock_is_slow_moves_the_beginning_of_time() -> None:
    v1 = track("v1", VIDEO, [180_000] * 3)
    newest = v1.segments[-1]
    v1.segments[-1] = Segment(
        newest.msn, newest.start_utc_ms + 3400, 2.0, "/x", 1000, False, 1, 9,
        time=newest.time, period=START,
    )  # fmt: skip
    assert manifest(v1).attrib["availabilityStartTime"] == "1970-01-01T00:00:03.000Z"
    fast = track("v1", VIDEO, [180_000] * 3)
    last = fast.segments[-1]
    fast.segments[-1] = Segment(
        last.msn, last.start_utc_ms - 2100, 2.0, "/x", 1000, False, 1, 9,
        time=last.time, period=START,
    )  # fmt: skip
    moved = datetime.fromisoformat(manifest(fast).attrib["availabilityStartTime"])
    assert moved.timestamp() == -2


@pytest.mark.parametrize("low_latency", [False, True])
def test_what_comes_late_is_told_for_when_it_can_be_had(low_latency: bool) -> None:
    video = track("v1", VIDEO, [180_000] * 3)
    began = manifest(video, low_latency=low_latency)
    video.segments[-1] = replace(video.segments[-1], late_ms=25_300)
    root = manifest(video, low_latency=low_latency)
    assert root.get("availabilityStartTime") == "1970-01-01T00:00:25.000Z"
    assert began.get("availabilityStartTime") == "1970-01-01T00:00:00.000Z"
    assert root.get("publishTime") == began.get("publishTime")
    clocks = [
        [one.get("wallClockTime") for one in under(each, "ProducerReferenceTime")]
        for each in (began, root)
    ]
    assert (clocks[0] != clocks[1]) == low_latency


def test_nothing_to_show_is_still_a_manifest() -> None:
    assert under(manifest(), "Period") == []
    words = Init(1, "/t1", "wvtt", kind="subtitles", timescale=1000)
    assert under(manifest(track("t1", words, [1000])), "Period") == []


@given(
    st.lists(st.tuples(st.integers(1, 400_000), st.integers(0, 3)), min_size=1, max_size=30),
    st.booleans(),
)
def test_times_are_those_of_the_segments(steps: list[tuple[int, int]], with_sound: bool) -> None:
    """`steps`: lengths, and holes of some ticks before them."""
    v1 = TrackIndex("v1", inits={1: VIDEO})
    time = START.time
    for length, hole in steps:
        time += hole
        extend(v1, VIDEO, time, [length], START)
        time += length
    others = [track("a1", SOUND, [96_000])] if with_sound else []
    shown = list(listed(manifest(v1, *others, segment=0.01), "video"))
    wanted = [segment.time for segment in v1.segments][-len(shown) :]
    assert len(shown) >= len(steps) - 1
    assert [int(one.url.split("-")[3].partition(".")[0]) for one in shown] == wanted
    for before, after in itertools.pairwise(shown):
        assert after.start >= before.start + before.duration - 1e-6


def parts(made: TrackIndex, *lengths: float) -> None:
    """The segment under way has these parts, in seconds."""
    msn = made.segments[-1].msn + 1
    made.parts = [
        Part(msn, index, index, length, not index, f"/{msn}", 1000 * index, 1000)
        for index, length in enumerate(lengths)
    ]


def test_low_latency_lists_the_segment_under_way() -> None:
    tracks = (track("v1", VIDEO, [180_000] * 3), track("a1", SOUND, [96_000] * 3))
    root = manifest(*tracks, low_latency=True)
    found = list(listed(root, "video"))
    assert [one.start - START.utc_ms / 1000 for one in found] == [0, 2, 4, 6]
    assert [one.duration for one in found] == [2, 2, 2, 2]
    assert found[-1].url == "tracks-v1/dash-ll-1700000000000-630000.m4s?token=x"
    for template in under(root, "SegmentTemplate"):
        assert template.attrib["availabilityTimeOffset"] == "1.8"
        assert template.attrib["availabilityTimeComplete"] == "false"
    assert root.attrib["availabilityStartTime"] == "1970-01-01T00:00:00.000Z"
    # Behind the end of the segment under way and what may be had early: Shaka counts from there.
    assert root.attrib["suggestedPresentationDelay"] == "PT5.8S"
    clocks = under(root, "ProducerReferenceTime")
    assert [one.attrib["presentationTime"] for one in clocks] == ["90000", "48000"]
    assert {one.attrib["wallClockTime"] for one in clocks} == {"2023-11-14T22:13:20.000Z"}
    (latency,) = under(root, "Latency")
    assert latency.attrib["target"] == "2000"


NTSC_FRAME = 3003
"""Ticks of a frame of 29.97 pictures a second."""
PART_FRAMES = 6
SOUND_FRAME = 1024


@given(st.lists(st.integers(30, 250), min_size=2, max_size=12), st.integers(3, 6), st.booleans())
@example([45, 31, 200, 30, 31, 62, 250, 30, 30], 4, True)
@example([90, 90, 30, 30], 3, True)
def test_irregular_groups_of_pictures(gops: list[int], window: int, low_latency: bool) -> None:
    """29.97 pictures a second, key frames anywhere: each manifest while the stream grows holds to
    the rules and to the one before, and a player that keeps what it read first misses nothing."""
    v1, a1 = TrackIndex("v1", inits={1: VIDEO}), TrackIndex("a1", inits={1: SOUND})
    time, heard = START.time, START.time * 48_000 // 90_000
    before: list[dash_rules.Segment] = []
    kept = dash_rules.Kept()

    def look() -> list[dash_rules.Segment]:
        root = manifest(v1, a1, segment=1.0, low_latency=low_latency)
        found = dash_rules.check(root)
        dash_rules.check_update(before, found)
        kept.read(found)
        return found

    for pictures in gops:
        made = pictures // PART_FRAMES
        for count in (0, made // 2, made) if v1.segments else ():
            parts(v1, *[PART_FRAMES * NTSC_FRAME / 90_000] * count)
            before = look()
        v1.parts = []
        extend(v1, VIDEO, time, [pictures * NTSC_FRAME], START)
        time += pictures * NTSC_FRAME
        until = time * 48_000 // 90_000
        frames = (until - heard) // SOUND_FRAME
        extend(a1, SOUND, heard, [frames * SOUND_FRAME], START)
        heard += frames * SOUND_FRAME
        while len(v1.segments) > window:
            v1.segments.popleft()
            a1.segments.popleft()
        before = look()
    whole = [one for one in before if one.representation == "v1" and not one.under_way]
    assert [one.duration for one in whole] == [
        Fraction(NTSC_FRAME * pictures, 90_000) for pictures in gops[-len(whole) :]
    ]


def test_nothing_is_under_way_behind_a_discontinuity() -> None:
    v1 = track("v1", VIDEO, [180_000] * 3)
    parts(v1, 0.2)
    v1.inits[2] = replace(VIDEO, number=2, path="/v2")
    assert len(list(listed(manifest(v1, low_latency=True), "video"))) == 3
    v1.complete = True
    assert len(list(listed(manifest(v1, low_latency=True), "video"))) == 3
