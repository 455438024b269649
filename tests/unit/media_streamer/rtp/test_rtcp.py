"""RTCP: what is written is read; garbage gives less and never raises."""

from hypothesis import given
from hypothesis import strategies as st
from media_streamer.rtp import rtcp
from media_streamer.rtp.packet import Packet
from media_streamer.rtp.reception import Reception
from media_streamer.rtp.rtcp import ReportBlock

words = st.integers(0, 0xFFFFFFFF)


@given(words, st.integers(0, 2**64 - 1), words, words, words)
def test_sender_reports(ssrc: int, ntp: int, timestamp: int, packets: int, octets: int) -> None:
    data = rtcp.sender_report(ssrc, ntp, timestamp, packets, octets)
    data += rtcp.description(ssrc, "media@host")
    assert rtcp.parse(data) == [rtcp.SenderReport(ssrc, ntp, timestamp, packets, octets)]


blocks = st.builds(
    ReportBlock,
    words,
    st.integers(0, 255),
    st.integers(-(2**23), 2**23 - 1),
    words,
    words,
    words,
    words,
)


@given(words, st.lists(blocks, max_size=4))
def test_receiver_reports(ssrc: int, given_blocks: list[ReportBlock]) -> None:
    data = rtcp.receiver_report(ssrc, given_blocks)
    assert rtcp.parse(data) == [rtcp.ReceiverReport(ssrc, tuple(given_blocks))]


@given(st.integers(0, 0xFFFF), st.sets(st.integers(0, 100), min_size=1))
def test_nacks(start: int, steps: set[int]) -> None:
    numbers = [(start + step) & 0xFFFF for step in sorted(steps)]
    assert rtcp.parse(rtcp.nack(1, 2, numbers)) == [rtcp.Nack(2, tuple(numbers))]


@given(st.integers(1000, 10**9))
def test_estimates_are_near(rate: int) -> None:
    (estimate,) = rtcp.parse(rtcp.remb(1, rate, [7, 8]))
    assert isinstance(estimate, rtcp.Estimate)
    assert estimate.ssrcs == (7, 8)
    assert rate * (1 - 2**-17) <= estimate.bit_rate <= rate


def test_requests_and_goodbyes() -> None:
    data = rtcp.picture_loss(1, 2) + rtcp.goodbye(3)
    assert rtcp.parse(data) == [rtcp.KeyFrameRequest(2), rtcp.Goodbye((3,))]


def test_transport_feedback_tells_what_arrived() -> None:
    # 10 packets: a run of 7 small deltas, then a vector of one bit each: 1, 0, 1.
    body = b"\0\0\0\x01\0\0\0\x02" + b"\x00\x05\x00\x0a" + b"\0\1\0\x09" + b"\x20\x07" + b"\xa8\x00"
    body += bytes(range(1, 10)) + b"\0\0\0"
    data = bytes((0x8F, 205, 0, len(body) // 4)) + body
    expected = (1, 3, 6, 10, 15, 21, 28, 36, None, 45)
    assert rtcp.parse(data) == [rtcp.TransportFeedback(5, 256, expected)]
    cut = bytes((0x8F, 205, 0, len(body) // 4 - 1)) + body[:-4]
    assert rtcp.parse(cut) == [rtcp.TransportFeedback(5, 256, expected[:9])], "as far as it goes"


def test_a_report_of_another_source() -> None:
    report = rtcp.sender_report(7, 1 << 32, 5, 6, 7) + rtcp.description(7, "media")
    other = rtcp.sender_report(9, 1 << 32, 5, 6, 7) + rtcp.description(9, "media")
    assert rtcp.with_source(report, 9) == other
    assert rtcp.with_source(report[:28], 9) == other[:28]


@given(st.binary(max_size=200))
def test_garbage_never_raises(data: bytes) -> None:
    rtcp.parse(data)
    rtcp.parse(bytes((0x8F, 205)) + (len(data) // 4).to_bytes(2, "big") + data)


def test_reception_counts_loss_and_jitter() -> None:
    reception = Reception(7, 90_000)
    for number in range(100):
        if number % 10:
            packet = Packet(96, False, (65_500 + number) & 0xFFFF, number * 3000, 7, b"")
            reception.packet(packet, number / 30)
    block = reception.block(4.0)
    assert (block.ssrc, block.lost) == (7, 9)  # the very first is not known to be missing
    assert block.fraction_lost == (9 << 8) // 99
    assert block.highest == 65_599
    assert block.jitter == 0
    reception.sender_report(rtcp.SenderReport(7, 5 << 32, 0, 0, 0), 4.0)
    block = reception.block(4.5)
    assert (block.fraction_lost, block.last_report, block.delay) == (0, 5 << 16, 32768)
