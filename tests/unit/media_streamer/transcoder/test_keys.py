"""Key frames at the same stamps in all renditions."""

from hypothesis import given
from hypothesis import strategies as st
from media_streamer.transcoder.keys import KeyClock, KeyMarks
from media_streamer.transcoder.rates import FrameRate
from media_streamer.wire.frame import TIME_BASE

FRAME = TIME_BASE // 25


def _keys(clock: KeyClock, stamps: list[int], source: set[int] | None = None) -> list[int]:
    marks = KeyMarks(0)
    found = []
    for pts in stamps:
        moment = clock.due(pts, pts in (source or set()))
        if moment is not None:
            marks.add(moment)
        if marks.take(pts):
            found.append(pts)
    return found


def test_a_group_is_as_long_as_it_is_told() -> None:
    stamps = [number * FRAME for number in range(200)]
    assert _keys(KeyClock(50 * FRAME, 0, FRAME), stamps) == stamps[::50]


def test_after_a_restart_the_grid_is_the_same() -> None:
    stamps = [number * FRAME for number in range(130, 300)]
    keys = _keys(KeyClock(50 * FRAME, 0, FRAME), stamps)
    assert keys == [130 * FRAME, 150 * FRAME, 200 * FRAME, 250 * FRAME]


def test_key_frames_of_the_source() -> None:
    stamps = [number * FRAME for number in range(100)]
    source = {0, 40 * FRAME, 41 * FRAME, 80 * FRAME}
    # The second of two neighbours is the other field of a picture.
    assert _keys(KeyClock(0, 0, FRAME), stamps, source) == [0, 40 * FRAME, 80 * FRAME]
    keys = _keys(KeyClock(0, 30 * FRAME, FRAME), stamps, {0, 40 * FRAME})
    assert keys == [0, 30 * FRAME, 40 * FRAME, 70 * FRAME]


def test_whoever_asks_gets_one_and_the_grid_stays() -> None:
    clock = KeyClock(50 * FRAME, 0, FRAME)
    stamps = [number * FRAME for number in range(120)]
    assert _keys(clock, stamps[:20]) == [0]
    clock.ask()
    assert _keys(clock, stamps[20:]) == [21 * FRAME, 50 * FRAME, 100 * FRAME]


@given(
    st.integers(1, 120),
    st.lists(st.integers(-400, 400), min_size=40, max_size=90),
    st.integers(0, 10**9),
    st.booleans(),
)
def test_renditions_of_any_rate_share_their_key_frames(
    gop: int, jitter: list[int], start: int, asks: bool
) -> None:
    """Two renditions, one with half the rate of the other, on stamps that are never exact."""
    clock = KeyClock(gop * 2 * FRAME, 0, 2 * FRAME)
    rates = [FrameRate(25, 1), FrameRate(25, 2)]
    marks = [KeyMarks(rate.frame_ticks // 2) for rate in rates]
    keys: list[list[int]] = [[], []]
    shown: list[set[int]] = [set(), set()]
    for number, shift in enumerate(jitter):
        if asks and number == 31:
            clock.ask()
        pts = start + number * FRAME + shift
        moment = clock.due(pts, False)
        for index, rate in enumerate(rates):
            if moment is not None:
                marks[index].add(moment)
            for stamp in rate.stamps(pts):
                shown[index].add(stamp)
                if marks[index].take(stamp):
                    keys[index].append(stamp)
    # The first picture may fall between the stamps of the slower one.
    later = [stamp for stamp in keys[0][1:] if stamp <= max(shown[1])]
    assert later == keys[1][1 : len(later) + 1]
