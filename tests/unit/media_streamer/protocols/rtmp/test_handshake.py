"""The handshake in any portions; what is no RTMP is refused at its first byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.protocols.rtmp.handshake import PACKET_BYTES, Handshake, HandshakeError

C1 = b"\0\0\0\x01" + b"\x09\0\x7c\x02" + bytes(range(256)) * 5 + bytes(248)


@given(st.lists(st.integers(1, 1600), min_size=1, max_size=4))
def test_any_portions(sizes: list[int]) -> None:
    data = b"\x03" + C1 + bytes(PACKET_BYTES) + b"first message"
    handshake = Handshake()
    answer, rest, position, index = b"", b"", 0, 0
    while position < len(data):
        part = data[position : position + sizes[index % len(sizes)]]
        position, index = position + len(part), index + 1
        if handshake.done:
            rest += part
        else:
            answer += handshake.feed(part)
            if handshake.done:
                rest = handshake.rest()
    assert handshake.done
    assert rest == b"first message"
    assert len(answer) == 1 + 2 * PACKET_BYTES
    assert answer[0] == 3
    assert answer[1 + PACKET_BYTES :][:4] == C1[:4]
    assert answer[1 + PACKET_BYTES + 8 :] == C1[8:]


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"GET / HTTP/1.1\r\n", "no RTMP"), (b"\x16\x03\x01", "no RTMP"), (b"\x06", "RTMPE")],
)
def test_other_protocols(data: bytes, reason: str) -> None:
    if data[0] == 0x16:
        data = b"\x00" + data
    with pytest.raises(HandshakeError, match=reason):
        Handshake().feed(data)


def test_a_later_version_is_answered_with_three() -> None:
    answer = Handshake().feed(b"\x04" + C1)
    assert answer[0] == 3
