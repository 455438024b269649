"""One source at a time, taking over at key frames, on one clock."""

import time
from collections.abc import Sequence
from fractions import Fraction

import pytest
from media_streamer.media.frame import Frame, Track
from media_streamer.media.switch import KEY_FRAME_SECONDS, NO_KEY_SECONDS, Source, Switch
from media_streamer.media.timeline import START

MILLI = Fraction(1, 1000)
VIDEO = Track(0, "v1", "video", "h264", b"init", "avc1.64001f", width=640, height=360)
AUDIO = Track(1, "a1", "audio", "aac", b"init", "mp4a.40.2", channels=2)
OTHER = Track(0, "v1", "video", "h264", b"other", "avc1.42c01e", width=320, height=180)


class Recorder:
    """An output that remembers what it was told, in order."""

    def __init__(self) -> None:
        self.calls: list[str | Frame] = []

    def set_tracks(self, tracks: Sequence[Track]) -> None:
        self.calls.append("tracks")

    def push(self, frames: Sequence[Frame]) -> None:
        self.calls += frames

    def gap(self) -> None:
        self.calls.append("gap")

    @property
    def frames(self) -> list[Frame]:
        return [call for call in self.calls if isinstance(call, Frame)]

    @property
    def signals(self) -> list[str]:
        return [call for call in self.calls if isinstance(call, str)]


@pytest.fixture
def output() -> Recorder:
    return Recorder()


@pytest.fixture
def switch(output: Recorder) -> Switch:
    return Switch(output)


def source(switch: Switch, *tracks: Track, may: bool = True) -> Source:
    made = Source(switch, "test")
    made.may_take_over = may
    made.describe(tracks or (VIDEO, AUDIO), [MILLI] * (len(tracks) or 2))
    return made


def test_nothing_passes_before_a_key_frame(switch: Switch, output: Recorder) -> None:
    first = source(switch)
    first.frame(1, 0, 0, 20, True, b"audio before")
    first.frame(0, 0, 0, 40, False, b"delta")
    assert output.calls == []
    first.frame(0, 40, 40, 40, True, b"key")
    first.frame(1, 45, 45, 20, True, b"audio")
    assert output.signals == ["tracks"]
    assert [(f.track, f.dts, f.data) for f in output.frames] == [
        (0, START, b"key"),
        (1, START + 450, b"audio"),
    ]


def test_audio_alone_needs_no_key_frame(switch: Switch, output: Recorder) -> None:
    radio = source(switch, AUDIO)
    radio.frame(0, 0, 0, 20, True, b"a")
    assert len(output.frames) == 1


def test_video_that_never_has_a_key_frame_does_not_silence_the_audio(
    switch: Switch, output: Recorder
) -> None:
    broken = source(switch)
    broken.frame(0, 0, 0, 40, False, b"delta")
    broken._first_frame -= NO_KEY_SECONDS + 1
    broken.frame(1, 0, 0, 20, True, b"audio")
    assert [frame.data for frame in output.frames] == [b"audio"]


def test_a_better_source_takes_over_at_its_key_frame(switch: Switch, output: Recorder) -> None:
    changes: list[Source] = []
    switch._on_change = changes.append
    worse, better = source(switch), source(switch, may=False)
    for n in range(3):
        worse.frame(0, n * 40, n * 40, 40, n == 0, b"worse")
    better.frame(0, 9_000, 9_000, 40, True, b"not allowed yet")
    better.may_take_over = True
    better.frame(0, 9_040, 9_040, 40, False, b"no key")
    worse.frame(0, 120, 120, 40, False, b"worse")
    better.frame(0, 9_080, 9_080, 40, True, b"better")
    worse.frame(0, 160, 160, 40, True, b"too late")
    assert [frame.data for frame in output.frames] == [b"worse"] * 4 + [b"better"]
    assert [frame.dts for frame in output.frames] == [START + n * 3600 for n in range(5)]
    assert output.signals == ["tracks", "gap"]
    assert changes == [worse, better]
    assert switch.switches == 1
    assert not worse.may_take_over


def test_other_tracks_are_told(switch: Switch, output: Recorder) -> None:
    source(switch, VIDEO).frame(0, 0, 0, 40, True, b"a")
    source(switch, OTHER).frame(0, 0, 0, 40, True, b"b")
    assert [call if isinstance(call, str) else call.data for call in output.calls] == [
        "tracks", b"a", "tracks", "gap", b"b",
    ]  # fmt: skip


def test_new_parameters_of_the_active_source_keep_the_clock(
    switch: Switch, output: Recorder
) -> None:
    live = source(switch, VIDEO)
    live.frame(0, 0, 0, 40, True, b"a")
    live.describe((OTHER,), [MILLI])
    live.frame(0, 40, 40, 40, True, b"b")
    assert output.signals == ["tracks", "tracks"]
    assert [frame.dts for frame in output.frames] == [START, START + 3600]
    assert live.description_changes == 1


def test_a_released_source_is_silent(switch: Switch, output: Recorder) -> None:
    live = source(switch, VIDEO)
    live.frame(0, 0, 0, 40, True, b"a")
    switch.release(live)
    live.frame(0, 40, 40, 40, True, b"b")
    assert len(output.frames) == 1
    assert switch.active is None


def test_a_loop_goes_on_without_a_gap(switch: Switch, output: Recorder) -> None:
    file = source(switch, VIDEO)
    file.frame(0, 0, 0, 40, True, b"a")
    file.looped()
    file.frame(0, 0, 0, 40, True, b"a")
    assert [frame.dts for frame in output.frames] == [START, START + 3600]
    assert output.signals == ["tracks"]


def test_frames_know_the_wall_clock(switch: Switch, output: Recorder) -> None:
    live = source(switch, VIDEO)
    before = time.time() * 1000 - 1
    for n in (0, 1, 2):
        live.frame(0, n * 40, n * 40, 40, n == 0, b"x")
    first, second, third = (frame.utc_ms for frame in output.frames)
    assert before <= first <= time.time() * 1000 + 1
    assert (second - first, third - first) == (40, 80)


def test_key_frames_are_asked_for_now_and_then(switch: Switch) -> None:
    asked: list[str] = []
    switch.request_key_frame()
    live = source(switch, VIDEO)
    live.frame(0, 0, 0, 40, True, b"a")
    switch.request_key_frame()
    live.ask_key_frame = lambda: asked.append("live")
    switch.request_key_frame()
    switch.request_key_frame()
    assert asked == ["live"]
    switch._asked_at -= KEY_FRAME_SECONDS
    switch.request_key_frame()
    assert asked == ["live", "live"]


def test_the_end_is_told_once(switch: Switch) -> None:
    ended: list[str | None] = []
    live = Source(switch, "test", lambda item: ended.append(item.error))
    live.ended("first")
    live.ended("second")
    assert ended == ["first"]


def test_counters(switch: Switch) -> None:
    live = source(switch, may=False)
    live.frame(0, 500, 500, 40, True, b"12345")
    live.frame(1, 520, 520, 20, True, b"678")
    assert (live.frames, live.bytes) == (2, 8)
    assert live.last_dts_ms == 520
    assert live.started_at is not None
