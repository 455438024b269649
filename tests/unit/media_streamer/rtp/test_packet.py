"""RTP headers: what is written is read, what is garbage raises, numbers go round the circle."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.rtp.packet import (
    PacketError,
    distance,
    is_rtcp,
    parse,
    write,
)

numbers = st.integers(0, 0xFFFF)
words = st.integers(0, 0xFFFFFFFF)


@given(st.integers(0, 127), st.booleans(), numbers, words, words, st.binary(max_size=64))
def test_written_packets_are_read(
    kind: int, marker: bool, sequence: int, timestamp: int, ssrc: int, payload: bytes
) -> None:
    packet = parse(write(kind, marker, sequence, timestamp, ssrc, payload))
    assert (packet.payload_type, packet.marker, packet.sequence) == (kind, marker, sequence)
    assert (packet.timestamp, packet.ssrc, packet.payload) == (timestamp, ssrc, payload)


@given(st.binary(max_size=80))
def test_garbage_raises_or_is_a_packet(data: bytes) -> None:
    try:
        parse(data)
    except PacketError:
        return


def test_one_byte_extensions_csrcs_and_padding() -> None:
    head = bytes((0x80 | 0x20 | 0x10 | 1, 96, 0, 1)) + bytes(8) + b"\0\0\0\x09"
    extension = b"\xbe\xde\x00\x02" + b"\x10\xaa\x31\xbb\xcc\x00\x00\x00"
    packet = parse(head + extension + b"payload" + b"\0\0\x03")
    assert packet.extensions == {1: b"\xaa", 3: b"\xbb\xcc"}
    assert packet.payload == b"payload"


def test_two_byte_extensions() -> None:
    head = bytes((0x90, 96, 0, 1)) + bytes(8)
    extension = b"\x10\x00\x00\x02" + b"\x14\x03abc\x00\x00\x00"
    assert parse(head + extension + b"x").extensions == {0x14: b"abc"}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(11),
        b"\x00" * 12,
        bytes((0x90,)) + bytes(11),
        bytes((0xA0,)) + bytes((0,) * 10) + b"\xff",
    ],
)
def test_what_is_no_packet(data: bytes) -> None:
    with pytest.raises(PacketError):
        parse(data)


@given(numbers, st.integers(-32767, 32767))
def test_distance_goes_round(start: int, step: int) -> None:
    assert distance((start + step) & 0xFFFF, start) == step


def test_rtcp_is_told_from_rtp() -> None:
    assert is_rtcp(bytes((0x80, 200)))
    assert not is_rtcp(write(96, True, 1, 1, 1, b""))
    assert not is_rtcp(b"\x80")
