"""Feedback on the arrival of packets, read by a reader of the draft's words."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.rtp import arrivals, rtcp
from media_streamer.rtp.arrivals import Arrivals
from media_streamer.rtp.packet import extension, write


def read(message: bytes) -> dict[int, float | None]:
    """Seconds of arrival by number, None for what did not come (3.1)."""
    first, kind, words = struct.unpack_from(">BBH", message)
    assert (first & 0xDF, kind, 4 * words + 4) == (0x8F, 205, len(message))
    end = len(message) - (message[-1] if first & 0x20 else 0)
    base, count, reference = struct.unpack_from(">HHI", message, 12)
    symbols: list[int] = []
    at = 20
    while len(symbols) < count:
        (chunk,) = struct.unpack_from(">H", message, at)
        at += 2
        if chunk & 0x8000:
            assert chunk & 0x4000, "vectors are of two bits a symbol"
            symbols += [chunk >> shift & 3 for shift in range(12, -1, -2)]
        else:
            symbols += [chunk >> 13] * (chunk & 0x1FFF)
    now = (reference >> 8) * 256
    found: dict[int, float | None] = {}
    for number, symbol in enumerate(symbols[:count], base):
        assert symbol < 3
        if symbol:
            now += int.from_bytes(message[at : at + symbol], signed=symbol == 2)
            at += symbol
        found[number & 0xFFFF] = now / 4000 if symbol else None
    assert at == end
    assert not any(symbols[count:])
    return found


def test_what_came_and_what_did_not_is_told_once() -> None:
    one = Arrivals()
    assert one.feedback(1, 2) == []
    for number, now in ((65_534, 10.0), (65_535, 10.01), (1, 10.5), (0, 10.49), (5, 12.0)):
        one.packet(number, now)
    (message,) = one.feedback(1, 2)
    found = read(message)
    assert list(found) == [65_534, 65_535, 0, 1, 2, 3, 4, 5]
    assert found[0] == pytest.approx(10.49, abs=0.0003)
    assert found[5] == pytest.approx(12.0, abs=0.0003)
    assert [found[n] for n in (2, 3, 4)] == [None] * 3
    (told,) = rtcp.parse(message)
    assert isinstance(told, rtcp.TransportFeedback)
    began = told.reference * 0.064
    seen = [None if ticks is None else began + ticks / 4000 for ticks in told.arrivals]
    assert (told.base, seen) == (65_534, list(found.values()))
    assert one.feedback(1, 2) == []
    one.packet(3, 12.1)  # too late
    one.packet(6, 12.2)
    assert list(read(one.feedback(1, 2)[0])) == [6]


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 20_000)), min_size=1, max_size=60))
def test_any_arrivals_are_told(packets: list[tuple[int, int]]) -> None:
    one = Arrivals()
    one.packet(65_500, 0.0)
    now, came = 0.0, {65_500: 0.0}
    for step, milliseconds in packets:
        now += milliseconds / 1000
        number = (65_500 + step) & 0xFFFF
        one.packet(number, now)
        came.setdefault(number, now)
    told: dict[int, float | None] = {}
    for message in one.feedback(1, 2):
        assert len(message) <= 1200
        told |= read(message)
    assert {n: t for n, t in told.items() if t is not None} == pytest.approx(came, abs=0.001)


@given(st.lists(st.integers(0, 65_535), max_size=200))
def test_wild_numbers_are_bounded(numbers: list[int]) -> None:
    one = Arrivals()
    for number in numbers:
        one.packet(number, 1.0)
        assert len(one._ticks) <= arrivals.MAX_PACKETS
    assert sum(map(len, one.feedback(1, 2))) < 4 * arrivals.MAX_PACKETS
    assert not one._ticks


def test_the_number_is_found_in_a_packet() -> None:
    plain = write(96, False, 1, 2, 3, b"payload")
    elements = b"\x10\xff\x31\x12\x34\0\0\0"  # number 1 of one byte, number 3 of two
    packet = bytes((plain[0] | 0x10,)) + plain[1:12] + b"\xbe\xde\0\2" + elements + plain[12:]
    assert extension(packet, 3) == b"\x12\x34"
    assert extension(packet, 5) == b""
    assert extension(plain, 3) == b""
    assert extension(packet[:14], 3) == b""
