"""Media playlists stay within the rules, whatever a media worker reports."""

import itertools
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.egress.http.text import QUERY
from media_streamer.presentation.index import has_reached
from media_streamer.presentation.live_track import LiveTrack
from media_streamer.presentation.track_index import Init, Part, Segment, Timing, TrackIndex
from media_streamer.protocols.hls.playlist import render_master, render_media

from tests.support.hls_rules import (
    broken_rules,
    broken_update_rules,
    merge_delta,
    parse,
)

TIMING = Timing(segment=2.0, part=0.2)
START_MS = 1_700_000_000_000


class Maker:
    """A media worker in small: makes parts and segments with a steady clock."""

    def __init__(
        self,
        track: LiveTrack,
        *,
        window: int = 8,
        base: int = 0,
        clock_ms: int = START_MS,
        first_init: int = 1,
    ) -> None:
        self.track = track
        self.window = window
        self.msn = base
        self.clock_ms = self.seq = clock_ms + base * 2000
        self.init = first_init
        self.kept: list[int] = []
        self.sent: list[Segment] = []
        self.path = f"/{clock_ms}-{base}"
        self.add_init()

    def add_init(self) -> None:
        path = f"{self.path}/init-v1-{self.init}-{self.clock_ms}{self.init}.mp4"
        self.track.add_init(Init(self.init, path, "avc1.64001f", 640, 360, 25.0, 500_000))

    def segment(self, parts: int = 10, *, discontinuity: bool = False, finish: bool = True) -> None:
        if discontinuity:
            self.init += 1
            self.add_init()
            self.clock_ms += 700
        for index in range(parts):
            self.track.add_part(
                Part(self.msn, index, self.seq, 0.2, index == 0, f"/{self.msn}", 1000 * index, 1000)
            )
            self.seq += 1
        if not finish:
            return
        segment = Segment(
            self.msn,
            self.clock_ms,
            0.2 * parts,
            f"/{self.msn}",
            1000 * parts,
            discontinuity,
            self.init,
            400_000 + self.msn,
        )
        self.sent = [*self.sent, segment][-self.window :]
        self.track.add_segment(segment)
        self.kept.append(self.msn)
        self.clock_ms += 200 * parts
        self.msn += 1
        while len(self.kept) > self.window:
            self.track.drop(self.kept.pop(0))


def render(track: LiveTrack, *, skip: bool = False, low_latency: bool = True) -> str:
    text = render_media(track, TIMING, "m4s", low_latency=low_latency, skip=skip)
    return text.replace(QUERY, "")


steps = st.lists(
    st.tuples(
        st.sampled_from(["segment", "segment", "segment", "discontinuity", "restart", "repeat"]),
        st.integers(1, 10),
    ),
    max_size=40,
)


@given(steps)
def test_every_playlist_and_every_update_obeys_the_rules(history):
    track = LiveTrack("v1")
    maker = Maker(track)
    maker.segment()
    texts = [render(track)]
    for step, parts in history:
        if step == "restart":
            maker.segment(parts, finish=False)
            texts.append(render(track))
            track.restart()
            first_init = parts % 3
            maker = Maker(track, clock_ms=maker.clock_ms + 3000, first_init=first_init)
            maker.segment()
        elif step == "repeat":
            track.restart()
            maker.add_init()
            for segment in maker.sent:
                track.add_segment(segment)
        else:
            maker.segment(parts, discontinuity=step == "discontinuity")
        texts.append(render(track))
        assert all(track.find_init(s.map[5:-4]) for s in parse(texts[-1]).segments)
    for text in texts:
        assert broken_rules(text) == []
    for before, after in itertools.pairwise(texts):
        assert broken_update_rules(before, after) == []


def test_what_is_hinted_at_comes_also_at_the_end_of_a_segment():
    track = LiveTrack("v1")
    maker = Maker(track)
    maker.segment(4)
    hint = parse(render(track)).hint
    maker.segment(1, finish=False)
    playlist = parse(render(track))
    assert [part.uri for part in playlist.open_parts] == [hint]
    assert playlist.hint != hint


