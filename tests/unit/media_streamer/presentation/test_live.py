"""What a worker does for requests that know more than it does yet."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from media_streamer.egress.access import AccessDenied
from media_streamer.presentation import index as module
from media_streamer.presentation import live
from media_streamer.presentation.live import LiveIndex
from media_streamer.presentation.live_track import LiveTrack
from media_streamer.presentation.track_index import Timing
from media_streamer.wire.media import (
    End,
    Event,
    Events,
    InitSection,
    NoSuchTracks,
    Outage,
    PartReady,
    SegmentReady,
    TracksReset,
)

Make = Callable[..., LiveIndex]


class Link:
    """A media worker that is asked and says what the test says."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.paces: list[int] = []
        self.paced = asyncio.Event()

    def subscribe(
        self,
        _stream: str,
        format: str,
        _taker: object,
        *,
        tracks: tuple[str, ...],
        pinned: bool,
        interval_ms: int,
    ) -> int:
        assert not pinned
        self.paces = [interval_ms]
        self.asked.append(" ".join((format, *tracks)))
        return len(self.asked)

    def pace(self, _number: int, interval_ms: int) -> None:
        self.paces.append(interval_ms)
        self.paced.set()

    def repeat(self, number: int) -> None:
        self.asked.append(f"again {number}")

    def release(self, _number: int) -> None:
        pass


@pytest.fixture
async def make_index() -> AsyncIterator[Make]:
    made: list[LiveIndex] = []

    def make(container: str, exists: bool = True, tracks: tuple[str, ...] = ()) -> LiveIndex:
        link: Any = Link()
        container_: Any = container
        made.append(
            LiveIndex("live", Timing(), container_, link, lambda _: None, lambda _: exists, tracks)
        )
        return made[-1]

    yield make
    for one in made:
        one.close("test is over")


def init(track: str, number: int = 1, former: tuple[str, ...] = ()) -> InitSection:
    return InitSection(
        track=track,
        number=number,
        kind="video",
        path="",
        codecs="",
        width=0,
        height=0,
        fps=0.0,
        bandwidth=0,
        channels=0,
        sample_rate=0,
        language="",
        group="",
        rank=0,
        timescale=90_000,
        former=list(former),
        alone=bool(former),
    )


def segment(track: str, msn: int) -> SegmentReady:
    return SegmentReady(
        track=track,
        msn=msn,
        path=f"/{msn}",
        init=1,
        start_utc_ms=1_700_000_000_000 + 1000 * msn,
        time=0,
        duration=1.0,
        size=1,
        discontinuity=False,
        discontinuities=0,
        period_utc_ms=0,
        period_time=0,
        bandwidth=8,
    )


def lasting(msn: int, duration: float, target_ms: int = 5000) -> SegmentReady:
    """A segment of v1."""
    return msgspec.structs.replace(segment("v1", msn), duration=duration, target_ms=target_ms)


def part(track: str, msn: int, index: int, seq: int, path: Path | str = "/x") -> PartReady:
    return PartReady(
        track=track,
        msn=msn,
        index=index,
        seq=seq,
        duration=0.2,
        independent=index == 0,
        path=str(path),
        offset=index * 4,
        size=4,
        init=1,
        discontinuity=False,
        discontinuities=0,
    )


def tell(index: LiveIndex, *events: Event) -> None:
    index.on_message(Events(1, list(events)))


async def soon(waiting: "asyncio.Task[Any]") -> bool:
    """Whether a task is done after the loop went round."""
    for _ in range(3):
        await asyncio.sleep(0)
    return waiting.done()


async def test_successor_that_another_worker_knew_first_is_waited_for(make_index: Make) -> None:
    index = make_index("fmp4")
    tell(index, init("v1"), segment("v1", 10))
    index.on_lost()
    track = index.tracks["v1"]
    waiting = asyncio.create_task(index.wait_for(track, 100, None))
    assert not await soon(waiting)
    tell(index, segment("v1", 99), segment("v1", 100))
    await asyncio.wait_for(waiting, 5)


