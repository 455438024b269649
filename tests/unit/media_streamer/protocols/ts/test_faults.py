"""Faults of a transport stream that goes by, with a clock of the test's own."""

from collections import Counter

from media_streamer.protocols.ts.faults import TsFaults
from media_streamer.protocols.ts.gate import TsGate

from .test_watch import KEY, LONE, OTHER, TABLE, pat


class World:
    def __init__(self) -> None:
        self.now, self.found = 0.0, Counter[str]()
        self.gate = TsGate()
        self.faults = TsFaults(self.gate, lambda fault: self.found.update([fault]), self._clock)

    def _clock(self) -> float:
        return self.now

    def feed(self, data: bytes, seconds: float = 0.1) -> None:
        self.now += seconds
        self.gate.feed(data)
        self.faults.look()


def test_a_sound_stream_has_none() -> None:
    world = World()
    for _ in range(5):
        world.feed(LONE + KEY + OTHER, 0.4)
    assert not world.found


def test_a_pat_that_stays_away() -> None:
    world = World()
    world.feed(LONE + KEY)
    for _ in range(13):
        world.feed(OTHER)
    assert world.found == {"ts_pat": 2}


def test_bytes_that_are_lost() -> None:
    world = World()
    world.feed(LONE + KEY)
    world.feed(OTHER[7:] + LONE + KEY + OTHER * 3)
    assert world.found == {"desync": 1}


def test_a_program_that_ends() -> None:
    world = World()
    world.feed(pat({1: TABLE, 2: TABLE + 1}) + KEY)
    world.feed(LONE + KEY)
    assert world.found == {"ts_service_lost": 1}