def test_a_complete_track_ends_its_playlist():
    track = TrackIndex("v1", complete=True)
    track.inits[0] = Init(0, "/init")
    for number in range(3):
        start = START_MS + 5000 * number
        track.segments.append(Segment(number, start, 5.0, "/x", 1, False, 0, 1_000_000))
    track.longest_segment = 5.0
    for low_latency in (False, True):
        text = render(track, low_latency=low_latency)
        assert text.endswith("m4s\n#EXT-X-ENDLIST\n")
        assert "#EXT-X-PRELOAD-HINT" not in text


def test_delta_update_merged_is_the_full_playlist():
    track = LiveTrack("v1")
    maker = Maker(track, window=30)
    for _ in range(20):
        maker.segment()
    full = render(track)
    maker.segment()
    delta = render(track, skip=True)
    assert parse(delta).skipped > 0
    assert broken_rules(delta) == []
    assert [s.uri for s in merge_delta(full, delta).segments] == [
        s.uri for s in parse(render(track)).segments
    ]


def test_skip_is_ignored_when_the_playlist_is_short():
    track = LiveTrack("v1")
    maker = Maker(track)
    for _ in range(4):
        maker.segment()
    assert parse(render(track, skip=True)).skipped == 0


def test_successor_with_higher_numbers_empties_the_playlist():
    """A media worker that numbers by the clock: all egress workers agree on its numbers."""
    track = LiveTrack("v1")
    maker = Maker(track)
    for _ in range(5):
        maker.segment()
    track.restart()
    Maker(track, base=1000).segment()
    playlist = parse(render(track))
    assert (playlist.media_sequence, len(playlist.segments)) == (1000, 1)
    assert playlist.segments[0].discontinuity


def test_successor_with_low_numbers_is_numbered_on():
    track = LiveTrack("v1")
    maker = Maker(track)
    for _ in range(5):
        maker.segment()
    maker.segment(3, finish=False)
    track.restart()
    successor = Maker(track, clock_ms=maker.clock_ms + 3000)
    successor.segment()
    successor.segment(1, finish=False)
    playlist = parse(render(track))
    assert [s.msn for s in playlist.segments] == list(range(1, 7))
    assert [s.discontinuity for s in playlist.segments] == [False] * 5 + [True]
    assert playlist.segments[-1].map != playlist.segments[0].map


def test_a_segment_is_under_way_until_there_is_a_part_of_the_next():
    """video.js keeps the parts of the segment before where a playlist ends without any, and asks
    for the same for ever."""
    track = LiveTrack("v1")
    maker = Maker(track)
    for _ in range(3):
        maker.segment()
    texts = []
    for parts in (1, 5, 9):
        maker.segment(parts, finish=False)
        texts.append(render(track))
        track.parts = []
        maker.segment(parts, discontinuity=parts == 5)
        texts.append(render(track))
        listed = parse(texts[-1])
        assert len(listed.open_parts) == parts
        assert listed.next_msn == maker.msn - 1
        assert listed.open_discontinuity == (parts == 5)
        assert broken_rules(texts[-1]) == []
    assert parse(render_media(track, TIMING, "m4s")).next_msn == maker.msn  # nobody else waits
    newest = maker.msn - 1
    assert has_reached(track, newest, 8)
    assert not has_reached(track, newest, None)
    assert not has_reached(track, newest, 9)  # the first one of the next segment
    maker.segment(1, finish=False)
    assert has_reached(track, newest, None)
    assert has_reached(track, newest, 9)
    assert parse(render(track)).next_msn == maker.msn


def test_segment_names_say_when_and_how_long():
    segment = Segment(1, 1_700_000_000_250, 5.0, "/x", 1, False, 0, 1)
    assert segment.name == "2023/11/14/22/13/20-05000"


