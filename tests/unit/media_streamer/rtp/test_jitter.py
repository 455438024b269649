"""Order, loss, restarts and bounds of the jitter buffer."""

from hypothesis import given
from hypothesis import strategies as st
from media_streamer.rtp.jitter import MAX_DISORDER, JitterBuffer
from media_streamer.rtp.packet import Packet


def packet(sequence: int) -> Packet:
    return Packet(96, False, sequence & 0xFFFF, 0, 1, sequence.to_bytes(8, "big"))


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@given(st.integers(0, 0xFFFF), st.permutations(range(12)))
def test_what_comes_shuffled_goes_in_order(start: int, order: list[int]) -> None:
    clock = Clock()
    buffer = JitterBuffer(now=clock)
    out = buffer.push(packet(start))
    for step in order:
        out += buffer.push(packet(start + 1 + step))
    assert [p.sequence for p in out] == [(start + n) & 0xFFFF for n in range(13)]
    assert buffer.lost == 0


def test_a_hole_is_a_loss_after_the_wait() -> None:
    clock = Clock()
    buffer = JitterBuffer(0.2, now=clock)
    assert len(buffer.push(packet(1))) == 1
    assert buffer.push(packet(4)) == []
    assert buffer.missing() == [2, 3]
    clock.now = 0.1
    assert buffer.poll() == []
    clock.now = 0.25
    assert [p.sequence for p in buffer.poll()] == [4]
    assert buffer.lost == 2
    assert buffer.push(packet(2)) == []
    assert buffer.duplicates == 1


def test_the_bound_in_packets_ends_the_wait() -> None:
    buffer = JitterBuffer(1e9, max_packets=8, now=Clock())
    out = buffer.push(packet(0))
    for number in range(2, 20):
        out += buffer.push(packet(number))
    assert [p.sequence for p in out][:3] == [0, 2, 3]
    assert buffer.lost == 1


def test_a_sender_that_counts_anew_goes_on() -> None:
    buffer = JitterBuffer(now=Clock())
    buffer.push(packet(10))
    buffer.push(packet(12))
    out = buffer.push(packet(12 + MAX_DISORDER + 5))
    assert [p.sequence for p in out] == [12, 12 + MAX_DISORDER + 5]
    assert buffer.restarts == 1
    assert [p.sequence for p in buffer.push(packet(13 + MAX_DISORDER + 5))] == [3018]


@given(st.lists(st.integers(0, 0xFFFF), max_size=300))
def test_anything_is_bounded_and_never_repeated(numbers: list[int]) -> None:
    buffer = JitterBuffer(1e9, max_packets=16, now=Clock())
    out: list[Packet] = []
    for number in numbers:
        out += buffer.push(packet(number))
    assert len(out) <= len(numbers)
    assert len(buffer.missing()) <= MAX_DISORDER
