"""Sinks over the runs of a stream."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from media_streamer.media import formats
from media_streamer.media.audience import Audience
from media_streamer.media.formats import FormatSpec, UnknownFormat
from media_streamer.media.frame import Frame, Track
from media_streamer.media.frames_format import FramesFormat
from media_streamer.media.output import StreamOutput
from media_streamer.media.settings import OutputSettings
from media_streamer.wire.media import Event, Frames, Outage, Tracks

SOUND = Track(0, "a1", "audio", "aac", b"", "mp4a.40.2")


class Sink:
    """Notes what it gets."""

    def __init__(self, fails: bool = False) -> None:
        self.fails = fails
        self.told: list[type[Event]] = []
        self.ended: list[str] = []

    def take(self, events: Sequence[Event]) -> None:
        if self.fails:
            raise ConnectionError("gone")
        self.told += [type(event) for event in events]

    def end(self, reason: str) -> None:
        self.ended.append(reason)


class People:
    """An audience and the output that it has now."""

    def __init__(self) -> None:
        self.left = 0
        self.audience = Audience(self._left)
        self.output: StreamOutput

    def _left(self) -> None:
        self.left += 1

    def start(self) -> None:
        self.output = StreamOutput(OutputSettings("live/x", Path("/nowhere")))
        self.audience.start(self.output)
        self.output.set_tracks([SOUND])

    def push(self) -> None:
        self.output.push([Frame(0, 90_000, 90_000, 1920, True, b"x")])
        self.output.flush()

    def stop(self, reason: str = "not_watched", *, final: bool = False) -> None:
        self.output.close()
        self.audience.stop(reason, final=final)


@pytest.fixture
def people() -> People:
    return People()


def test_viewers_end_with_the_output_and_pinned_sinks_wait_for_the_next(people: People) -> None:
    people.start()
    viewer, recorder = Sink(), Sink()
    people.audience.attach("frames", viewer.take, viewer.end)
    people.audience.attach("frames", recorder.take, recorder.end, pinned=True, keeps_running=False)
    assert people.audience.in_use
    people.push()
    people.stop()
    assert viewer.ended == ["not_watched"]
    assert recorder.ended == []
    assert len(people.audience) == 1
    assert not people.audience.in_use
    before = len(recorder.told)
    people.start()
    people.push()
    assert recorder.told[before:] == [Tracks, Tracks, Frames]
    people.stop("stream_removed", final=True)
    assert recorder.ended == ["stream_removed"]
    assert len(people.audience) == 0


def test_a_sink_may_come_before_the_stream_runs(people: People) -> None:
    sink = Sink()
    attachment = people.audience.attach("frames", sink.take, sink.end, pinned=True)
    assert sink.told == []
    people.start()
    people.push()
    assert Frames in sink.told
    attachment.close()
    attachment.close()
    told = len(sink.told)
    people.push()
    assert len(sink.told) == told
    assert people.left == 1
    assert sink.ended == []


def test_of_two_sinks_one_fails_and_the_other_goes_on(
    people: People, caplog: pytest.LogCaptureFixture
) -> None:
    people.start()
    good, bad = Sink(), Sink()
    people.audience.attach("frames", bad.take, bad.end, pinned=True)
    people.audience.attach("frames", good.take, good.end)
    bad.fails = True
    people.push()
    people.push()
    assert good.told.count(Frames) == 2
    assert bad.ended == ["sink_failed"]
    assert len(people.audience) == 1
    assert "stream live/x: subscriber of frames failed" in caplog.text


def test_a_format_of_ones_own_is_a_row(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(formats.FORMATS, "mine", FormatSpec(FramesFormat, container="ts"))
    people.start()
    sink = Sink()
    people.audience.attach("mine", sink.take, sink.end)
    people.push()
    assert sink.told[-1] is Frames
    assert people.output.stats().subscribers == {"mine": 1}
    with pytest.raises(UnknownFormat, match="dash"):
        people.audience.attach("dash", sink.take, sink.end)


def test_a_format_that_cannot_be_made_ends_its_sinks_alone(
    people: People, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(settings: OutputSettings) -> FramesFormat:
        raise OSError("no memory")

    sink, other = Sink(), Sink()
    monkeypatch.setitem(formats.FORMATS, "mine", FormatSpec(FramesFormat))
    people.audience.attach("mine", sink.take, sink.end, pinned=True)
    people.audience.attach("frames", other.take, other.end, pinned=True)
    monkeypatch.setitem(formats.FORMATS, "mine", FormatSpec(broken))
    people.start()
    people.push()
    assert sink.ended == ["sink_failed"]
    assert other.told[-1] is Frames
    assert "stream live/x: no format mine" in caplog.text
    with pytest.raises(OSError, match="no memory"):
        people.audience.attach("mine", sink.take, sink.end)
    assert len(people.audience) == 1


def test_a_selection_of_tracks_is_a_format_of_its_own(people: People) -> None:
    people.start()
    video = Track(1, "v1", "video", "h264", b"", "avc1.64001f")
    people.output.set_tracks([SOUND, video])
    got: dict[str, list[int]] = {"all": [], "sound": []}

    def take(name: str) -> Any:
        def sink(events: Sequence[Event]) -> None:
            for event in events:
                if isinstance(event, Frames):
                    got[name] += [frame.track for frame in event.frames]

        return sink

    people.audience.attach("frames", take("all"), lambda reason: None)
    sound = people.audience.attach("frames", take("sound"), lambda reason: None, tracks=("a1",))
    for dts in range(90_000, 180_000, 30_000):
        people.output.push([Frame(n, dts, dts, 1920, True, b"x") for n in (0, 1)])
    people.output.flush()
    assert got == {"all": [0, 1] * 3, "sound": [0] * 3}
    late: list[int] = got.setdefault("late", [])
    people.audience.attach("frames", take("late"), lambda reason: None, tracks=("a1",))
    assert late
    sound.close()


def test_viewers_are_told_of_an_outage_and_pinned_sinks_wait(people: People) -> None:
    outage = Outage("its source gives no data (refused)", lasting=True)
    people.start()
    viewer, late, recorder, broken = Sink(), Sink(), Sink(), Sink()
    people.audience.attach("frames", viewer.take, viewer.end)
    people.audience.attach("frames", recorder.take, recorder.end, pinned=True)
    people.audience.attach("frames", broken.take, broken.end)
    broken.fails = True
    for _ in range(2):
        people.audience.tell(outage)
    people.audience.attach("frames", late.take, late.end)
    assert [one.told.count(Outage) for one in (viewer, late, recorder)] == [1, 1, 0]
    assert broken.ended == ["sink_failed"]
    people.audience.tell(Outage())
    assert [one.told.count(Outage) for one in (viewer, late, recorder)] == [2, 2, 0]
