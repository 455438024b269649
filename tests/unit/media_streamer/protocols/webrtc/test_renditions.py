"""Another rendition from a key frame on, and pauses."""

from media_streamer.protocols.webrtc.packets import Batch, Packet
from media_streamer.protocols.webrtc.renditions import Renditions

BEST, LOW = 0, 4


def one(channel: int, timestamp: int, key: bool = False) -> Packet:
    return Packet(channel, timestamp & 0xFFFF, 0x80, timestamp & 0xFFFFFFFF, b"", key)


def batch(*packets: Packet) -> Batch:
    found = Batch()
    for packet in packets:
        found.packets.setdefault(packet.channel, []).append(packet)
    return found


def test_it_changes_at_a_key_frame_of_the_other() -> None:
    renditions = Renditions(BEST)
    assert renditions.take(batch(one(BEST, 10), one(LOW, 10))) == [one(BEST, 10)]
    renditions.wanted = LOW
    assert renditions.take(batch(one(BEST, 20), one(LOW, 20))) == [one(BEST, 20)]
    # The best rendition is ahead within the packets: it ends where the other one begins.
    mixed = batch(
        one(BEST, 30), one(LOW, 30), one(BEST, 40, True), one(LOW, 40, True), one(LOW, 50)
    )
    assert renditions.take(mixed) == [one(BEST, 30), one(LOW, 40, True), one(LOW, 50)]
    assert (renditions.channel, renditions.switches, renditions.is_plain) == (LOW, 1, True)


def test_a_key_frame_of_what_was_shown_already_is_passed_over() -> None:
    renditions = Renditions(BEST)
    renditions.take(batch(one(BEST, 40, True)))
    renditions.wanted = LOW
    assert renditions.take(batch(one(LOW, 40, True), one(BEST, 50))) == [one(BEST, 50)]
    assert renditions.channel == BEST
    assert renditions.take(batch(one(LOW, 80, True))) == [one(LOW, 80, True)]


def test_clocks_go_around() -> None:
    renditions = Renditions(BEST)
    renditions.take(batch(one(BEST, 0xFFFFFFF0)))
    renditions.wanted = LOW
    assert renditions.take(batch(one(BEST, -5), one(LOW, 3, True))) == [
        one(BEST, -5),
        one(LOW, 3, True),
    ]


def test_a_pause_ends_at_a_key_frame_when_it_may() -> None:
    renditions = Renditions(BEST)
    renditions.take(batch(one(BEST, 1, True)))
    renditions.paused = True
    assert renditions.take(batch(one(BEST, 2))) == []
    assert renditions.take(batch(one(BEST, 3, True)), False) == []
    assert renditions.take(batch(one(BEST, 4))) == []
    assert renditions.take(batch(one(BEST, 5), one(BEST, 6, True))) == [one(BEST, 6, True)]
    assert (renditions.is_plain, renditions.switches) == (True, 0)
