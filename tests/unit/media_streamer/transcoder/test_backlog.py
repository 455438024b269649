"""What waits for the decoder."""

from media_streamer.transcoder.backlog import MAX_TICKS, Backlog
from media_streamer.wire.frame import Frame


def _fill(backlog: Backlog, count: int, gop: int, start: int = 0) -> None:
    for number in range(start, start + count):
        backlog.put(Frame(0, number * 3600, number * 3600, 3600, number % gop == 0, b"x"))


def test_what_waits_too_long_is_left_out_up_to_the_newest_key_frame() -> None:
    backlog = Backlog()
    _fill(backlog, MAX_TICKS // 3600 + 2, 50)
    assert backlog.dropped == 100
    backlog.close()
    first = backlog.take()
    assert first is not None
    frame, jumped = first
    assert (frame.key, frame.dts // 3600, jumped) == (True, 100, True)
    second = backlog.take()
    assert second is None or not second[1]


def test_without_a_key_frame_all_is_left_out_until_one_comes() -> None:
    backlog = Backlog()
    _fill(backlog, 150, 10_000)
    assert backlog.lag == 0
    assert backlog.dropped == 150
    _fill(backlog, 2, 1, start=200)
    backlog.close()
    taken = backlog.take()
    assert taken is not None
    assert taken[0].dts == 200 * 3600
    assert taken[1]


def test_an_end_and_an_end_at_once() -> None:
    backlog = Backlog()
    _fill(backlog, 2, 1)
    backlog.close()
    assert backlog.take() is not None
    backlog.abandon()
    assert backlog.take() is None
