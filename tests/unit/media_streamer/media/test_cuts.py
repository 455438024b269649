"""Segments of a stream and of its copies on other servers: cut alike, under the same numbers."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import pytest
from media_streamer.media.frame import Cut, Frame, Track
from media_streamer.media.output import StreamOutput
from media_streamer.media.settings import OutputSettings
from media_streamer.media.switch import Source, Switch
from media_streamer.media.timeline import START
from media_streamer.syntax.boxes import box, full_box
from media_streamer.wire.media import Chunk, Event, Header, SegmentReady
from media_streamer.wire.relay import RelayError, RelayReader, frame_record, tracks_record

FRAME = 3600
GOP = 25
"""Pictures between two key frames: a second."""
TICKS = Fraction(1, 90_000)
INIT = box(
    b"moov",
    box(
        b"trak",
        full_box(b"tkhd", 0, 3, bytes(80)),
        box(b"mdia", full_box(b"mdhd", 0, 0, bytes(8) + (90_000).to_bytes(4, "big") + bytes(8))),
    ),
)
VIDEO = Track(0, "v1", "video", "mpeg2video", INIT, "mp4v.61")
FORMATS = ("hls_ts", "hls_fmp4")


class Server:
    """A stream on one server: its source, its output, and what its formats have told."""

    def __init__(self, folder: Path, segment_ms: int = 2000) -> None:
        self.output = StreamOutput(OutputSettings("s", folder, segment_duration_ms=segment_ms))
        self.switch = Switch(self.output)
        self.told: dict[str, list[SegmentReady]] = {name: [] for name in FORMATS}
        self.frames: list[Frame] = []
        self._source: Source | None = None
        self._reader = RelayReader()

    def watch(self, *formats: str) -> None:
        for name in formats:
            self.output.subscribe(name, lambda events, name=name: self._note(name, events))  # type: ignore[misc]

    def source(self) -> Source:
        """A new one, which is shown from its first key frame on."""
        if self._source is not None:
            self.switch.release(self._source)
        self._source = made = Source(self.switch, "test")
        made.may_take_over = True
        made.describe([VIDEO], [TICKS])
        return made

    def capture(self, count: int, source: Source | None = None, begin: int = 0) -> Source:
        """So many pictures of a source of its own."""
        source = source or self.source()
        for number in range(begin, begin + count):
            dts = 500_000 + number * FRAME
            source.frame(0, dts, dts, FRAME, number % GOP == 0, b"picture %d" % number)
        self.output.flush()
        return source

    def copies(self, origin: "Server") -> Iterator[None]:
        """Each step takes over what the other one has made since the last one."""
        sent: list[bytes] = []

        def take(events: Sequence[Event]) -> None:
            for one in events:
                sent.extend([one.data] if isinstance(one, Header) else ())
                sent.extend(one.packets if isinstance(one, Chunk) else ())

        self._reader = RelayReader()
        source = self.source()
        source.set_age(0.02)
        subscription = origin.output.subscribe("m4f", take)
        try:
            while True:
                origin.output.flush()
                for one in self._reader.feed(b"".join(sent)):
                    if isinstance(one, Frame):
                        source.relayed(one)
                sent.clear()
                self.output.flush()
                yield
        finally:
            subscription.close()

    def _note(self, name: str, events: Sequence[Event]) -> None:
        self.told[name] += [one for one in events if isinstance(one, SegmentReady)]


def shape(one: SegmentReady) -> tuple[object, ...]:
    """All that viewers are told of a segment."""
    return (
        one.msn, one.start_utc_ms, one.duration, one.time, one.discontinuity, one.discontinuities,
        one.period_utc_ms, one.period_time,
    )  # fmt: skip


@pytest.fixture
def origin(tmp_path: Path) -> Server:
    return Server(tmp_path / "origin")


@pytest.fixture
def copy(tmp_path: Path) -> Server:
    return Server(tmp_path / "copy")


def test_all_formats_of_a_stream_have_one_count(origin: Server) -> None:
    origin.watch("hls_ts")
    source = origin.capture(5 * GOP)
    origin.watch("hls_fmp4")
    origin.capture(6 * GOP, source, 5 * GOP)
    by_ts, by_fmp4 = origin.told["hls_ts"], origin.told["hls_fmp4"]
    assert len(by_fmp4) > 2
    assert [one.msn for one in by_fmp4] == [one.msn for one in by_ts[-len(by_fmp4) :]]
    assert [one.start_utc_ms for one in by_fmp4[1:]] == [
        one.start_utc_ms for one in by_ts[1 - len(by_fmp4) :]
    ]


@pytest.mark.parametrize("format", FORMATS)
def test_a_copy_cuts_and_numbers_as_the_stream_itself(
    format: str, origin: Server, copy: Server
) -> None:
    origin.watch(format)
    copy.watch(format)
    source = origin.capture(4 * GOP + 3)
    copying = copy.copies(origin)
    next(copying)
    origin.capture(6 * GOP, source, 4 * GOP + 3)
    next(copying)
    # Another encoder goes on at the origin: a discontinuity there is one here.
    origin.capture(5 * GOP)
    next(copying)
    here, there = copy.told[format], origin.told[format]
    assert len(here) > 4
    assert [shape(one) for one in here[1:]] == [shape(one) for one in there[1 - len(here) :]]
    assert here[0].msn == there[-len(here)].msn, "it began in the middle of this one"
    assert [one.discontinuity for one in here].count(True) == 1
    copying.close()  # type: ignore[attr-defined]


def test_who_begins_to_watch_a_copy_does_not_wait_for_the_segment_to_end(tmp_path: Path) -> None:
    """It begins in the midst of a long one: what there is is cut after a second, and numbered so
    that the next one has the number of the stream again."""
    origin, copy = Server(tmp_path / "origin", 6000), Server(tmp_path / "copy")
    origin.watch("hls_fmp4")
    copy.watch("hls_fmp4")
    source = origin.capture(9 * GOP)
    copying = copy.copies(origin)
    next(copying)
    origin.capture(2 * GOP, source, 9 * GOP)
    next(copying)
    [first] = copy.told["hls_fmp4"]
    assert first.duration == 1
    origin.capture(10 * GOP, source, 11 * GOP)
    next(copying)
    here, there = copy.told["hls_fmp4"], origin.told["hls_fmp4"]
    assert [one.msn for one in here] == [first.msn + n for n in range(len(here))]
    assert shape(here[-1]) == shape(there[-1])
    assert here[1].msn == there[-2].msn
    assert {one.target_ms for one in here} == {6000}, "players are told the length of there"


def test_a_connection_that_begins_anew_is_no_discontinuity(origin: Server, copy: Server) -> None:
    copy.watch("hls_ts")
    origin.watch("hls_ts")
    source = origin.capture(3 * GOP)
    first = copy.copies(origin)
    next(first)
    origin.capture(GOP // 2, source, 3 * GOP)
    second = copy.copies(origin)  # the last key frame again, and what follows
    next(second)
    origin.capture(5 * GOP, source, 3 * GOP + GOP // 2)
    next(second)
    here, there = copy.told["hls_ts"], origin.told["hls_ts"]
    assert [shape(one) for one in here[1:]] == [shape(one) for one in there[1 - len(here) :]]
    assert copy.switch.timeline.moved == 0


def test_who_takes_a_stream_over_counts_on(origin: Server, copy: Server) -> None:
    copy.watch("hls_fmp4")
    origin.capture(5 * GOP)
    next(copy.copies(origin))
    copy.capture(5 * GOP)
    told = copy.told["hls_fmp4"]
    assert [one.msn for one in told] == list(range(told[0].msn, told[0].msn + len(told)))
    assert [one.discontinuity for one in told].count(True) == 1
    assert told[-1].discontinuities == told[0].discontinuities + 1


def test_a_clock_that_is_behind_is_not_kept(origin: Server, copy: Server, tmp_path: Path) -> None:
    """Another server has the stream now, and began from the start: what was shown goes on here."""
    copy.watch("hls_ts")
    origin.capture(8 * GOP)
    next(copy.copies(origin))
    before = copy.switch.timeline.head
    other = Server(tmp_path / "other")
    other.capture(4 * GOP)
    next(copy.copies(other))
    told = copy.told["hls_ts"]
    assert [one.msn for one in told] == list(range(told[0].msn, told[0].msn + len(told)))
    assert copy.switch.timeline.head > before
    assert not copy.switch.timeline.kept


def test_numbers_that_jump_empty_no_segment(origin: Server, copy: Server) -> None:
    """What was lost on the way leaves a hole: the next segment has its own number."""
    copy.watch("hls_ts")
    source = origin.capture(2 * GOP)
    copying = copy.copies(origin)
    next(copying)
    lost = copy.switch.relay
    copy.switch.relay = lambda *_: False  # type: ignore[method-assign]
    origin.capture(6 * GOP, source, 2 * GOP)
    next(copying)
    copy.switch.relay = lost  # type: ignore[method-assign]
    origin.watch("hls_ts")
    origin.capture(6 * GOP, source, 8 * GOP)
    next(copying)
    here, there = copy.told["hls_ts"], origin.told["hls_ts"]
    assert shape(here[-1]) == shape(there[-1])
    assert here[-1].discontinuity is False, "one clock"


@pytest.mark.parametrize(
    "cut",
    [Cut(-1, *[0] * 5), Cut(2**53, *[0] * 5), Cut(0, 0, -1, 0, 0, 0), Cut(0, 0, 0, 2**60, 0, 0)],
)
def test_numbers_that_cannot_be_are_refused(cut: Cut) -> None:
    reader = RelayReader()
    with pytest.raises(RelayError):
        list(
            reader.feed(
                tracks_record([VIDEO])
                + frame_record(Frame(0, START, START, FRAME, True, b"", 0, cut))
            )
        )
