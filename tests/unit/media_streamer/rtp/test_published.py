"""Tracks of an RTP publisher: parameter sets from either place, damage, garbage."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.rtp.codecs import accept
from media_streamer.rtp.packet import write
from media_streamer.rtp.published import PublishedTrack
from media_streamer.rtp.receiver import TICKS, CommonClock
from media_streamer.rtp.sdp import Media
from media_streamer.syntax import nal
from media_streamer.wire.media import PublishedFrame

SPS = bytes.fromhex("67640015acb205187f2c05a80808284000000303d0901e2c5c90")
PPS = b"\x68\xeb\xc3\xcb"
SETS = "Z2QAFayyBRh/LAWoCAgoQAAAAwPQkB4sXJA=,aOvDyw=="
IDR, SLICE = b"\x65" + bytes(20), b"\x41" + bytes(20)


def track(sets: str = "", *, reorder: bool = False) -> PublishedTrack:
    fmtp = {"sprop-parameter-sets": sets} if sets else {}
    incoming = accept(Media("video", encoding="H264", payload_type=96, fmtp=fmtp))
    assert incoming is not None
    return PublishedTrack(3, "video", incoming, CommonClock(0.0), reorder=reorder, payload_type=96)


def packet(number: int, unit: bytes, *, frame: int | None = None, payload_type: int = 96) -> bytes:
    """Packet `number`; without a marker where `frame` says that it belongs to a later one."""
    at = number if frame is None else frame
    return write(payload_type, at == number, 65_530 + number, 3600 * at, 7, unit)


def take(received: PublishedTrack, *packets: bytes) -> list[PublishedFrame]:
    return [frame for one in packets for frame in received.take(one, 0.0)]


def test_the_description_has_the_sets() -> None:
    received = track(SETS)
    assert received.setup.configuration[:4] == bytes.fromhex("01640015")
    frames = take(received, packet(0, IDR), packet(1, SLICE))
    assert [frame.key for frame in frames] == [True, False]
    assert frames[1].dts - frames[0].dts == TICKS // 25
    assert {frame.track for frame in frames} == {3}
    assert not received.changed


def test_the_sets_come_in_band() -> None:
    received = track()
    assert received.setup.configuration == b""
    assert take(received, packet(0, SLICE), packet(1, IDR)) == []
    assert take(received, packet(2, SPS, frame=4), packet(3, PPS, frame=4)) == []
    (frame,) = take(received, packet(4, IDR))
    assert frame.key
    assert received.changed
    assert nal.parameter_sets("h264", received.setup.configuration) == [SPS, PPS]


def test_damaged_frames_are_left_out_and_counted() -> None:
    received = track(SETS)
    frames = take(received, packet(0, IDR), packet(1, SLICE), packet(4, SLICE), packet(5, SLICE))
    assert len(frames) == 3
    assert (received.received.lost, received.damaged) == (2, 1)


def test_frames_of_mpeg_audio_say_their_layer() -> None:
    incoming = accept(Media("audio", encoding="MPA", payload_type=14))
    assert incoming is not None
    received = PublishedTrack(0, "audio", incoming, CommonClock(0.0), reorder=False)
    frame = b"\xff\xfd\x84\xc0" + bytes(380)  # layer 2, 128 kb/s, 48 kHz
    (found,) = received.take(write(14, True, 1, 9, 7, bytes(4) + frame), 0.0)
    assert found.data == frame
    assert received.changed
    assert received.setup.codec == "mp2"


@pytest.mark.parametrize(("rate", "channels"), [(16_000, 1), (8000, 2)])
def test_other_g711_than_of_telephones_is_not_known(rate: int, channels: int) -> None:
    assert accept(Media("audio", encoding="PCMA", clock_rate=rate, channels=channels)) is None


def test_other_payload_types_are_no_media() -> None:
    received = track(SETS)
    assert take(received, packet(0, IDR, payload_type=97)) == []
    assert received.received.packets == 0


def test_a_sender_that_counts_anew_has_lost_nothing() -> None:
    received = track(SETS, reorder=True)
    take(received, packet(0, IDR))
    again = write(96, True, 65_000, 90, 8, IDR)
    assert len(take(received, again)) == 1
    assert received.received.lost == 0


@given(st.lists(st.binary(max_size=60), max_size=30))
def test_garbage_gives_no_frame_that_cannot_be_read(payloads: list[bytes]) -> None:
    received = track()
    for number, payload in enumerate(payloads):
        for frame in take(received, packet(number, payload)):
            nal.split_length_prefixed(frame.data)
