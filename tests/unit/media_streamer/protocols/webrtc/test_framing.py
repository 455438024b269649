"""What viewers share: rates, what is kept for repetition, and one clock over restarts."""

from media_streamer.protocols.webrtc import framing as module
from media_streamer.protocols.webrtc.framing import WebRtcFraming
from media_streamer.rtp import rtcp, sdp

from .test_packets import STEP, framed, picture, report


def test_rates_are_measured() -> None:
    now = 0.0
    framing = WebRtcFraming(lambda: now)
    for number in range(100):
        now = number * 0.1
        framing.chunk(picture(number, number * STEP) + picture(number, 0, channel=2)[:-6], False)
    assert framing.rate(0) == 8 * 22 * 10
    assert framing.rate(4) == 0
    framing.header(b"")
    assert framing.rate(0) == 0


def test_what_was_sent_of_late_is_found() -> None:
    framing = WebRtcFraming()
    framing.chunk(picture(65535, 0) + picture(0, 0) + report(1), True)
    found = framing.find(0, 0)
    assert found is not None
    assert found.sequence == 0
    assert framing.find(0, 1) is None
    assert framing.find(2, 0) is None
    for number in range(module.HISTORY_PACKETS):
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


def description(source: int, encoding: str = "H264") -> bytes:
    video = sdp.Media("video", 0, "RTP/AVP", 96, encoding=encoding, clock_rate=90_000)
    video.attributes["x-ssrc"] = str(source)
    sound = sdp.Media("audio", 0, "RTP/AVP", 97, encoding="opus", clock_rate=48_000)
    sound.attributes["x-ssrc"] = str(source + 1)
    return sdp.write("media", [video, sound]).encode()


def test_the_same_bytes_are_taken_apart_once() -> None:
    framing, data = WebRtcFraming(), picture(1, 5)
    assert framing.batch(data) is framing.batch(data)


def test_viewers_stay_while_the_tracks_do() -> None:
    framing = WebRtcFraming()
    assert framing.keeps(description(1), description(5))
    assert not framing.keeps(description(1), description(1, "H265"))


def test_a_successor_goes_on_with_the_clock_that_is_known() -> None:
    now = 100.0
    framing = WebRtcFraming(lambda: now)
    framing.header(description(1))
    framing.chunk(picture(1, 0xFFFFFF00) + picture(9, 500, channel=2), True)
    now = 102.0
    framing.header(description(7))
    late = framed(1, rtcp.sender_report(7, 1 << 32, 4000, 1, 1))
    batch = framing.batch(late + picture(700, 4000) + picture(800, 77, channel=2) + report(5))
    assert [one.timestamp for one in batch.packets[0]] == [(0xFFFFFF00 + 180_000) & 0xFFFFFFFF]
    assert [one.timestamp for one in batch.packets[2]] == [500 + 96_000]
    (told,) = (one for one in rtcp.parse(batch.reports[0]) if isinstance(one, rtcp.SenderReport))
    assert told.timestamp == (0xFFFFFF00 + 180_000) & 0xFFFFFFFF
    again = framing.batch(picture(701, 4000 + STEP))
    assert again.packets[0][0].timestamp == (0xFFFFFF00 + 180_000 + STEP) & 0xFFFFFFFF


def test_the_same_clock_is_not_moved() -> None:
    now = 100.0
    framing = WebRtcFraming(lambda: now)
    framing.header(description(1))
    framing.chunk(picture(1, 1000), True)
    now = 101.0
    framing.header(description(1))
    assert framing.batch(picture(2, 91_900)).packets[0][0].timestamp == 91_900


def test_reports_wait_for_the_clock_of_their_track() -> None:
    framing = WebRtcFraming(lambda: 0.0)
    framing.header(description(1))
    framing.chunk(picture(1, 1000), True)
    framing.header(description(2))
    assert framing.batch(report(1)).reports == {}


def test_other_tracks_begin_with_a_clock_of_their_own() -> None:
    framing = WebRtcFraming(lambda: 0.0)
    framing.header(description(1))
    framing.chunk(picture(1, 1000), True)
    framing.header(description(2, "H265"))
    assert framing.batch(picture(1, 5_000_000)).packets[0][0].timestamp == 5_000_000