def test_mpeg_ts_playlist_needs_no_map():
    track = LiveTrack("v1a1")
    track.add_init(Init(0))
    for number in range(4):
        start = START_MS + 5000 * number
        track.add_segment(Segment(number, start, 5.0, "/x", 1, False, 0, 1_000_000))
    text = render_media(track, Timing(), "ts").replace(QUERY, "?token=x")
    assert broken_rules(text, live_window=True) == []
    assert "#EXT-X-VERSION:3\n" in text
    assert "#EXT-X-MAP" not in text
    assert text.endswith("-05000.ts?token=x\n")


def test_url_prefix_stands_before_segments():
    track = LiveTrack("v1")
    Maker(track).segment()
    prefix = "https://cdn.example.com/x/tracks-v1/"
    text = render_media(track, TIMING, "m4s", prefix=prefix, low_latency=True)
    uris = [line for line in text.splitlines() if not line.startswith("#")]
    assert all(uri.startswith("https://cdn.example.com/x/tracks-v1/20") for uri in uris)
    assert 'URI="https://cdn.example.com/x/tracks-v1/init-' in text


def test_master_playlist_with_separate_audio():
    video, audio = LiveTrack("v1"), LiveTrack("a1")
    video.add_init(Init(0, "/v", "avc1.64001f", 1280, 720, 25.0, 2_000_000))
    audio.add_init(Init(0, "/a", "mp4a.40.2", channels=2, bandwidth=128_000, language='en"\n'))
    text = render_master([audio, video], "index.ll.m3u8", separate=True)
    assert text.count("#EXT-X-STREAM-INF") == 1
    assert 'CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=1280x720,FRAME-RATE=25.000' in text
    assert f"BANDWIDTH={round(2_128_000 * 1.1)}" in text
    assert 'NAME="a1 en",LANGUAGE="en",DEFAULT=YES' in text
    assert text.endswith(f"tracks-v1/index.ll.m3u8{QUERY}\n")


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [(False, False, True), (False, True, False), (False, None, False), (None, None, False)],
)
def test_captions_are_denied_of_all_variants_or_of_none(
    first: bool | None, second: bool | None, said: bool
) -> None:
    """RFC 8216, 4.3.4.2."""
    tracks = [rendition(name, "avc1.64001f") for name in ("v1", "v2")]
    tracks[0].captions, tracks[1].captions = first, second
    sound = rendition("a1", "mp4a.40.2")
    text = render_master([*tracks, sound], "index.ll.m3u8", separate=True, audio_only=True)
    assert len(variants(text)) == 3
    found = {one.get("CLOSED-CAPTIONS") for one in variants(text).values()}
    assert found == {"NONE" if said else None}


def attributes(line: str) -> dict[str, str]:
    found = re.findall(r'([A-Z-]+)=("[^"]*"|[^,]*)', line.partition(":")[2])
    return {name: value.strip('"') for name, value in found}


def rendition(name: str, codecs: str, **what: Any) -> LiveTrack:
    track = LiveTrack(name)
    track.add_init(Init(0, f"/{name}", codecs, **what))
    return track


def variants(text: str) -> dict[str, dict[str, str]]:
    """Attributes of the variants by their URI."""
    lines = text.splitlines()
    return {
        lines[number + 1].removesuffix(QUERY): attributes(line)
        for number, line in enumerate(lines)
        if line.startswith("#EXT-X-STREAM-INF:")
    }


def media(text: str) -> list[dict[str, str]]:
    lines = text.splitlines()
    return [attributes(line) for line in lines if line.startswith("#EXT-X-MEDIA:")]


