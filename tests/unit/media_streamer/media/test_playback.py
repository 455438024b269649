"""The clock of a playback, and what is sent together."""

from hypothesis import given
from hypothesis import strategies as st
from media_streamer.media.frame import Frame
from media_streamer.media.playback import BATCH_BYTES, FIRST_DTS, Clock, batches

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
