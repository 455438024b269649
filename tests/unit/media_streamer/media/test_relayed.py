"""A stream as another of our servers shows it: its times and its count of segments, or our own."""

from collections.abc import Iterator, Sequence
from fractions import Fraction

import msgspec
import pytest
from media_streamer.media.frame import TICKS_PER_MS, TIME_BASE, Cut, Frame, Track
from media_streamer.media.switch import Source, Switch
from media_streamer.media.wall_clock import WallClock

VIDEO = Track(0, "v1", "video", "h264", b"init", "avc1.64001f", width=640, height=360)
THERE = 100 * TIME_BASE
"""Where the stream is on the other server."""
FRAME = TIME_BASE // 25
THEIRS = 1_700_000_000_000
"""Unix milliseconds of a picture there."""
NOW = 1_700_000_060.0
"""Unix seconds here when it comes: they are a minute behind, or their clock is."""
CUT = Cut(7, 2, THEIRS, THERE, THERE, 1000)


class Output:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.gaps = 0

    def set_tracks(self, tracks: Sequence[Track]) -> None:
        pass

    def push(self, frames: Sequence[Frame]) -> None:
        self.frames += frames

    def gap(self) -> None:
        self.gaps += 1


@pytest.fixture
def output() -> Output:
    return Output()


@pytest.fixture
def switch(output: Output) -> Switch:
    made = Switch(output)
    made.clock = WallClock(lambda: NOW)
    return made


def source(switch: Switch, age: float = 0.0) -> Source:
    """`age`: seconds on the way, as the sender tells; 0: it does not."""
    made = Source(switch, "origin")
    made.may_take_over = True
    made.describe([VIDEO], [Fraction(1, TIME_BASE)])
    made.set_age(age)
    return made


def pictures(first: int = THERE, count: int = 3, cut: Cut | None = CUT) -> Iterator[Frame]:
    for number in range(count):
        dts = first + number * FRAME
        utc_ms = THEIRS + (dts - THERE) // TICKS_PER_MS
        yield Frame(0, dts, dts, FRAME, number == 0, b"x", utc_ms, None if number else cut)


def relay(to: Source, frames: Iterator[Frame]) -> None:
    for frame in frames:
        to.relayed(frame)


def test_it_keeps_the_clock_and_the_count_of_the_other_server(
    switch: Switch, output: Output
) -> None:
    relay(source(switch, age=0.2), pictures())
    assert [frame.dts for frame in output.frames] == [THERE, THERE + FRAME, THERE + 2 * FRAME]
    assert [frame.cut for frame in output.frames] == [CUT, None, None]
    assert [frame.utc_ms for frame in output.frames] == [THEIRS, THEIRS + 40, THEIRS + 80]


def test_a_wall_clock_that_cannot_be_right_is_not_taken_over(
    switch: Switch, output: Output
) -> None:
    """Its media clock can be kept all the same."""
    relay(source(switch, age=0.0), pictures())
    assert [frame.dts for frame in output.frames] == [THERE, THERE + FRAME, THERE + 2 * FRAME]
    assert [frame.utc_ms for frame in output.frames] == [
        1000 * NOW,
        1000 * NOW + 40,
        1000 * NOW + 80,
    ]


def test_one_that_cannot_be_right_any_more_is_gone_on_with(switch: Switch, output: Output) -> None:
    """It was right when the stream began: no jump within what goes on without a discontinuity."""
    origin = source(switch, age=0.2)
    relay(origin, pictures())
    origin.set_age(0.0)
    relay(origin, pictures(THERE + 3 * FRAME, 1, cut=None))
    assert output.frames[-1].utc_ms == THEIRS + 120


def test_one_that_was_wrong_at_the_beginning_is_ours_to_the_end(
    switch: Switch, output: Output
) -> None:
    """Two clocks in turn would jump with every frame."""
    origin = source(switch, age=0.0)
    relay(origin, pictures())
    origin.set_age(0.2)
    relay(origin, pictures(THERE + 3 * FRAME, 1, cut=None))
    assert output.frames[-1].utc_ms == 1000 * NOW + 120


def test_it_begins_with_a_frame_that_says_where_the_stream_is(
    switch: Switch, output: Output
) -> None:
    origin = source(switch, age=0.2)
    relay(origin, pictures(cut=None))
    assert output.frames == []
    assert origin.dropped_frames == 3
    relay(origin, pictures(THERE + 3 * FRAME, 1))
    assert [frame.dts for frame in output.frames] == [THERE + 3 * FRAME]


def test_who_comes_again_goes_on_without_a_gap(switch: Switch, output: Output) -> None:
    """A connection that broke: the same stream, a little of it twice."""
    relay(source(switch, age=0.2), pictures())
    relay(source(switch, age=0.2), pictures(THERE + FRAME, 4))
    assert [(frame.dts - THERE) // FRAME for frame in output.frames] == [0, 1, 2, 3, 4]
    assert output.gaps == 0


def test_another_period_of_it_is_a_discontinuity(switch: Switch, output: Output) -> None:
    relay(source(switch, age=0.2), pictures())
    later = THERE + 60 * TIME_BASE
    other = msgspec.structs.replace(CUT, discontinuities=3, period_time=later)
    relay(source(switch, age=0.2), pictures(later, 1, cut=other))
    assert output.gaps == 1
    assert (output.frames[-1].dts, output.frames[-1].cut) == (later, other)


def test_a_clock_behind_ours_is_not_followed(switch: Switch, output: Output) -> None:
    """The other server has begun anew: viewers here stay on their clock, under their numbers."""
    relay(source(switch, age=0.2), pictures())
    anew = msgspec.structs.replace(CUT, msn=1, discontinuities=0, period_time=TIME_BASE)
    relay(source(switch, age=0.2), pictures(TIME_BASE, 2, cut=anew))
    assert output.gaps == 1
    assert [frame.dts for frame in output.frames[-2:]] == [THERE + 3 * FRAME, THERE + 4 * FRAME]
    assert [frame.cut for frame in output.frames[-2:]] == [None, None]


def test_what_was_shown_in_between_is_a_discontinuity(switch: Switch, output: Output) -> None:
    relay(source(switch, age=0.2), pictures())
    backup = source(switch)
    for number in range(3):
        backup.frame(0, number * FRAME, number * FRAME, FRAME, number == 0, b"x")
    relay(source(switch, age=0.2), pictures(switch.timeline.head, 1))
    assert output.gaps == 2, "to the backup, and back"
    assert output.frames[-1].cut == CUT