async def test_what_is_too_far_ahead_is_refused(
    make_index: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LAG_SECONDS", 0.01)
    index = make_index("fmp4")
    tell(index, init("v1"), segment("v1", 10))
    with pytest.raises(AccessDenied, match="too far in the future") as refused:
        await index.wait_for(index.tracks["v1"], 100, None)
    assert refused.value.status == 400


async def test_multiplex_is_found_by_the_names_it_had(make_index: Make) -> None:
    index = make_index("ts")
    tell(index, init("v1"), segment("v1", 1))
    tell(index, init("v1a1", former=("v1",)), segment("v1a1", 2))
    multiplex = index.find_track("v1a1")
    assert multiplex is not None
    assert [one.msn for one in multiplex.segments] == [1, 2]
    assert index.find_track("v1") is multiplex
    assert index.find_track("a1v1") is multiplex
    assert index.find_track("a2v1") is None


async def test_segments_are_as_long_as_who_cuts_them_says(make_index: Make) -> None:
    """A copy of another server's stream may be configured otherwise here: a template says it."""
    index = make_index("ts")
    index.on_message(Events(1, [segment("v1a1", 1)]))
    track = index.tracks["v1a1"]
    assert track.target_seconds(index.timing) == 5
    told = msgspec.structs.replace(segment("v1a1", 2), target_ms=2000)
    index.on_message(Events(1, [told]))
    assert track.target_seconds(index.timing) == 2


async def test_several_multiplexes_stand_beside_each_other(make_index: Make) -> None:
    index = make_index("ts")
    names = ["v1a1", "v2a1", "a2"]
    tell(index, *(init(name) for name in names), *(segment(name, 1) for name in names))
    assert index.is_ready()
    assert list(index.tracks) == names
    assert index.names == ("v1", "v2", "a1", "a2")
    assert [track.name for track in index.selected(())] == ["v1a1", "v2a1", "a2"]
    with pytest.raises(AccessDenied, match="no track v3; it has v1, v2, a1, a2"):
        index.check(("v1", "v3"))


async def test_a_source_that_fails_is_told_at_once(make_index: Make) -> None:
    index = make_index("ts")
    waiting = asyncio.create_task(index.wait_ready())
    assert not await soon(waiting)
    tell(index, Outage("its source gives no data (refused)"))
    assert not await soon(waiting)
    tell(index, Outage("its source gives no data (refused)", lasting=True))
    with pytest.raises(AccessDenied, match=r"not running now: .* \(refused\)"):
        await waiting
    tell(index, Outage(), init("v1"), segment("v1", 1))
    await index.wait_ready()


async def test_who_comes_to_the_start_of_a_stream_waits_for_what_lasts(make_index: Make) -> None:
    index = make_index("ts")
    waiting = asyncio.create_task(index.wait_smooth(time.monotonic()))
    tell(index, init("v1"))
    for msn in range(3):
        tell(index, lasting(msn, 2.0))
        assert not await soon(waiting)
    tell(index, lasting(3, 2.0))
    assert await soon(waiting), "one and a half times the target of 5 s"
    await index.wait_smooth(time.monotonic())


async def test_it_is_waited_for_again_once_a_media_worker_was_lost(make_index: Make) -> None:
    index = make_index("ts")
    tell(index, init("v1"), lasting(1, 4.0), lasting(2, 4.0))
    index._began_at = time.monotonic() - 60
    index.on_lost()
    await index.wait_smooth(time.monotonic())  # what is listed can be played
    tell(index, lasting(1000, 3.0))
    waiting = asyncio.create_task(index.wait_smooth(time.monotonic()))
    assert not await soon(waiting)
    tell(index, lasting(1001, 5.0))
    assert await soon(waiting)


async def test_what_comes_too_late_is_not_waited_for(make_index: Make) -> None:
    index = make_index("ts")
    tell(index, init("v1"), lasting(1, 4.0, target_ms=30_000))
    await index.wait_smooth(time.monotonic())  # 41 s are missing
    index = make_index("ts")
    tell(index, init("v1"), lasting(1, 20.0, target_ms=20_000))
    await index.wait_smooth(time.monotonic())  # the next one is 20 s away
    index = make_index("ts")
    tell(index, init("v1"), lasting(1, 1.0, target_ms=20_000))
    waiting = asyncio.create_task(index.wait_smooth(time.monotonic()))
    assert not await soon(waiting), "the next ones come in thirds"
    waiting.cancel()
    index = make_index("ts")
    tell(index, init("v1"), lasting(1, 5.0))
    await index.wait_smooth(time.monotonic() - index.start_seconds + 1)  # it has waited long enough


async def test_who_waits_for_more_is_told_that_it_broke_off(make_index: Make) -> None:
    index = make_index("ts")
    tell(index, init("v1"), lasting(1, 5.0))
    waiting = asyncio.create_task(index.wait_smooth(time.monotonic()))
    assert not await soon(waiting)
    tell(index, End("its source ended"), Outage("its source gives no data", lasting=True))
    with pytest.raises(AccessDenied, match="no data"):
        await waiting


async def test_who_comes_to_the_start_of_a_stream_does_not_wait_for_ever(
    make_index: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HOLD_SECONDS", 0.1)
    index = make_index("ts")
    tell(index, init("v1"), lasting(1, 7.45))
    await index.wait_smooth(time.monotonic())
    index = make_index("ts")
    waiting = asyncio.create_task(index.wait_smooth(time.monotonic()))
    assert not await soon(waiting)
    index.close("removed")
    with pytest.raises(AccessDenied, match="removed"):
        await waiting


async def test_a_selection_of_what_there_is_not_is_refused(make_index: Make) -> None:
    index = make_index("ts", tracks=("v1", "a7"))
    link: Any = index._link
    assert link.asked == ["hls_ts v1 a7"]
    waiting = asyncio.create_task(index.wait_ready())
    await asyncio.sleep(0)
    tell(index, NoSuchTracks(["a1", "v1"]))
    with pytest.raises(AccessDenied, match="no track a7; it has v1, a1") as refused:
        await waiting
    assert refused.value.status == 404


@pytest.fixture
def parts_file(tmp_path: Path) -> Path:
    path = tmp_path / "parts"
    path.write_bytes(b"0000111122223333")
    return path


async def test_the_part_that_is_hinted_at_comes_in_this_segment_or_the_next(
    make_index: Make, parts_file: Path
) -> None:
    index = make_index("fmp4")
    tell(index, init("v1"), part("v1", 5, 0, 70, parts_file))
    track = index.tracks["v1"]
    assert track.next_part == 71
    waiting = asyncio.create_task(index.wait_part(track, 71))
    assert not await soon(waiting)
    tell(index, segment("v1", 5))
    assert not await soon(waiting)
    assert track.next_part == 71
    tell(index, part("v1", 6, 0, 71, parts_file))
    assert await waiting == b"0000"
    assert await index.wait_part(track, 70) == b"0000"


async def test_another_worker_may_have_hinted_at_more(make_index: Make, parts_file: Path) -> None:
    index = make_index("fmp4")
    tell(index, init("v1"), part("v1", 5, 0, 70, parts_file))
    track = index.tracks["v1"]
    waiting = asyncio.create_task(index.wait_part(track, 73))
    tell(index, *(part("v1", 5, n, 70 + n, parts_file) for n in (1, 2, 3)))
    assert await waiting == b"3333"
    with pytest.raises(AccessDenied, match="no such part"):
        await index.wait_part(track, 70 + module.LAG_PARTS + 10)
    with pytest.raises(AccessDenied, match="no such part"):
        await index.wait_part(track, 1)


async def test_what_a_dead_media_worker_had_announced_is_what_comes_instead(
    make_index: Make, parts_file: Path
) -> None:
    index = make_index("fmp4")
    tell(index, init("v1"), part("v1", 5, 0, 70, parts_file))
    track = index.tracks["v1"]
    waiting = asyncio.create_task(index.wait_part(track, 71))
    assert not await soon(waiting)
    index.on_lost()
    assert not await soon(waiting)
    tell(index, init("v1", 2), part("v1", 900, 0, 5000, parts_file))
    assert await waiting == b"0000"


async def test_who_waits_is_answered_once_the_media_worker_is_back(
    make_index: Make, parts_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not 503 after three target durations, which its start may take."""
    monkeypatch.setattr(module, "BLOCK_TARGETS", 0.01)
    index = make_index("fmp4")
    tell(index, init("v1"), segment("v1", 4), part("v1", 5, 0, 70, parts_file))
    track = index.tracks["v1"]
    with pytest.raises(AccessDenied, match="no data") as refused:
        await index.wait_for(track, 5, 1)
    assert refused.value.status == 503
    waiting = [
        asyncio.create_task(index.wait_for(track, 5, 1)),
        asyncio.create_task(index.wait_part(track, 71)),
    ]
    await asyncio.sleep(0)
    index.on_lost()
    waiting.append(asyncio.create_task(index.wait_for(track, 6, 0)))
    await asyncio.sleep(0.1)
    assert not any(one.done() for one in waiting)
    tell(index, init("v1", 2), part("v1", 900, 0, 5000, parts_file))
    await asyncio.gather(*waiting)
    monkeypatch.setattr(live, "RESTART_SECONDS", 0.0)
    with pytest.raises(AccessDenied, match="no data"):
        await index.wait_for(track, 901, 0)


async def test_each_change_is_a_version_of_its_own(make_index: Make) -> None:
    index = make_index("fmp4")
    versions = [index.version]
    tell(index, init("v1"))
    versions.append(index.version)
    tell(index, part("v1", 5, 0, 70), part("v1", 5, 1, 71))
    versions.append(index.version)
    index.on_lost()
    versions.append(index.version)
    assert versions == sorted(set(versions))


async def test_parts_come_at_once_as_long_as_somebody_takes_them(
    make_index: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "PARTS_SECONDS", 0.05)
    index = make_index("fmp4")
    link: Any = index._link
    assert link.paces == [live.PATIENT_MS]
    for _ in range(3):
        index.expect_parts()
    assert link.paces == [live.PATIENT_MS, live.PARTS_MS]
    link.paced.clear()
    await asyncio.wait_for(link.paced.wait(), 30)
    assert link.paces[-1] == live.PATIENT_MS
    index.expect_parts()
    other: Any = Link()
    index.move(other)
    assert other.paces == [live.PARTS_MS], "who waits here waits there"


async def test_tracks_come_back_after_a_reset(make_index: Make) -> None:
    index = make_index("fmp4")
    tell(index, init("v1"), init("a1"), *(segment("v1", msn) for msn in (1, 2, 3)))
    old = index.tracks["v1"]
    tell(index, TracksReset(), init("v1", 2), segment("v1", 4))
    assert set(index.tracks) == {"v1"}
    assert index.tracks["v1"] is old
    assert [one.msn for one in old.segments] == [2, 3, 4]
    assert isinstance(old, LiveTrack)


async def test_the_end_is_said_to_whoever_waits(make_index: Make) -> None:
    index = make_index("fmp4", exists=False)
    waiting = asyncio.create_task(index.wait_ready(parts_suffice=True))
    assert not await soon(waiting)
    tell(index, End("stream_removed"))
    with pytest.raises(AccessDenied, match="stream_removed") as refused:
        await waiting
    assert refused.value.status == 404


async def test_a_stream_that_goes_on_elsewhere_is_asked_for_again(
    make_index: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("media_streamer.presentation.live.REPEAT_SECONDS", 0.0)
    index = make_index("ts")
    first: Any = index._link
    tell(index, End("not_watched"))
    await asyncio.sleep(0.01)
    assert first.asked == ["hls_ts", "again 1"]
    other: Any = Link()
    index.move(other)
    index.move(other)
    assert other.asked == ["hls_ts"]
