"""A constant rate: PCRs exact by their bytes, all of the stream, and what does not fit."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from media_streamer.protocols.udp.constant import (
    CLOCK,
    DATAGRAM_BYTES,
    PACKET_BYTES,
    PCR_SECONDS,
    ConstantRate,
)

RATE = 2_000_000
FRAME = CLOCK // 25
PICTURES, SOUND, TABLES = 0x100, 0x101, 0


def packet(pid: int, counter: int, pcr: int | None = None, *, key: bool = False) -> bytes:
    """A transport packet; the first of a picture has the clock."""
    start = 0x40 if pcr is not None else 0
    head = bytes((0x47, start | pid >> 8, pid & 0xFF))
    if pcr is None:
        return (head + bytes((0x10 | counter,))).ljust(PACKET_BYTES, b"p")
    flags = 0x10 | (0x40 if key else 0)
    clock = (pcr // 300 % (1 << 33) << 15 | 0x7E00 | pcr % 300).to_bytes(6, "big")
    return (head + bytes((0x30 | counter, 7, flags)) + clock).ljust(PACKET_BYTES, b"p")


class Source:
    """Pictures of a size in packets, 25 a second; the first of ten is a key frame."""

    def __init__(self, start: int = 0) -> None:
        self.pcr = start
        self._counter = self._number = 0

    def picture(self, packets: int) -> bytes:
        made = [packet(TABLES, self._number & 15)]
        for n in range(packets):
            pcr = self.pcr if n == 0 else None
            made.append(packet(PICTURES, self._counter, pcr, key=self._number % 10 == 0))
            self._counter = self._counter + 1 & 15
        self.pcr += FRAME
        self._number += 1
        return b"".join(made)


def packets(data: bytes) -> Iterator[bytes]:
    for at in range(0, len(data), PACKET_BYTES):
        yield data[at : at + PACKET_BYTES]


def pid(one: bytes) -> int:
    return (one[1] & 0x1F) << 8 | one[2]


def clock(one: bytes) -> int | None:
    if not (one[3] & 0x20 and one[4] and one[5] & 0x10):
        return None
    field = int.from_bytes(one[6:12], "big")
    return (field >> 15) * 300 + (field & 0x1FF)


def output(rate: ConstantRate, source: Source, pictures: int, size: int = 20) -> bytes:
    """As if the wall went with the source."""
    out, wall = b"", 0.0
    for number in range(pictures):
        rate.write(source.picture(size))
        while wall < (number + 1) / 25:
            out += rate.datagram()
            wall += rate.seconds
    return out


@pytest.mark.parametrize("start", [0, (1 << 33) * 300 - CLOCK])
def test_clocks_are_those_of_their_bytes(start: int) -> None:
    out = output(ConstantRate(RATE), Source(start), 75)
    found = [(n, value) for n, one in enumerate(packets(out)) if (value := clock(one)) is not None]
    first_at, first = found[0]
    wrap = (1 << 33) * 300
    for at, value in found:
        exact = (at - first_at) * PACKET_BYTES * 8 * CLOCK / RATE
        assert abs((value - first) % wrap - exact) <= 2  # of 27 MHz: 74 ns
    gaps = [(b[1] - a[1]) % wrap for a, b in pairwise(found)]
    assert max(gaps) <= (PCR_SECONDS + 0.002) * CLOCK
    assert abs(len(out) * 8 / RATE - 3) < 0.01


def test_the_stream_is_whole_and_the_rest_is_null() -> None:
    rate, source = ConstantRate(RATE), Source()
    out = output(rate, source, 75)
    counters = [one[3] & 15 for one in packets(out) if pid(one) == PICTURES and one[3] & 0x10]
    assert counters == [n & 15 for n in range(len(counters))]
    assert len(counters) > 60 * 20
    assert {pid(one) for one in packets(out)} == {PICTURES, TABLES, 0x1FFF}
    assert rate.dropped == 0


def test_a_large_picture_waits_and_clocks_go_on() -> None:
    rate, source = ConstantRate(RATE), Source()
    output(rate, source, 20, 10)
    large = output(rate, source, 1, 200) + output(rate, source, 20, 10)  # 150 ms of the rate
    clocks = [value for one in packets(large) if (value := clock(one)) is not None]
    assert max(b - a for a, b in pairwise(clocks)) <= 0.042 * CLOCK
    assert rate.dropped == 0


def test_a_rate_that_is_too_low_drops_up_to_a_key_frame() -> None:
    rate, source = ConstantRate(RATE // 4), Source()
    out = output(rate, source, 100)
    assert rate.dropped > 0
    assert rate.waiting_bytes < RATE  # bounded
    assert clock(next(one for one in packets(out) if pid(one) == PICTURES)) is not None


def test_a_clock_that_jumps_is_said_so() -> None:
    rate, source = ConstantRate(RATE), Source()
    output(rate, source, 25)
    source.pcr += 3600 * CLOCK
    out = output(rate, source, 25)
    marked = [one for one in packets(out) if clock(one) is not None and one[5] & 0x80]
    assert len(marked) == 1


def test_a_faster_source_is_followed() -> None:
    """100 ppm off for ten minutes would be 60 ms."""
    rate, source = ConstantRate(RATE), Source()
    output(rate, source, 100, 1)
    nominal = DATAGRAM_BYTES * 8 / RATE
    source.pcr += round(0.3 * CLOCK)
    output(rate, source, 100, 1)
    assert nominal * (1 - 101e-6) < rate.seconds < nominal


def test_nothing_is_sent_before_there_is_a_clock() -> None:
    rate = ConstantRate(RATE)
    rate.write(packet(SOUND, 0))
    assert not rate.is_running


def test_video_leaves_no_faster_than_its_rate_and_sound_passes_it() -> None:
    """A key frame of 150 packets, sound behind it: 113 ms of the whole rate, 188 ms of video's."""
    video_rate = 1_200_000
    rate, source = ConstantRate(RATE, video_rate), Source()
    start = b"\0\0\1\xe0"
    sound = [packet(SOUND, n & 15) for n in range(100)]
    out, wall = b"", 0.0
    for number in range(100):
        made = list(packets(source.picture(150 if number % 20 == 0 else 10)))
        made[1] = (made[1][:12] + start).ljust(PACKET_BYTES, b"p")  # where a picture begins
        rate.write(b"".join((*made, sound[number])))
        while wall < (number + 1) / 25:
            out += rate.datagram()
            wall += rate.seconds
    sent = list(packets(out))
    assert rate.dropped == 0
    pictures = [n for n, one in enumerate(sent) if pid(one) == PICTURES and one[3] & 0x10]
    step = RATE / video_rate  # packets of the output for one of video
    assert min(b - a for a, b in zip(pictures, pictures[60:], strict=False)) >= 59 * step
    counters = [sent[n][3] & 15 for n in pictures]
    assert all((a + 1) & 15 == b for a, b in pairwise(counters))
    heard = [n * PACKET_BYTES * 8 / RATE for n, one in enumerate(sent) if pid(one) == SOUND]
    assert max(abs(b - a - 0.04) for a, b in pairwise(heard)) < 0.01
    assert len(heard) > 80
