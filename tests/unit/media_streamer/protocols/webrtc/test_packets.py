"""Packets taken apart, and squeezed for a start."""

import itertools
import struct

from hypothesis import given
from hypothesis import strategies as st
from media_streamer.protocols.webrtc.packets import Packet, parse, squeeze
from media_streamer.rtp import rtcp
from media_streamer.rtp.packet import KEY_MARK, write

STEP = 3600


def framed(channel: int, packet: bytes) -> bytes:
    return struct.pack(">BBH", 0x24, channel, len(packet)) + packet


def picture(number: int, timestamp: int, *, marker: bool = True, channel: int = 0) -> bytes:
    return framed(channel, write(96, marker, number, timestamp, 7, b"x" * 10))


def report(channel: int) -> bytes:
    return framed(channel, rtcp.sender_report(7, 1 << 32, 0, 1, 1))


def test_packets_are_taken_apart() -> None:
    mark = framed(KEY_MARK, b"\0")
    data = picture(1, 5) + mark + picture(2, 9, marker=False) + picture(3, 9) + report(1)
    data += picture(7, 1, channel=2) + report(3)
    batch = parse(data)
    assert batch.packets == {
        0: [
            Packet(0, 1, 0x80, 5, b"x" * 10, False),
            Packet(0, 2, 0, 9, b"x" * 10, True),
            Packet(0, 3, 0x80, 9, b"x" * 10, False),
        ],
        2: [Packet(2, 7, 0x80, 1, b"x" * 10, False)],
    }
    assert set(batch.reports) == {0, 2}
    assert (batch.runs, batch.sizes) == ({0: (3,), 2: (1,)}, {0: 66, 2: 22})


@given(st.binary(max_size=200))
def test_any_bytes_are_taken_apart(data: bytes) -> None:
    parse(data)
    parse(framed(KEY_MARK, data[:9]) + framed(0, data))


@given(st.integers(0, (1 << 32) - 1), st.integers(1, 300), st.booleans())
def test_a_start_ends_at_the_newest_picture(first: int, count: int, b_frames: bool) -> None:
    stamps = [first + n * STEP & 0xFFFFFFFF for n in range(count)]
    order = list(stamps)
    if b_frames and count > 3:
        order[2], order[3] = order[3], order[2]
    kept = parse(b"".join(picture(n, stamp) for n, stamp in enumerate(order))).packets[0]
    start = squeeze(kept)
    found = {stamp: one.timestamp for stamp, one in zip(order, start, strict=True)}
    assert found[stamps[-1]] == stamps[-1], "what follows goes on from there"
    steps = [(b - a) & 0xFFFFFFFF for a, b in itertools.pairwise(stamps)]
    assert set(steps) <= {STEP}
    squeezed = [found[stamp] for stamp in stamps]
    assert all((b - a) & 0xFFFFFFFF == 90 for a, b in itertools.pairwise(squeezed))
    assert [one._replace(timestamp=0) for one in start] == [
        one._replace(timestamp=0) for one in kept
    ]


def test_a_start_without_pictures_is_empty() -> None:
    assert squeeze([]) == []
