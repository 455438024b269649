"""Switch, stages and output of a stream: order, failures of stages, what a stage may ask."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import pytest
from media_api.stream import StreamConfig
from media_streamer.media.frame import Frame, Track
from media_streamer.media.graph import Graph
from media_streamer.media.output import StreamOutput
from media_streamer.media.settings import OutputSettings
from media_streamer.media.stages import Converter, StageFailed, StageSpec
from media_streamer.media.switch import Source
from media_streamer.wire.media import Event, Frames, Gap, Tracks
from msgspec.structs import replace

VIDEO = Track(0, "v1", "video", "h264", b"", "avc1.64001f")
NAME = "live/x"


class Doubler(Converter):
    """Gives each frame bytes twice as long; its wall clock is left out."""

    def push(self, frames: Sequence[Frame]) -> None:
        self._downstream.push([replace(f, data=f.data * 2, utc_ms=0) for f in frames])


class Failing(Converter):
    """Raises when it is to do `what`."""

    def __init__(self, what: str) -> None:
        self.closed = False
        setattr(self, what, self._raise)

    def _raise(self, *_: Any) -> None:
        raise RuntimeError("out of order")

    def close(self) -> None:
        self.closed = True


class Renamer(Converter):
    def set_tracks(self, tracks: Sequence[Track]) -> None:
        self._downstream.set_tracks([replace(track, codec_string="other") for track in tracks])


def spec(make: Callable[[], Any], *, essential: bool = False) -> StageSpec:
    """A stage for streams that have a title; the title is its setting."""
    return StageSpec("doubler", lambda config: config.title, lambda name, title: make(), essential)


def config(title: str | None = "x") -> StreamConfig:
    return StreamConfig.model_validate({"name": NAME, "title": title})


class Stream:
    """A graph with a source and a sink of its frames."""

    def __init__(self, *specs: StageSpec, title: str | None = "x") -> None:
        self.output = StreamOutput(OutputSettings(NAME, Path("/nowhere")))
        self.graph = Graph(config(title), self.output, specs=specs)
        self.source = Source(self.graph.switch, NAME)
        self.source.may_take_over = True
        self.source.describe([VIDEO], [Fraction(1, 1000)])
        self.frames: list[Frame] = []
        self.told: list[type[Event]] = []
        self.tracks: list[Track] = []
        self.output.subscribe("frames", self._take)
        self.number = 0

    def _take(self, events: Sequence[Event]) -> None:
        for event in events:
            self.told.append(type(event))
            if isinstance(event, Frames):
                self.frames += event.frames
            elif isinstance(event, Tracks):
                self.tracks = event.tracks

    def push(self, count: int = 1, key: bool = True) -> None:
        for _ in range(count):
            time = self.number * 40
            self.source.frame(0, time, time, 40, key, bytes((self.number,)))
            self.number += 1
        self.graph.flush()

    @property
    def data(self) -> list[bytes]:
        return [frame.data for frame in self.frames]


def test_without_stages_frames_go_straight_to_the_output() -> None:
    stream = Stream(title=None)
    stream.push()
    stream.push(2, key=False)
    assert not stream.graph.has_stages
    assert stream.data == [b"\0", b"\1", b"\2"]
    assert stream.told == [Tracks, Tracks, Frames, Frames]


def test_a_stage_changes_frames_and_the_wall_clock_is_that_of_the_stream() -> None:
    stream = Stream(spec(Doubler))
    stream.push(3)
    assert stream.graph.has_stages
    assert stream.data == [b"\0\0", b"\1\1", b"\2\2"]
    first, second, third = (frame.utc_ms for frame in stream.frames)
    assert (second - first, third - second) == (40, 40)
    assert first > 1_700_000_000_000


def test_stages_stand_in_the_order_of_the_table() -> None:
    stream = Stream(spec(Doubler), spec(Renamer), spec(Doubler))
    stream.push()
    assert stream.data == [b"\0\0\0\0"]
    assert stream.tracks[0].codec_string == "other"


@pytest.mark.parametrize("what", ["start", "set_tracks", "push"])
def test_a_stage_that_raises_is_bypassed_and_the_stream_goes_on(
    what: str, caplog: pytest.LogCaptureFixture
) -> None:
    made: list[Failing] = []

    def make() -> Failing:
        made.append(Failing(what))
        return made[-1]

    stream = Stream(spec(make))
    stream.push(2)
    stream.push(2)
    assert stream.data == [b"\0", b"\1", b"\2", b"\3"]
    assert f"stream {NAME}: stage doubler failed, it goes on without this stage" in caplog.text
    assert caplog.text.count("RuntimeError: out of order") == 1
    assert made[0].closed


def test_a_stage_that_cannot_be_made_is_bypassed(caplog: pytest.LogCaptureFixture) -> None:
    def make() -> Any:
        raise OSError("no such encoder")

    stream = Stream(spec(make))
    stream.push()
    assert stream.data == [b"\0"]
    assert "no such encoder" in caplog.text
    with pytest.raises(StageFailed, match="doubler: no such encoder"):
        Stream(spec(make, essential=True))


def test_what_a_failed_stage_gives_later_from_its_thread_does_not_pass() -> None:
    class Late(Failing):
        def start(self, downstream: Any, upstream: Any) -> None:
            self.give = downstream.push

    late = Late("push")
    stream = Stream(spec(lambda: late))
    stream.push()
    late.give([Frame(0, 0, 0, 0, True, b"late")])
    stream.push()
    assert stream.data == [b"\0", b"\1"]


@pytest.mark.parametrize("what", ["set_tracks", "push", "request_key_frame"])
def test_the_failure_of_an_essential_stage_ends_the_output(
    what: str, caplog: pytest.LogCaptureFixture
) -> None:
    stream = Stream(spec(lambda: Failing(what), essential=True))
    stream.push()
    stream.output.request_key_frame()
    stream.push()
    assert stream.graph.failed == "doubler: out of order"
    assert f"stream {NAME}: stage doubler failed, its output ends" in caplog.text
    assert stream.data == ([] if what != "request_key_frame" else [b"\0"])


def test_another_configuration_changes_the_stages_on_the_fly() -> None:
    made: list[Converter] = []

    def make() -> Converter:
        made.append(Doubler())
        return made[-1]

    stream = Stream(spec(make))
    stream.push()
    stream.graph.reconfigure(config())
    assert len(made) == 1, "the same settings"
    stream.push()
    stream.graph.reconfigure(config("another title"))
    stream.push()
    stream.graph.reconfigure(config(None))
    stream.push()
    assert len(made) == 2
    assert not stream.graph.has_stages
    assert stream.data == [b"\0\0", b"\1\1", b"\2\2", b"\3"]
    assert stream.told.count(Gap) == 2


def test_a_stage_that_takes_other_settings_goes_on_without_a_gap() -> None:
    class Changing(Doubler):
        told: ClassVar[list[object]] = []

        def reconfigure(self, settings: Any) -> bool:
            self.told.append(settings)
            return True

    stream = Stream(spec(Changing))
    stream.push()
    stream.graph.reconfigure(config("another title"))
    stream.graph.reconfigure(config("another title"))
    stream.push()
    assert Changing.told == ["another title"]
    assert stream.data == [b"\0\0", b"\1\1"]
    assert Gap not in stream.told


def test_a_key_frame_is_asked_for_through_the_stages() -> None:
    asked: list[int] = []
    stream = Stream(spec(Doubler), spec(Doubler))
    stream.source.ask_key_frame = lambda: asked.append(1)
    stream.push()
    stream.output.request_key_frame()
    assert asked == [1]


def test_a_stage_that_cannot_be_closed_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    stream = Stream(spec(lambda: Failing("close")))
    stream.push()
    stream.graph.close()
    assert stream.data == [b"\0"]
    assert f"stream {NAME}: stage doubler cannot be closed" in caplog.text
