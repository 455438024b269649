"""Tracks of a sender on one clock: aligned by reports, whatever their numbers begin with."""

import random

import pytest
from media_streamer.rtp import rtcp
from media_streamer.rtp.clock import ntp_time
from media_streamer.rtp.codecs import Incoming
from media_streamer.rtp.packet import write
from media_streamer.rtp.payloads.simple import WholeDepacketizer
from media_streamer.rtp.receiver import CommonClock, ReceivedFrame, ReceivedTrack

START = 1_700_000_000.0


class Sender:
    """A track that sends a packet each 20 ms."""

    def __init__(self, rate: int, first: int, sequence: int = 65_530) -> None:
        self.rate, self.first, self.sequence = rate, first, sequence

    def packet(self, number: int) -> bytes:
        stamp = (self.first + number * self.rate // 50) & 0xFFFFFFFF
        return write(96, True, self.sequence + number, stamp, 7, number.to_bytes(4, "big"))

    def report(self, number: int) -> rtcp.SenderReport:
        stamp = (self.first + number * self.rate // 50) & 0xFFFFFFFF
        return rtcp.SenderReport(7, ntp_time(START + number / 50), stamp, 0, 0)


def track(rate: int, clock: CommonClock, *, reorder: bool = False) -> ReceivedTrack:
    return ReceivedTrack(
        Incoming("opus", b"", rate, 2, WholeDepacketizer()), clock, reorder=reorder
    )


def stamps(frames: list[ReceivedFrame]) -> list[int]:
    return [frame.pts for frame in frames]


@pytest.mark.parametrize("first", [0, 2**32 - 100, 2**31])
def test_tracks_are_aligned_by_their_reports(first: int) -> None:
    clock = CommonClock(0.0)
    senders = Sender(48_000, first), Sender(8000, 12_345)
    tracks = track(48_000, clock), track(8000, clock)
    frames: tuple[list[ReceivedFrame], list[ReceivedFrame]] = [], []
    for number in range(100):
        for index, (sender, received) in enumerate(zip(senders, tracks, strict=True)):
            if number % 25 == 0:
                received.control(sender.report(number), 0.0)
            late = 0.3 if index else 0.0  # the second track is 300 ms longer on its way
            frames[index].extend(received.take(sender.packet(number), number / 50 + late))
    assert len(frames[0]) == len(frames[1]) == 100
    for one, other in zip(stamps(frames[0]), stamps(frames[1]), strict=True):
        assert abs(one - other) <= 90
    assert all(
        b - a == 1800 for a, b in zip(stamps(frames[0]), stamps(frames[0])[1:], strict=False)
    )


def test_without_reports_the_arrival_counts() -> None:
    clock = CommonClock(10.0)
    received = track(48_000, clock)
    frames = [
        f for n in range(3) for f in received.take(Sender(48_000, 99).packet(n), 10.5 + n / 50)
    ]
    assert stamps(frames) == [45_000, 46_800, 48_600]


def test_a_late_report_moves_a_track_once() -> None:
    clock = CommonClock(0.0)
    first, second = track(48_000, clock), track(48_000, clock)
    one, other = Sender(48_000, 0), Sender(48_000, 77)
    first.control(one.report(0))
    list(first.take(one.packet(0), 0.0))
    before = stamps(list(second.take(other.packet(0), 0.5)))
    second.control(other.report(0))
    after = stamps([f for n in (1, 2) for f in second.take(other.packet(n), 0.5)])
    assert before == [45_000]
    assert after == [1800, 3600]


def test_loss_and_disorder_by_udp() -> None:
    clock = CommonClock(0.0)
    received = track(48_000, clock, reorder=True)
    sender = Sender(48_000, 5)
    numbers = [n for n in range(60) if n != 30]
    for at in range(0, 50, 10):
        part = numbers[at : at + 5]
        random.Random(at).shuffle(part)
        numbers[at : at + 5] = part
    numbers.remove(0)
    numbers.insert(0, 0)
    frames = [f for n in numbers for f in received.take(sender.packet(n), n / 50)]
    assert received.missing() == [(65_530 + 30) & 0xFFFF]
    assert stamps(frames) == sorted(stamps(frames))
    assert len(frames) == 30


def test_a_sender_that_starts_anew() -> None:
    received = track(48_000, CommonClock(0.0))
    list(received.take(write(96, True, 5, 1000, 7, b"a"), 1.0))
    (frame,) = received.take(write(96, True, 900, 77, 8, b"b"), 2.0)
    assert frame.pts == 180_000
    assert received.lost == 0


def test_garbage_is_passed_over() -> None:
    received = track(48_000, CommonClock(0.0))
    assert list(received.take(b"nothing", 0.0)) == []
    assert received.report() is None


def test_packets_that_come_twice_are_taken_once() -> None:
    """Within a connection, too: some cameras send all that they resend."""
    clock, sender = CommonClock(0.0), Sender(48_000, 5)
    received = track(48_000, clock)
    frames: list[ReceivedFrame] = []
    for number in range(20):
        for _ in range(2):
            frames.extend(received.take(sender.packet(number), number / 50))
    assert (len(frames), received.lost) == (20, 0)
    assert all(frame.intact for frame in frames)
