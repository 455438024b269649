"""The tracks of a sender: when they are told, what is counted, what goes back."""

from media_streamer.rtp import rtcp
from media_streamer.rtp.clock import ntp_time
from media_streamer.rtp.codecs import accept
from media_streamer.rtp.intake import Intake
from media_streamer.rtp.packet import write
from media_streamer.rtp.published import PublishedTrack
from media_streamer.rtp.sdp import Media
from media_streamer.wire.media import PublishedFrame, Reception, TrackSetup

SSRC = 9


class Kept:
    """A sink that keeps what it is told."""

    is_behind = False

    def __init__(self) -> None:
        self.told: list[tuple[list[int], bool]] = []
        self.got: list[PublishedFrame] = []
        self.figures: list[Reception] = []

    def tracks(self, tracks: list[TrackSetup], complete: bool) -> None:
        self.told.append(([track.number for track in tracks], complete))

    def frames(self, frames: list[PublishedFrame]) -> None:
        self.got += frames

    def reception(self, figures: Reception) -> None:
        self.figures.append(figures)


def sound(intake: Intake, number: int, *, reorder: bool = False) -> PublishedTrack:
    incoming = accept(Media("audio", encoding="OPUS", clock_rate=48_000, channels=2))
    assert incoming is not None
    return intake.add(number, "audio", incoming, reorder=reorder)


def hear(intake: Intake, track: PublishedTrack, number: int) -> None:
    data = write(97, True, number, 960 * number, SSRC, b"opus")
    intake.hand_on(intake.take(track, data))


def test_tracks_that_are_sure_are_told_at_once() -> None:
    kept = Kept()
    intake = Intake(kept)
    first, _ = sound(intake, 0), sound(intake, 1)
    intake.tell_tracks()
    hear(intake, first, 0)
    assert kept.told == [([0, 1], True)]
    assert [frame.track for frame in kept.got] == [0]


def test_tracks_that_may_never_come_are_told_once_they_do() -> None:
    kept = Kept()
    intake = Intake(kept, told_once_heard=frozenset({"audio"}))
    first, second = sound(intake, 0), sound(intake, 1)
    intake.tell_tracks()
    assert not kept.told
    hear(intake, second, 0)
    hear(intake, second, 1)
    hear(intake, first, 0)
    assert kept.told == [([1], False), ([0, 1], True)]


def test_loss_is_told_once() -> None:
    kept = Kept()
    intake = Intake(kept)
    track = sound(intake, 0)
    for number in (0, 1, 5):
        hear(intake, track, number)
        intake.tell_figures()
    intake.tell_figures()
    assert kept.figures == [Reception(3, 3)] == [intake.figures]


def test_the_senders_clock() -> None:
    intake = Intake(Kept())
    first, second = sound(intake, 0), sound(intake, 1)
    hear(intake, first, 0)
    hear(intake, second, 0)
    assert not intake.is_aligned
    assert intake.sent_at() is None
    for track in (first, second):
        intake.control(track, rtcp.sender_report(SSRC, ntp_time(1000.0), 0, 1, 1))
    assert intake.is_aligned
    hear(intake, first, 50)
    assert intake.sent_at() == 1001.0
    assert intake.sent_at(["video"]) is None


def test_nothing_goes_back_to_who_sent_nothing() -> None:
    intake = Intake(Kept())
    track = sound(intake, 0)
    assert intake.report(track) == intake.wish(track) == b""
    hear(intake, track, 7)
    (report,) = rtcp.parse(intake.report(track))
    assert isinstance(report, rtcp.ReceiverReport)
    assert report.blocks[0].ssrc == SSRC
    assert rtcp.KeyFrameRequest(SSRC) in rtcp.parse(intake.wish(track))