@given(st.integers(1, 5), st.integers(0, 4), st.booleans())
def test_each_video_is_a_variant_with_all_its_sound(videos: int, sounds: int, separate: bool):
    """RFC 8216, 4.3.4: each variant names a group that there is, and one rendition is default."""
    tracks = [
        rendition(
            f"v{n + 1}" if separate or not sounds else f"v{n + 1}a1",
            "avc1.64001f" if separate or not sounds else "avc1.64001f,mp4a.40.2",
            width=1280 >> n,
            height=720 >> n,
            fps=25.0,
            bandwidth=2_000_000 >> n,
        )
        for n in range(videos)
    ]
    for n in range(0 if separate else 1, sounds):
        sound = rendition(f"a{n + 1}", "mp4a.40.2", bandwidth=64_000, language="eng", channels=2)
        tracks.append(sound)
    text = render_master(tracks, "mono.m3u8", separate=separate)
    found, said = variants(text), media(text)
    assert [tuple(map(int, one["RESOLUTION"].split("x"))) for one in found.values()] == [
        (1280 >> n, 720 >> n) for n in range(videos)
    ]
    assert [uri.split("/")[0][7:9] for uri in found] == [f"v{n + 1}" for n in range(videos)]
    groups = {one["GROUP-ID"] for one in said}
    assert {one["AUDIO"] for one in found.values() if "AUDIO" in one} == groups
    assert sum(one["DEFAULT"] == "YES" for one in said) == len(groups)
    assert len({(one["GROUP-ID"], one["NAME"]) for one in said}) == len(said)
    wanted = "avc1.64001f,mp4a.40.2" if sounds else "avc1.64001f"
    assert {one["CODECS"] for one in found.values()} == {wanted}
    if said and not separate:
        assert "URI" not in said[0], "it is in the variants themselves"
        assert [one["NAME"] for one in said][:2] == ["a1", "a2 eng"]


def test_sound_of_another_codec_is_a_group_of_its_own():
    """Whoever takes a variant must be able to play everything in its group."""
    video = rendition("v1", "avc1.64001f")
    text = render_master(
        [video, rendition("a1", "mp4a.40.2"), rendition("a2", "ac-3")],
        "index.fmp4.m3u8",
        separate=True,
    )
    lines = [line for line in text.splitlines() if line.startswith("#EXT-X-STREAM-INF")]
    assert [(a["CODECS"], a["AUDIO"]) for a in map(attributes, lines)] == [
        ("avc1.64001f,mp4a.40.2", "audio-mp4a"),
        ("avc1.64001f,ac-3", "audio-ac-3"),
    ]


def test_master_playlist_without_video():
    audio = LiveTrack("a1")
    audio.add_init(Init(0, "/a", "mp4a.40.2", channels=2, bandwidth=128_000))
    text = render_master([audio], "index.fmp4.m3u8", separate=True)
    assert "#EXT-X-MEDIA" not in text
    assert "tracks-a1/index.fmp4.m3u8" in text


def test_audio_only_variant_is_added_on_demand():
    video, audio = LiveTrack("v1"), LiveTrack("a1")
    video.add_init(Init(0, "/v", "avc1.64001f", 1280, 720, 25.0, 2_000_000))
    audio.add_init(Init(0, "/a", "mp4a.40.2", channels=2, bandwidth=128_000))
    text = render_master([audio, video], "index.fmp4.m3u8", separate=True, audio_only=True)
    assert text.count("#EXT-X-STREAM-INF") == 2


def test_in_mpeg_ts_it_is_a_multiplex_of_the_sound():
    video = LiveTrack("v1a1")
    video.add_init(Init(0, "", "avc1.64001f,mp4a.40.2", 1280, 720, 25.0, 2_000_000))
    other = LiveTrack("a2")
    other.add_init(Init(0, "", "mp4a.40.2", channels=2, bandwidth=128_000))
    lines = render_master([video, other], "mono.m3u8", separate=False, audio_only=True).splitlines()
    sounds = [n for n, line in enumerate(lines) if "STREAM-INF" in line and "avc1" not in line]
    assert [lines[n + 1].rstrip("\0") for n in sounds] == [
        "tracks-a1/mono.m3u8", "tracks-a2/mono.m3u8",
    ]  # fmt: skip
    assert 'CODECS="mp4a.40.2"' in lines[sounds[0]]
    silent = LiveTrack("v1")
    silent.add_init(Init(0, "", "avc1.64001f", 1280, 720, 25.0, 2_000_000))
    text = render_master([silent], "mono.m3u8", separate=False, audio_only=True)
    assert text.count("#EXT-X-STREAM-INF") == 1


