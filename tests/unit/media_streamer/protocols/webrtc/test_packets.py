"""What viewers share: packets by payload type, the start, what is kept for repetition."""

import itertools
import struct

from hypothesis import given
from hypothesis import strategies as st
from media_streamer.protocols.webrtc import packets
from media_streamer.protocols.webrtc.packets import WebRtcFraming, squeeze
from media_streamer.rtp import rtcp
from media_streamer.rtp.packet import parse, write

STEP = 3600


def framed(channel: int, packet: bytes) -> bytes:
    return struct.pack(">BBH", 0x24, channel, len(packet)) + packet


def picture(number: int, timestamp: int, *, marker: bool = True, channel: int = 0) -> bytes:
    return framed(channel, write(96, marker, number, timestamp, 7, b"x" * 10))


def report(channel: int) -> bytes:
    return framed(channel, rtcp.sender_report(7, 1 << 32, 0, 1, 1))


def test_packets_are_made_once_for_each_choice() -> None:
    framing = WebRtcFraming()
    data = picture(1, 0) + picture(2, 0, channel=2) + report(1) + report(3)
    one = framing.prepare(data, ((0, 109),))
    assert framing.prepare(data, ((0, 109),)) is one
    assert [parse(p).payload_type for p in one.rtp] == [109]
    assert len(one.rtcp) == 1
    both = framing.prepare(data, ((0, 103), (2, 111)))
    assert [parse(p).payload_type for p in both.rtp] == [103, 111]
    assert all(parse(p).marker for p in both.rtp)
    assert len(both.rtcp) == 2


def test_what_was_sent_of_late_is_found() -> None:
    framing = WebRtcFraming()
    framing.chunk(picture(65535, 0) + picture(0, 0) + report(1), True)
    found = framing.find(0, 0)
    assert found is not None
    assert parse(found).sequence == 0
    assert framing.find(0, 1) is None
    assert framing.find(2, 0) is None
    for number in range(packets.HISTORY_PACKETS):
        framing.chunk(picture(number + 1, 0), False)
    assert framing.find(0, 0) is None, "the oldest goes"
    framing.header(b"")
    assert framing.find(0, 5) is None


def test_b_frames_are_noticed() -> None:
    framing = WebRtcFraming()
    for number, at in enumerate((0, 1, 2, 3)):
        framing.chunk(picture(number, 0xFFFFF000 + at * STEP & 0xFFFFFFFF), not number)
    assert not framing.reordered, "a wrap is no step back"
    framing.chunk(picture(4, 0xFFFFF000 + 2 * STEP & 0xFFFFFFFF), False)
    assert framing.reordered


@given(st.integers(0, (1 << 32) - 1), st.integers(1, 300), st.booleans())
def test_a_start_ends_at_the_newest_picture(first: int, count: int, b_frames: bool) -> None:
    stamps = [first + n * STEP & 0xFFFFFFFF for n in range(count)]
    order = list(stamps)
    if b_frames and count > 3:
        order[2], order[3] = order[3], order[2]
    data = b"".join(picture(n, stamp) for n, stamp in enumerate(order)) + report(1) + report(3)
    data += picture(0, 5, channel=2)
    start = squeeze(data, 0, {0: 109})
    found = {stamp: parse(p).timestamp for stamp, (_, p) in zip(order, start.packets, strict=True)}
    assert [parse(p).payload_type for _, p in start.packets] == [109] * count
    assert found[stamps[-1]] == stamps[-1], "what follows goes on from there"
    steps = [(b - a) & 0xFFFFFFFF for a, b in itertools.pairwise(stamps)]
    assert set(steps) <= {STEP}
    squeezed = [found[stamp] for stamp in stamps]
    assert all((b - a) & 0xFFFFFFFF == 90 for a, b in itertools.pairwise(squeezed))
    assert len(start.reports) == 1
    assert start.timestamps[0, 0] == parse(start.packets[0][1]).timestamp


def test_a_start_without_video_is_empty() -> None:
    assert squeeze(picture(0, 5, channel=2), None, {2: 111}).packets == []
    assert squeeze(b"", 0, {0: 109}).packets == []
