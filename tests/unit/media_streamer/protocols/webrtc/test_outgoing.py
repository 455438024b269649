"""Numbers without gaps, whatever is sent, and what is found by them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.protocols.webrtc.outgoing import Chosen, Outgoing
from media_streamer.protocols.webrtc.packets import Packet
from media_streamer.rtp.packet import extension, parse


def packet(channel: int, sequence: int, timestamp: int = 5) -> Packet:
    payload = f"{channel}/{sequence}".encode()
    return Packet(channel, sequence & 0xFFFF, 0x80, timestamp, payload, False)


@pytest.mark.parametrize("number", [0, 3, 14])
def test_a_packet_as_it_is_sent(number: int) -> None:
    out = Outgoing(Chosen(0, 77, 109, "video", transport_id=number))
    (data,) = out.stamp([packet(0, 9)], 65_536 + 5)
    read = parse(data)
    assert (read.ssrc, read.payload_type, read.sequence, read.timestamp) == (77, 109, 9, 5)
    assert (read.marker, bytes(read.payload)) == (True, b"0/9")
    assert extension(data, number) == (b"\0\5" if number else b"")
    assert len(data) == out.header_bytes + 3


@given(
    st.integers(0, 65_535),
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 40), st.integers(0, 300)), max_size=30),
)
def test_numbers_have_no_gaps(first: int, runs: list[tuple[int, int, int]]) -> None:
    out = Outgoing(Chosen(0, 7, 100, "video"))
    at = dict.fromkeys(range(3), first)
    sent: list[tuple[int, Packet]] = []
    for channel, count, left_out in runs:
        at[channel] += left_out
        packets = [packet(channel, at[channel] + n) for n in range(count)]
        at[channel] += count
        for data, one in zip(out.stamp(packets, 0), packets, strict=True):
            sent.append((parse(data).sequence, one))
    numbers = [number for number, _ in sent]
    assert numbers == [((numbers or [0])[0] + n) & 0xFFFF for n in range(len(sent))]
    for number, one in sent:
        assert out.find(number) == (one.channel, one.sequence)
        assert parse(out.again(one, number, 0)).sequence == number
    if sent:
        assert out.find((numbers[-1] + 1) & 0xFFFF) is None, "was never sent"
        assert out.find((numbers[0] - 1) & 0xFFFF) is None
    else:
        assert out.find(first) is None


def test_what_was_moved_is_repeated_as_it_was() -> None:
    out = Outgoing(Chosen(0, 7, 100, "video"))
    moved = [packet(0, 1, 4711)]
    out.move(moved)
    out.stamp(moved, 0)
    assert parse(out.again(packet(0, 1), 1, 0)).timestamp == 4711
    out.settle()
    assert parse(out.again(packet(0, 1), 1, 0)).timestamp == 5
