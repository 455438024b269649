"""Which codec is chosen, and that another library reads the answer."""

from dataclasses import replace

import pytest
from aiortc.sdp import SessionDescription
from media_streamer.egress.access import AccessDenied
from media_streamer.protocols.webrtc import answer, offer
from media_streamer.protocols.webrtc.answer import Place
from media_streamer.protocols.webrtc.play import Described, choose, started_by
from media_streamer.rtp import arrivals
from media_streamer.rtp.sdp import Media

from tests.support.webrtc_offers import FINGERPRINT, browser

PLACE = Place("ours1234", "p" * 24, FINGERPRINT, "passive", ["192.0.2.1", "2001:db8::1"], 8189)


def h264(profile: str = "64001f") -> Media:
    fmtp = {"packetization-mode": "1", "profile-level-id": profile}
    return Media("video", encoding="H264", fmtp=fmtp)


OPUS = Media("audio", encoding="OPUS", clock_rate=48_000, channels=2, fmtp={"sprop-stereo": "1"})
HEVC = Media("video", encoding="H265")


def tracks(*media: Media) -> list[Described]:
    return [Described(n, f"{m.kind[0]}1", 1000 + n, m) for n, m in enumerate(media)]


@pytest.mark.parametrize(
    ("profile", "payload_type"),
    [("42001f", 103), ("42c01e", 107), ("640028", 109), ("4d401f", 109)],
)
def test_the_profile_of_the_stream_is_preferred(profile: str, payload_type: int) -> None:
    section = offer.parse(browser()).sections[0]
    codec = answer.match(h264(profile), section)
    assert codec is not None
    assert codec.payload_type == payload_type


def test_fragments_need_packetization_mode_1() -> None:
    text = browser().replace("packetization-mode=1", "packetization-mode=0")
    assert answer.match(h264(), offer.parse(text).sections[0]) is None


def test_who_says_nothing_of_the_mode_takes_fragments() -> None:
    """As GStreamer's webrtcbin where its caps name none."""
    text = browser().replace("packetization-mode=1;", "")
    section = offer.parse(text).sections[0]
    codec = answer.match(h264(), section)
    assert codec is not None
    assert codec.payload_type == 109
    assert answer.MODE not in answer.sending(h264(), codec, section, 1).fmtp


def test_the_answer_is_read_by_another_library() -> None:
    wanted = offer.parse(browser())
    chosen = choose(tracks(h264(), OPUS), wanted)
    assert [(one.track.channel, one.track.payload_type) for one in chosen] == [(0, 109), (2, 111)]
    text = answer.write(wanted, {one.section: one.stream for one in chosen}, PLACE, 5)
    read = SessionDescription.parse(text)
    video, audio = read.media
    assert read.group[0].items == ["0", "1"]
    assert video.ice.iceLite
    assert (video.ice.usernameFragment, video.dtls.role) == ("ours1234", "server")
    assert [(c.ip, c.port) for c in video.ice_candidates] == [
        ("192.0.2.1", 8189), ("2001:db8::1", 8189),
    ]  # fmt: skip
    assert (video.direction, audio.direction) == ("sendonly", "sendonly")
    assert [one.ssrc for one in video.ssrc] == [1000]
    assert [codec.payloadType for codec in audio.rtp.codecs] == [111]
    assert [one.type + (one.parameter or "") for one in video.rtp.codecs[0].rtcpFeedback] == [
        "nack", "nackpli",
    ]  # fmt: skip


def test_what_is_not_taken_is_refused_in_its_place() -> None:
    wanted = offer.parse(browser())
    chosen = choose(tracks(h264()), wanted)
    text = answer.write(wanted, {one.section: one.stream for one in chosen}, PLACE, 5)
    read = SessionDescription.parse(text)
    assert [(one.kind, one.port) for one in read.media] == [("video", 8189), ("audio", 0)]
    assert read.group[0].items == ["0"]


