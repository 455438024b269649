"""Wall clock of a stream: set once, slewed, never stepped."""

from hypothesis import given
from hypothesis import strategies as st
from media_streamer.media.frame import TIME_BASE
from media_streamer.media.wall_clock import MAX_ERROR_MS, MAX_TOLD_ERROR_MS, SLEW, WallClock


@given(st.lists(st.floats(-5000, 5000), max_size=100))
def test_it_follows_the_media_and_is_only_slewed(errors: list[float]) -> None:
    clock = WallClock()
    clock.start(0, 1_000_000)
    assert clock.utc_ms(0) == 1_000_000
    dts, last = 0, 1_000_000
    for error in errors:
        dts += 2 * TIME_BASE
        clock.correct(dts, clock.utc_ms(dts) + error)
        now = clock.utc_ms(dts)
        assert abs(now - last - 2000) <= 2 + 1
        last = now


def test_it_catches_up_with_a_drift() -> None:
    clock = WallClock()
    clock.start(0, 0)
    dts = 0
    # The source's clock is 0.05 % slow: 43 s a day.
    for second in range(1, 86_400, 5):
        dts = second * TIME_BASE
        clock.correct(dts, second * 1000.5)
    assert abs(clock.utc_ms(dts) - dts / 90 * 1.0005) < MAX_ERROR_MS + 10


def test_stamps_begin_now_and_follow_the_frames() -> None:
    clock = WallClock()
    first = clock.stamp(10 * TIME_BASE)
    assert [clock.stamp(dts) - first for dts in (9 * TIME_BASE, 10 * TIME_BASE + 3600)] == [
        -1000,
        40,
    ]


def test_reset_takes_the_next_frame() -> None:
    clock = WallClock()
    clock.start(0, 0)
    clock.reset()
    assert clock.stamp(TIME_BASE) > 1_000_000


@given(
    st.lists(
        st.tuples(st.integers(1, 200), st.integers(-10, 1000), st.floats(1, 60_000)),
        min_size=1, max_size=10,
    ),
    st.floats(-0.9 * SLEW, 0.9 * SLEW),
)  # fmt: skip
def test_pictures_keep_the_time_that_their_sender_tells(
    connections: list[tuple[int, int, float]], drift: float
) -> None:
    """However often the connection breaks, for however long, however old what comes first is (a
    server begins with its last key frame), and though the sender's clock is slewed."""
    arrival, dts, second = 0.0, 0, 0
    clock = WallClock(lambda: arrival)
    for seconds, away, age_ms in connections:
        clock.reset()
        second += away
        for _ in range(seconds):
            sender_ms = 1_700_000_000_000 + 1000 * second * (1 + drift)
            arrival = (sender_ms + age_ms) / 1000
            assert abs(clock.stamp(dts, age_ms) - sender_ms) <= MAX_TOLD_ERROR_MS + 2
            second += 1
            dts += TIME_BASE  # the stream here goes on without a gap
            age_ms = max(1.0, age_ms - 700)  # it catches up
