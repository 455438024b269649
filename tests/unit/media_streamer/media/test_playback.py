"""The clock of a playback, and what is sent together."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.media import playback
from media_streamer.media.frame import Frame
from media_streamer.media.playback import BATCH_BYTES, FIRST_DTS, Clock, Turns, batches, thinned
from media_streamer.wire.media import Replay

START = 1_700_000_000 * 90_000


def frames(begin: int, count: int, size: int = 10) -> list[Frame]:
    """Two tracks of 25 frames a second from `begin` on, in ticks."""
    return [
        Frame(track, begin + 3600 * n, begin + 3600 * n + 7200, 3600, True, bytes(size))
        for n in range(count)
        for track in (0, 1)
    ]


def test_what_is_missing_is_left_out() -> None:
    clock = Clock()
    first = list(clock.moved(frames(START, 25), broken=False))
    second = list(clock.moved(frames(START + 25 * 3600, 25), broken=False))
    later = list(clock.moved(frames(START + 10**9, 25), broken=True))
    assert first[0].dts == FIRST_DTS
    assert first[0].pts - first[0].dts == 7200
    assert second[0].dts == FIRST_DTS + 25 * 3600
    assert later[0].dts == FIRST_DTS + 50 * 3600


@given(st.lists(st.tuples(st.integers(-90_000, 900_000), st.booleans()), max_size=6))
def test_the_clock_never_goes_back(parts: list[tuple[int, bool]]) -> None:
    clock, begin = Clock(), START
    last = {0: -1, 1: -1}
    for step, broken in parts:
        begin += step
        for frame in clock.moved(frames(begin, 10), broken=broken):
            assert frame.dts > last[frame.track]
            last[frame.track] = frame.dts


def test_batches_are_short_and_small() -> None:
    given_frames = frames(START, 50)
    made = list(batches(iter(given_frames)))
    assert [frame for batch in made for frame in batch] == given_frames
    assert max(batch[-1].dts - batch[0].dts for batch in made) < 7200
    large = list(batches(iter(frames(START, 4, BATCH_BYTES + 1))))
    assert [len(batch) for batch in large] == [1] * 8
    assert list(batches(iter(()))) == []


def test_twice_as_fast_is_half_as_long() -> None:
    clock = Clock()
    before = list(clock.moved(frames(START, 25), broken=False))
    clock.rescale(2.0)
    fast = list(clock.moved(frames(START + 25 * 3600, 25), broken=False))
    clock.rescale(1.0)
    after = list(clock.moved(frames(START + 50 * 3600, 2), broken=False))
    assert before[-1].dts == FIRST_DTS + 24 * 3600
    assert [frame.dts for frame in fast[:4:2]] == [
        FIRST_DTS + 25 * 3600,
        FIRST_DTS + 26 * 3600 - 1800,
    ]
    assert (fast[0].duration, fast[0].pts - fast[0].dts) == (1800, 3600)
    assert after[0].dts == FIRST_DTS + 25 * 3600 + 25 * 1800
    assert after[2].dts - after[0].dts == 3600


def test_a_change_of_scale_amid_a_segment_goes_on_from_there() -> None:
    clock = Clock()
    moving = clock.moved(frames(START, 4), broken=False)
    first = [next(moving) for _ in range(4)]
    clock.rescale(4.0)
    rest = list(moving)
    assert rest[0].dts == first[-1].dts + 3600
    assert rest[2].dts == rest[0].dts + 900


def test_what_is_fast_has_no_sound_and_of_very_fast_only_key_frames() -> None:
    given_frames = frames(START, 3)
    for frame in given_frames[2:]:
        frame.key = False
    assert thinned(given_frames, {0}, 1.0) == given_frames
    assert {frame.track for frame in thinned(given_frames, {0}, 2.0)} == {0}
    assert len(thinned(given_frames, {0}, 2.0)) == 3
    assert len(thinned(given_frames, {0}, 8.0)) == 1
    assert thinned(given_frames, (), 2.0) == given_frames, "sound alone is all there is"


async def test_however_many_play_others_have_their_turn_between_any_two() -> None:
    """A live stream beside hundreds of downloads would stand still otherwise."""
    turns, made, between = Turns(), 0, 0

    async def play() -> None:
        nonlocal made
        for _ in range(5):
            async with turns.one():
                made += 1

    async def live() -> None:
        nonlocal between
        while made < 500:
            before = made
            await asyncio.sleep(0)
            assert made - before <= 1
            between += 1

    await asyncio.gather(*(play() for _ in range(100)), live())
    assert between >= 500


async def test_more_than_a_worker_plays_are_refused_with_one_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(playback, "MAX_PLAYBACKS", 0)
    playbacks = playback.Playbacks()
    replay = Replay([], 0, 1000, 0.0)
    for _ in range(3):
        with pytest.raises(playback.TooMany):
            playbacks.open("s", replay, "ts", (), lambda _: None, lambda _: None)
    assert caplog.text.count("more are refused") == 1
    playbacks.close()


async def test_who_leaves_before_the_end_takes_no_place_any_more() -> None:
    """500 viewers who had closed the page kept everybody else from every archive."""
    playbacks = playback.Playbacks()
    places = [("/nowhere", "/nowhere/s", "")]
    told: list[str] = []
    for _ in range(3):
        replay = Replay(places, 0, 2**52, 1.0)
        one = playbacks.open("s", replay, "ts", (), lambda _: None, told.append)
        await asyncio.sleep(0)
        one.close()
    began = playbacks.open("s", Replay(places, 0, 2**52, 1.0), "ts", (), print, told.append)
    began.close()  # before its first turn
    tasks = [one for one in asyncio.all_tasks() if one.get_name() == "playback of s"]
    await asyncio.wait(tasks, timeout=30)
    await asyncio.sleep(0)  # whoever waits for their ends is called
    assert not len(playbacks)
    assert told == []
    playbacks.close()
