"""Real time for files and playlists."""

from hypothesis import given
from hypothesis import strategies as st
from media_streamer.media.inputs.pacer import LEAD_SECONDS, Pacer


def play(pacer: Pacer, positions: list[float], now: float = 100.0) -> list[float]:
    """Times at which the frames go out, sleeping exactly as told."""
    times = []
    for position in positions:
        now += max(0.0, pacer.delay(position, now))
        times.append(now)
    return times


def test_frames_go_out_in_real_time() -> None:
    times = play(Pacer(), [n * 0.04 for n in range(251)])
    assert times[0] == 100.0
    assert abs(times[-1] - 110.0) <= LEAD_SECONDS + 1e-9


def test_a_loop_goes_on_without_a_pause() -> None:
    pacer = Pacer()
    first = play(pacer, [n * 0.04 for n in range(50)])
    pacer.loop(0.0, 2.0)
    second = play(pacer, [n * 0.04 for n in range(50)], first[-1])
    assert abs(second[-1] - 100.0 - 3.96) <= LEAD_SECONDS + 1e-9


def test_after_a_starvation_nothing_is_rushed() -> None:
    pacer = Pacer()
    play(pacer, [0.0, 0.04])
    late = play(pacer, [0.08, 1.08, 2.08], now=130.0)
    assert late[0] == 130.0
    assert abs(late[-1] - 132.0) <= LEAD_SECONDS + 1e-9


def test_a_jump_of_the_source_is_not_waited_for() -> None:
    pacer = Pacer()
    times = play(pacer, [0.0, 0.04, 5_000.0, 5_000.04, 3.0])
    assert times[-1] - times[0] < 0.2


@given(st.lists(st.floats(-1e6, 1e6), max_size=200))
def test_no_source_can_stop_the_clock(positions: list[float]) -> None:
    pacer, now = Pacer(), 0.0
    for position in positions:
        delay = pacer.delay(position, now)
        assert delay <= 11
        now += max(0.0, delay)