def test_parts_with_a_jump_in_numbers_stand_alone():
    track = LiveTrack("v1")
    maker = Maker(track)
    for _ in range(5):
        maker.segment()
    track.restart()
    Maker(track, base=1000).segment(3, finish=False)
    playlist = parse(render(track))
    assert playlist.media_sequence == 1000
    assert playlist.segments == []
    assert len(playlist.open_parts) == 3
    assert broken_rules(render(track)) == []


def test_counted_discontinuities_are_the_same_for_a_late_subscriber():
    early, late = LiveTrack("v1"), LiveTrack("v1")
    segments = [
        Segment(
            msn=n,
            start_utc_ms=START_MS + 2000 * n,
            duration=2.0,
            path=f"/{n}",
            size=1,
            discontinuity=n % 2 == 1,
            init=0,
            bandwidth=1,
            discontinuities=(n + 1) // 2,
        )
        for n in range(10)
    ]
    for segment in segments:
        early.add_segment(segment)
    early.drop(4)
    for segment in segments[5:]:
        late.add_segment(segment)
    assert early.discontinuity_sequence == late.discontinuity_sequence == 2
    assert render(early, low_latency=False) == render(late, low_latency=False)


def test_count_holds_before_the_first_segment_is_finished():
    def part(index: int) -> Part:
        return Part(5, index, 70 + index, 0.2, index == 0, "/5", index, 1, 0, True, 42)

    track = LiveTrack("v1")
    track.add_part(part(0))
    before = render(track)
    assert track.discontinuity_sequence == 41
    track.add_part(part(1))
    track.add_segment(Segment(5, START_MS, 0.4, "/5", 2, True, 0, 1, (), 42))
    assert broken_update_rules(before, render(track)) == []
    track.drop(5)
    assert track.discontinuity_sequence == 42


def test_segments_of_a_second_have_names_of_their_own():
    """Though the stream's clock, which is slewed, lets two of them start in one second."""
    starts = [START_MS, START_MS + 996, START_MS + 1993]
    names = [Segment(n, s, 1.0, "/", 1, False, 0, 1).name for n, s in enumerate(starts)]
    assert len(set(names)) == 3
    assert Segment(1, START_MS, 5.0, "/", 1, False, 0, 1).name.endswith("-05000")


def test_listed_times_never_run_ahead_of_the_media() -> None:
    """Nor do they lag by a millisecond within the window, whatever the lengths of frames are."""
    track = LiveTrack("v1")
    track.add_init(Init(1, "/init", "avc1.64001f"))
    duration = 7 * 1001 / 30_000
    for msn in range(5):
        for index in range(9):
            seq = 9 * msn + index
            track.add_part(Part(msn, index, seq, duration, index == 0, f"/{msn}", index, 1))
        start = START_MS + round(9000 * duration * msn)
        track.add_segment(Segment(msn, start, 9 * duration, f"/{msn}", 9, False, 1, 8))
    playlist = parse(render_media(track, Timing(2.0, 0.25), "m4s", low_latency=True))
    listed = 0.0
    for number, segment in enumerate(playlist.segments):
        inside = listed
        for place, part in enumerate(segment.parts):
            assert 0 <= inside - duration * (9 * number + place) < 0.001
            inside += part.duration
        listed += segment.duration
        assert inside <= listed


def test_the_average_rate_is_that_of_the_listed_segments() -> None:
    track = LiveTrack("v1")
    track.add_init(Init(1, "/init", "avc1.64001f"))
    for msn, (seconds, size) in enumerate(((1.0, 100_000), (3.0, 100_000))):
        rate = round(8 * size / seconds)
        track.add_segment(Segment(msn, START_MS + msn, seconds, "/x", size, False, 1, rate))
    text = render_master([track], "index.fmp4.m3u8", separate=True)
    assert "BANDWIDTH=880000,AVERAGE-BANDWIDTH=400000," in text