def test_no_picture_is_no_answer() -> None:
    with pytest.raises(AccessDenied, match="H265") as refused:
        choose(tracks(HEVC, OPUS), offer.parse(browser()))
    assert refused.value.status == 406
    with pytest.raises(AccessDenied, match="no track"):
        choose([], offer.parse(browser()))
    # Who wants sound alone gets it.
    chosen = choose(tracks(HEVC, OPUS), offer.parse(browser(video="").replace(" 0 1", " 1")))
    assert [one.track.kind for one in chosen] == ["audio"]


@pytest.mark.parametrize(
    ("start", "first"),
    [("v2", "v2"), ("v3", "v2"), ("v9", "v4"), ("v1", "v2"), ("", "v4"), ("a1", "v4")],
)
def test_the_video_that_is_sent_first(start: str, first: str) -> None:
    """start_track: that one, the next lower, the next higher; the others stay to choose from."""
    there = [
        Described(n, name, 1000 + n, h264() if name[0] == "v" else OPUS)
        for n, name in enumerate(("v4", "a1", "v2"))
    ]
    video, _ = choose(started_by(there, start), offer.parse(browser()))
    names = {2 * one.number: one.name for one in there}
    assert names[video.track.channel] == first
    assert {names[one] for one in video.track.others} == {"v2", "v4"} - {first}


def test_a_section_that_only_sends_is_not_taken() -> None:
    with pytest.raises(AccessDenied, match="receiving"):
        choose(tracks(h264()), offer.parse(browser("sendonly")))


def test_a_section_outside_the_bundle_is_not_taken() -> None:
    text = browser().replace("BUNDLE 0 1", "BUNDLE 0")
    chosen = choose(tracks(h264(), OPUS), offer.parse(text))
    assert [one.track.kind for one in chosen] == ["video"]


def test_connections_are_offered_behind_datagrams() -> None:
    assert not any(" tcp " in line for line in answer.candidates(PLACE))
    *lines, end = answer.candidates(replace(PLACE, tcp=True))
    assert end == "a=end-of-candidates"
    read = [line.removeprefix("a=candidate:").split() for line in lines]
    assert [one[2] for one in read] == ["udp", "udp", "tcp", "tcp"]
    assert [line.endswith("typ host tcptype passive") for line in lines] == [False] * 2 + [True] * 2
    priorities = [int(one[3]) for one in read]
    assert priorities == sorted(priorities, reverse=True)
    assert len({one[0] for one in read}) == 4, "a foundation each"


@pytest.mark.parametrize(
    ("text", "usable"),
    [
        ("192.0.2.1", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("example.org", False),
        ("", False),
        ("fe80::1", False),
    ],
)
def test_addresses_that_can_be_told(text: str, usable: bool) -> None:
    assert answer.is_address(text) is usable


def test_other_renditions_may_be_sent_in_its_place() -> None:
    wanted = offer.parse(browser())
    several = tracks(h264(), OPUS, h264("42e01f"), HEVC)
    video, sound = choose(several, wanted)
    assert (video.track.channel, video.track.others) == (0, (4,)), "HEVC was not agreed on"
    assert sound.track.others == ()
    assert choose([several[2], several[1]], wanted)[0].track.others == (), "what was named is fixed"


def test_congestion_is_told_as_the_peer_can() -> None:
    video, sound = choose(tracks(h264("42001f"), OPUS), offer.parse(browser()))
    assert (video.track.transport_id, sound.track.transport_id) == (3, 0)
    assert video.stream.feedback == ["nack", "nack pli", "ccm fir", "transport-cc"]
    assert video.stream.extensions == {3: arrivals.URI}
    for without in ("a=extmap:3", "a=rtcp-fb:103 transport-cc"):
        text = "".join(x for x in browser().splitlines(True) if not x.startswith(without))
        video = choose(tracks(h264("42001f")), offer.parse(text))[0]
        assert video.track.transport_id == 0
        assert video.stream.feedback[-1] == "goog-remb"
