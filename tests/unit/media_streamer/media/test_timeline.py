"""The stream's clock: wraps, jumps, missing stamps, restarts; properties for any input."""

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from media_streamer.media.frame import TIME_BASE
from media_streamer.media.timeline import JUMP, START, WRAP, Stamp, Timeline

MPEG = Fraction(1, TIME_BASE)
MILLI = Fraction(1, 1000)
FRAME = 3600  # 25 frames a second
AUDIO = 1920  # 1024 samples at 48 kHz


def timeline(*bases: Fraction) -> Timeline:
    clock = Timeline()
    clock.restart(bases or (MPEG,))
    return clock


def feed(clock: Timeline, stamps: list[int], track: int = 0) -> list[Stamp]:
    placed = [clock.place(track, dts, dts, 0) for dts in stamps]
    assert all(placed), "no frame of this source may be lost"
    return [stamp for stamp in placed if stamp]


def test_starts_at_one_second_and_keeps_distances() -> None:
    stamps = feed(timeline(), [5_000_000 + n * FRAME for n in range(4)])
    assert [s.dts for s in stamps] == [START + n * FRAME for n in range(4)]
    assert not any(s.discontinuity for s in stamps)
    assert stamps[-1].duration == FRAME


def test_where_a_track_begins_no_duration_is_seen() -> None:
    """A sound that begins 16 ms behind the picture has no frame of 16 ms in front: writers that
    keep sound without gaps would put all of it so much too early."""
    clock = Timeline()
    clock.restart((MPEG, MPEG, MPEG), [FRAME, AUDIO, 0])
    frames = ((0, 800), (1, 2250), (1, 2250 + 1800), (2, 3000))
    placed = [clock.place(track, dts, dts, None) for track, dts in frames]
    assert [stamp and stamp.duration for stamp in placed] == [FRAME, AUDIO, 1800, 3600]


def test_scales_milliseconds() -> None:
    stamps = feed(timeline(MILLI), [0, 40, 80])
    assert [s.dts - START for s in stamps] == [0, FRAME, 2 * FRAME]


@pytest.mark.parametrize("begin", [0, -3 * FRAME])
@pytest.mark.parametrize("sounds", [51, 52, 53, 54])
def test_a_loop_with_b_frames_has_no_hole(sounds: int, begin: int) -> None:
    """The picture's DTS begin two frames before those of a sound that begins at 0, and whose length
    is not the same."""
    clock = timeline(MPEG, MPEG)
    frames = [(0, (n - 2) * FRAME, FRAME) for n in range(28)]
    frames += [(1, begin + n * AUDIO, AUDIO) for n in range(sounds)]
    frames.sort(key=lambda one: one[1])
    seen: dict[int, list[int]] = {0: [], 1: []}
    for _ in range(3):
        for track, dts, duration in frames:
            stamp = clock.place(track, dts, dts, duration)
            assert stamp is not None
            assert not stamp.discontinuity
            seen[track].append(stamp.dts)
        clock.restart((MPEG, MPEG), seamless=True)
    for track, length, own in ((0, FRAME, 28 * FRAME), (1, AUDIO, sounds * AUDIO)):
        hole = max(28 * FRAME, sounds * AUDIO) - own
        steps = {after - before for before, after in pairwise(seen[track])}
        assert steps == {length, length + hole}, "it is as long as the other track is longer"
    assert seen[1][0] - seen[0][0] == begin + 2 * FRAME
    assert clock.moved == 0


def test_a_loop_is_as_long_though_a_track_is_silent() -> None:
    """As the pacer has it: else what comes out is ever further ahead of the clock."""
    clock = timeline(MPEG, MPEG)
    for number in range(3):
        for n in range(25):
            stamp = clock.place(0, (n - 2) * FRAME, None, FRAME)
            assert stamp is not None
            assert stamp.dts == START + (25 * number + n) * FRAME
            if number == 1:
                assert clock.place(1, n * FRAME, None, FRAME) is not None
        clock.restart((MPEG, MPEG), seamless=True)


def test_a_loop_that_begins_elsewhere_goes_on_at_the_head() -> None:
    clock = timeline(MPEG)
    feed(clock, [0, FRAME, 2 * FRAME])
    clock.restart((MPEG,), seamless=True)
    (stamp,) = feed(clock, [7 * FRAME])
    assert stamp.dts == START + 3 * FRAME


