"""What a peer sends as frames: reports that come before the first packet of their source count."""

from typing import Any

from media_streamer.protocols.webrtc.offer import Codec, Section
from media_streamer.protocols.webrtc.receiver import (
    MAX_EARLY_REPORTS,
    Incoming,
    MediaReceiver,
    accepted,
)
from media_streamer.rtp import rtcp
from media_streamer.rtp.clock import ntp_time
from media_streamer.rtp.packet import write
from media_streamer.wire.media import PublishedFrame, Reception, TrackSetup

PICTURE, SOUND = 1000, 2000


class Frames:
    """Takes them."""

    is_behind = False

    def __init__(self) -> None:
        self.taken: list[PublishedFrame] = []

    def tracks(self, tracks: list[TrackSetup], complete: bool, /) -> None:
        return

    def frames(self, frames: list[PublishedFrame], /) -> None:
        self.taken += frames

    def reception(self, figures: Reception, /) -> None:
        return


class Receiver(MediaReceiver):
    def on_closed(self, reason: str) -> None:
        self.end()


def incoming(kind: Any, number: int, name: str, rate: int) -> Incoming:
    codec = accepted(Section(kind, "", []), Codec(number, name, rate, 2 if rate == 48_000 else 1))
    assert codec is not None
    return Incoming(kind, number, codec, False)


def receiver() -> tuple[Receiver, Frames]:
    frames = Frames()
    tracks = [incoming("video", 96, "VP8", 90_000), incoming("audio", 111, "OPUS", 48_000)]
    return Receiver(frames, tracks), frames


def vp8(number: int) -> bytes:
    """A key frame (RFC 7741 4.2) of 16 by 16."""
    picture = b"\x10\x00\x00\x9d\x01\x2a\x10\x00\x10\x00"
    return write(96, True, number, 3600 * number, PICTURE, b"\x10" + picture)


async def test_sound_behind_a_long_start_lies_where_its_report_says() -> None:
    one, frames = receiver()
    one.on_rtcp(rtcp.sender_report(PICTURE, ntp_time(50.0), 0, 1, 1))
    one.on_rtcp(rtcp.sender_report(SOUND, ntp_time(50.0), 480_000, 1, 1))
    for number in range(25):
        one.on_rtp(vp8(number))
    one.on_rtp(write(111, True, 1, 480_000 + 4800, SOUND, b"\xfc\xff\xfe"))
    first, sound = frames.taken[0], frames.taken[-1]
    assert len(frames.taken) == 26
    assert (sound.track, sound.dts - first.dts) == (1, 9000)


async def test_reports_of_sources_that_never_come_are_not_kept_for_ever() -> None:
    one, _ = receiver()
    for source in range(1000):
        one.on_rtcp(rtcp.sender_report(source, ntp_time(50.0), 0, 1, 1))
    assert len(one._early) == MAX_EARLY_REPORTS
