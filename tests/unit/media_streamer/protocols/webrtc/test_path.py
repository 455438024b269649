"""What is made of a receiver's words, with a simulated path in between, and what is sent then."""

from collections import deque
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.protocols.webrtc.path import SLOTS, Path
from media_streamer.protocols.webrtc.rungs import Rungs
from media_streamer.rtp import rtcp
from media_streamer.rtp.arrivals import Arrivals

PACKET = 1200
FRAME_SECONDS = 0.04
RATES = [4_000_000, 1_500_000, 500_000]


@dataclass
class Link:
    """A path of a rate, bits a second, with a buffer and a way of 30 ms; another clock beyond."""

    rate: float
    buffer_seconds: float = 1.0
    free_at: float = 0.0
    under_way: deque[tuple[float, int]] = field(default_factory=deque)

    def send(self, number: int, size: int, now: float) -> None:
        begins = max(now, self.free_at)
        if begins - now <= self.buffer_seconds:
            self.free_at = begins + 8 * size / self.rate
            self.under_way.append((self.free_at + 0.03, number))

    def arrived(self, now: float) -> list[tuple[float, int]]:
        found = []
        while self.under_way and self.under_way[0][0] <= now:
            found.append(self.under_way.popleft())
        return found


class Simulation:
    """A sender of frames at the rate of its rung, key frames of five times the size."""

    def __init__(self, link: Link) -> None:
        self.link, self.path, self.rungs, self.arrivals = link, Path(), Rungs(), Arrivals()
        self.now, self.at, self.frames = 0.0, 0, 0
        self.history: list[tuple[float, int]] = []
        self.standing: list[float] = []

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            rate = RATES[self.at]
            weight = 5 if self.frames % 50 == 0 else 45 / 49
            size = round(rate * FRAME_SECONDS / 8 * weight)
            sizes = [PACKET] * (size // PACKET) + [size % PACKET + 20]
            first = self.path.sent(sizes, self.now)
            for number, one in enumerate(sizes, first):
                self.link.send(number, one, self.now)
            self.frames += 1
            self.now += FRAME_SECONDS
            for arrived, number in self.link.arrived(self.now):
                self.arrivals.packet(number & 0xFFFF, 1000.0 + arrived)
            for message in self.arrivals.feedback(1, 2):
                (told,) = rtcp.parse(message)
                assert isinstance(told, rtcp.TransportFeedback)
                self.path.feedback(told, self.now)
            measure = self.path.measure(self.now)
            self.standing.append(measure.standing)
            rung = self.rungs.judge(self.now, self.at, RATES, 64_000, measure)
            if rung != self.at:
                self.at = rung
                self.rungs.switched(self.now)
                self.history.append((self.now, rung))


def test_a_wide_path_is_left_alone() -> None:
    simulation = Simulation(Link(20_000_000))
    simulation.run(30)
    assert simulation.history == []
    assert max(simulation.standing) < 0.03


@pytest.mark.parametrize("buffer_seconds", [0.05, 0.3, 2.0])
@pytest.mark.parametrize(("rate", "rung"), [(2_500_000, 1), (800_000, 2)])
def test_a_narrow_path_gets_what_it_carries(rate: float, rung: int, buffer_seconds: float) -> None:
    """Soon, and from then on with few trials; whether the path drops or delays."""
    simulation = Simulation(Link(rate, buffer_seconds))
    simulation.run(15)
    assert simulation.history[0][0] < 4
    simulation.run(185)
    time_at: dict[int, float] = {}
    for (began, at), (ended, _) in zip(
        simulation.history, [*simulation.history[1:], (simulation.now, -1)], strict=True
    ):
        time_at[at] = time_at.get(at, 0.0) + ended - began
    assert max(time_at, key=lambda at: time_at[at]) == rung, time_at
    assert time_at[rung] > 0.6 * simulation.now
    assert len(simulation.history) < 40, "trials become rare"


def test_a_path_that_becomes_wide_is_used() -> None:
    link = Link(800_000, 0.5)
    simulation = Simulation(link)
    simulation.run(20)
    assert simulation.at > 0
    link.rate = 20_000_000
    simulation.run(60)
    assert simulation.at == 0


def test_an_estimate_is_heeded_where_nothing_else_is_told() -> None:
    path = Path()
    assert not path.measure(0.0).is_clear, "nothing is known"
    for step in range(40):
        path.sent([PACKET] * 10, step * 0.1)
    path.estimate(2_000_000, 4.0)
    assert path.measure(4.1).is_clear
    path.estimate(500_000, 4.2)
    measure = path.measure(4.3)
    assert (measure.is_over, measure.rate) == (True, 500_000)
    assert not path.measure(20.0).is_over, "it is old"
    path.report(100, 21.0)
    assert path.measure(21.1).is_late, "two in five packets are lost"


@given(st.lists(st.binary(max_size=60), max_size=20), st.integers(0, 200_000))
def test_any_feedback_is_bounded(messages: list[bytes], sent: int) -> None:
    path = Path()
    path._next = sent
    path.sent([PACKET] * 9, 1.0)
    for number, data in enumerate(messages):
        body = b"\0" * 8 + data + bytes(-len(data) % 4)
        packet = bytes((0x8F, 205)) + (len(body) // 4).to_bytes(2) + body
        for told in rtcp.parse(packet):
            assert isinstance(told, rtcp.TransportFeedback)
            path.feedback(told, float(number))
    measure = path.measure(float(len(messages)))
    assert 0 <= measure.loss <= 1
    assert measure.standing >= 0
    assert measure.rate <= 8 * 0xFFFF * SLOTS


def test_the_clock_of_a_receiver_goes_around() -> None:
    """Reference times have 24 bits: 12 days."""
    path = Path()
    first = path.sent([PACKET] * 3, 5.0)
    path.feedback(rtcp.TransportFeedback(first, (1 << 24) - 1, (0,)), 4.0)
    path.feedback(rtcp.TransportFeedback(first + 1, (1 << 24) - 1, (0,)), 5.1)
    path.feedback(rtcp.TransportFeedback(first + 2, 0, (0,)), 5.2)
    assert path.measure(5.2).standing == pytest.approx(0.0, abs=0.001)
    assert path.measure(5.2).rate == 2 * 8 * PACKET