@pytest.mark.parametrize(
    ("base", "modulus"), [(MPEG, 2**33), (MILLI, 2**32)], ids=["mpegts", "flv"]
)
def test_a_wrapped_counter_is_no_break(base: Fraction, modulus: int) -> None:
    clock = timeline(base, base)
    step = int(Fraction(1, 25) / base)
    video = [(modulus - 5 * step + n * step) % modulus for n in range(10)]
    placed = []
    for n, dts in enumerate(video):
        audio = (dts + step // 2) % modulus
        placed += [(0, n, clock.place(0, dts, dts, step)), (1, n, clock.place(1, audio, audio, 1))]
    for track, n, stamp in placed:
        assert stamp is not None
        assert not stamp.discontinuity
        assert stamp.dts - START == n * FRAME + track * FRAME // 2


def test_pts_beyond_the_wrap_of_dts() -> None:
    clock = timeline()
    stamp = clock.place(0, 2**33 - FRAME, FRAME, FRAME)
    assert stamp is not None
    assert stamp.pts - stamp.dts == 2 * FRAME


@pytest.mark.parametrize("jump", [100 * TIME_BASE, -100 * TIME_BASE, -TIME_BASE])
def test_a_jump_goes_on_at_the_head_and_keeps_the_tracks_together(jump: int) -> None:
    clock = timeline(MPEG, MPEG)
    origin = 1_000 * TIME_BASE
    before = [clock.place(t, origin + n * FRAME, None, FRAME) for n in range(5) for t in (0, 1)]
    after = [
        clock.place(t, origin + jump + n * FRAME, None, FRAME) for n in range(5, 10) for t in (0, 1)
    ]
    placed = [stamp for stamp in before + after if stamp]
    assert len(placed) == 20
    assert [s.discontinuity for s in placed] == [n == 10 for n in range(20)]
    assert [s.dts for s in placed[::2]] == [START + n * FRAME for n in range(10)]
    assert [s.dts for s in placed[1::2]] == [START + n * FRAME for n in range(10)]


def test_a_hole_shorter_than_ten_seconds_stays_a_hole() -> None:
    stamps = feed(timeline(), [0, FRAME, FRAME + 9 * TIME_BASE])
    assert stamps[2].dts - stamps[1].dts == 9 * TIME_BASE
    assert not stamps[2].discontinuity


def test_equal_stamps_and_jitter_move_by_a_tick() -> None:
    stamps = feed(timeline(), [0, FRAME, FRAME, FRAME - 90, 2 * FRAME])
    assert [s.dts - START for s in stamps] == [0, FRAME, FRAME + 1, FRAME + 2, 2 * FRAME]


def test_missing_stamps_continue_evenly() -> None:
    clock = timeline()
    stamps = [clock.place(0, 0, 0, FRAME), clock.place(0, FRAME, FRAME, FRAME)]
    stamps += [clock.place(0, None, None, None) for _ in range(3)]
    assert [s.dts - START for s in stamps if s] == [n * FRAME for n in range(5)]


def test_missing_dts_with_b_frames_keeps_every_pts_within_a_tick() -> None:
    clock = timeline()
    order = [0, 3, 1, 2, 6, 4, 5, 9, 7, 8, 12, 10, 11]
    stamps = [clock.place(0, None, n * FRAME, FRAME) for n in order]
    for n, stamp in zip(order, stamps, strict=True):
        assert stamp is not None
        assert 0 <= stamp.pts - START - n * FRAME <= 1
        assert stamp.dts <= stamp.pts


def test_b_frames_keep_their_delay() -> None:
    clock = timeline()
    stamps = [clock.place(0, n * FRAME, (n + 2) * FRAME, FRAME) for n in range(3)]
    assert [s.pts - s.dts for s in stamps if s] == [2 * FRAME] * 3


def test_a_pts_before_its_dts_becomes_its_dts() -> None:
    clock = timeline()
    stamp = clock.place(0, 10 * FRAME, 8 * FRAME, FRAME)
    assert stamp is not None
    assert stamp.pts == stamp.dts


def test_a_restarted_source_continues_where_it_stopped() -> None:
    clock = timeline(MPEG, MPEG)
    for n in range(10):
        clock.place(0, n * FRAME, None, FRAME)
        clock.place(1, n * FRAME, None, FRAME)
    clock.restart((MILLI, MILLI))
    first = clock.place(0, 77_000, None, 40)
    early = clock.place(1, 76_900, None, 20)
    audio = clock.place(1, 77_020, None, 20)
    assert first is not None
    assert audio is not None
    assert (first.dts, first.discontinuity) == (START + 10 * FRAME, True)
    assert early is None, "a frame before the take-over point would go back"
    assert audio.dts - first.dts == 20 * 90
    assert not audio.discontinuity


def test_a_loop_is_seamless() -> None:
    clock = timeline()
    feed(clock, [n * FRAME for n in range(5)])
    clock.restart((MPEG,), seamless=True)
    assert clock.place(0, 0, 0, FRAME) == Stamp(START + 5 * FRAME, START + 5 * FRAME, FRAME, False)


def test_tracks_with_unrelated_clocks_both_run() -> None:
    clock = timeline(MPEG, MPEG)
    video = [clock.place(0, n * FRAME, None, FRAME) for n in range(5)]
    audio = [clock.place(1, 5_000 * TIME_BASE + n * AUDIO, None, AUDIO) for n in range(5)]
    assert all(video)
    assert all(audio)
    assert [b.dts - a.dts for a, b in pairwise(audio) if a and b] == [AUDIO] * 4


def test_a_silent_track_may_come_back_after_any_time() -> None:
    clock = timeline(MPEG, MPEG)
    for n in range(60 * 25):
        clock.place(0, n * FRAME, None, FRAME)
        if n < 25 or n == 60 * 25 - 1:
            stamp = clock.place(1, n * FRAME, None, FRAME)
    assert stamp is not None
    assert stamp.dts - START == (60 * 25 - 1) * FRAME
    assert not stamp.discontinuity


raw_stamp = st.none() | st.integers(-(2**34), 2**34) | st.integers(0, 100 * FRAME)
packet = st.tuples(st.integers(0, 1), raw_stamp, raw_stamp, st.none() | st.integers(-5, 2**40))
bases = st.sampled_from([MPEG, MILLI, Fraction(1, 48_000), Fraction(1, 44_100), Fraction(1, 1)])


@given(st.lists(st.tuples(bases, bases, st.booleans(), st.lists(packet)), min_size=1))
def test_the_output_is_monotonic_for_any_input(
    sources: list[
        tuple[Fraction, Fraction, bool, list[tuple[int, int | None, int | None, int | None]]]
    ],
) -> None:
    clock = Timeline()
    last = [0, 0]
    for first, second, seamless, packets in sources:
        clock.restart((first, second), seamless=seamless)
        floor = clock.head
        for track, dts, pts, duration in packets:
            stamp = clock.place(track, dts, pts, duration)
            if stamp is None:
                continue
            assert stamp.dts > last[track]
            assert seamless or stamp.dts >= floor
            assert stamp.pts >= stamp.dts
            assert 0 < stamp.duration <= JUMP
            last[track] = stamp.dts


@example(start=0, jumps=[251], lead=0)  # as long as the limit: one track alone must not jump
@example(start=0, jumps=[250], lead=5)
@given(
    start=st.integers(0, WRAP - 1),
    jumps=st.lists(st.integers(-50 * 25, 50 * 25).filter(lambda n: abs(n) > 25), max_size=4),
    lead=st.integers(0, 10),
)
def test_audio_stays_with_video_over_wraps_and_jumps(
    start: int, jumps: list[int], lead: int
) -> None:
    """After both tracks made a jump, audio and video of one instant come out together."""
    clock = timeline(MPEG, MPEG)
    position = start
    for jump in [0, *jumps]:
        position += jump * FRAME
        instants: list[dict[int, int]] = [{} for _ in range(80)]
        for n in range(80 + lead):  # audio runs `lead` frames ahead in the source
            for track, index in ((1, n), (0, n - lead)):
                if 0 <= index < 80:
                    dts = (position + index * FRAME) % WRAP
                    stamp = clock.place(track, dts, dts, FRAME)
                    if stamp is not None:
                        instants[index][track] = stamp.dts
        # Small steps are legal holes or lost frames; what came out must be in step at the end.
        assert instants[-1][0] == instants[-1][1]
        position += 80 * FRAME


def test_what_was_set_right_is_counted() -> None:
    clock = timeline()
    feed(clock, [0, FRAME, FRAME, 3 * FRAME])
    assert (clock.restarts, clock.breaks, clock.moved) == (0, 0, 1)
    feed(clock, [10 * JUMP])
    assert (clock.restarts, clock.breaks) == (0, 1)
    clock.restart((MPEG,))
    feed(clock, [0])
    assert (clock.restarts, clock.breaks) == (1, 1)
    clock.restart((MPEG,), seamless=True)
    assert clock.restarts == 1
