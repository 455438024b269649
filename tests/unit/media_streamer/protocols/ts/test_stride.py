"""Transport packets that lie further apart than they are long."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.protocols.ts.stride import ENOUGH_BYTES, Strides, plain

PACKETS = [
    bytes((0x47, number >> 8 & 0x1F, number & 0xFF)).ljust(188, bytes((number % 71,)))
    for number in range(80)
]
PLAIN = b"".join(PACKETS)
FORMS = {
    188: PLAIN,
    192: b"".join((9000 * n).to_bytes(4) + packet for n, packet in enumerate(PACKETS)),
    204: b"".join(packet + bytes(16) for packet in PACKETS),
}


def through(pieces: list[bytes]) -> bytes:
    left = iter([piece for piece in pieces if piece])
    read = plain(lambda _: next(left, b""))
    return b"".join(iter(lambda: read(4096), b""))


@given(stride=st.sampled_from([188, 192, 204]), sizes=st.lists(st.integers(1, 4000), max_size=20))
def test_packets_stand_beside_each_other(stride: int, sizes: list[int]) -> None:
    data, pieces = FORMS[stride], []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    found = through([*pieces, data])
    assert found == PLAIN


@pytest.mark.parametrize(("stride", "ahead"), [(192, 4), (204, 0)])
def test_a_stream_that_begins_in_the_midst_of_a_packet(stride: int, ahead: int) -> None:
    assert through([FORMS[stride][100:]]) == b"".join(PACKETS[1:])


def test_datagrams_of_seven_packets() -> None:
    data = FORMS[192]
    pieces = [data[at : at + 7 * 192] for at in range(0, len(data), 7 * 192)]
    assert through(pieces) == PLAIN


def test_what_is_lost_costs_no_more() -> None:
    """Bytes are missing within a packet: the ones behind it are found again."""
    data = FORMS[192]
    found = through([data[: 20 * 192 + 90], data[20 * 192 + 150 :]])
    assert found.startswith(b"".join(PACKETS[:20]))
    assert found.endswith(b"".join(PACKETS[23:]))


def test_plain_packets_are_not_kept_back() -> None:
    assert Strides().feed(PLAIN[:376]) == PLAIN[:376]


@given(st.binary(max_size=6000))
def test_noise_passes_or_is_left_out(data: bytes) -> None:
    """Never more than came, and never for ever."""
    assert len(through([data])) <= len(data)


def test_no_transport_stream_passes() -> None:
    noise = bytes(range(70)) * 40
    assert len(noise) > ENOUGH_BYTES
    assert through([noise]) == noise
