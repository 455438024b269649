"""What is taken of an offer to publish."""

from dataclasses import replace

import pytest
from media_streamer.egress.access import AccessDenied
from media_streamer.protocols.webrtc import offer
from media_streamer.protocols.webrtc.answer import Place, candidates
from media_streamer.protocols.webrtc.http import by_transport
from media_streamer.protocols.webrtc.publish import agreed, choose, transport_extension
from media_streamer.wire.control import PublisherTerms, RateTerms

from tests.support.webrtc_offers import browser


def test_h264_and_opus_are_taken_first() -> None:
    video, audio = choose(offer.parse(browser("sendonly")))
    assert (video.section, video.incoming.kind, video.incoming.payload_type) == (0, "video", 103)
    assert (audio.section, audio.incoming.kind, audio.incoming.payload_type) == (1, "audio", 111)
    assert (video.stream.direction, audio.stream.direction) == ("recvonly", "recvonly")
    assert video.stream.feedback == ["transport-cc", "nack", "nack pli"]
    assert (list(video.stream.extensions), transport_extension([video, audio])) == ([3], 3)
    assert video.stream.fmtp["profile-level-id"] == "42001f"
    assert video.incoming.repairs
    assert not audio.incoming.repairs


def test_who_does_not_number_its_packets_is_told_a_bit_rate() -> None:
    text = browser("sendonly").replace("a=extmap:3 ", "a=extmap:3 x")
    video, audio = choose(offer.parse(text))
    assert video.stream.feedback == ["goog-remb", "nack", "nack pli"]
    assert transport_extension([video, audio]) == 0


def test_who_shall_not_adapt_is_told_nothing_of_its_packets() -> None:
    """`webrtc_abr false` of the input; what is lost is still asked for."""
    chosen = agreed(offer.parse(browser("sendonly")), PublisherTerms(adapts=False))
    assert [one.stream.feedback for one in chosen] == [["nack", "nack pli"], []]
    assert transport_extension(chosen) == 0


@pytest.mark.parametrize(("mode", "said"), [("packetization-mode=0;", True), ("", False)])
def test_h264_without_fragments_is_taken_where_there_is_no_other(mode: str, said: bool) -> None:
    """GStreamer's payloader says its mode only once it has seen a picture."""
    text = browser("sendonly")
    video, _ = choose(offer.parse(text.replace("packetization-mode=1;", mode)))
    found = (video.incoming.payload_type, "packetization-mode" in video.stream.fmtp)
    assert found == (103, said)
    later = text.replace("mode=1;profile-level-id=42001f", "mode=0;profile-level-id=42001f")
    assert choose(offer.parse(later))[0].incoming.payload_type == 107
    with pytest.raises(AccessDenied):
        choose(offer.parse(text.replace("packetization-mode=1", "packetization-mode=2")
                           .replace("packetization-mode=0", "packetization-mode=2")
                           .replace("AV1", "H263").replace("VP8", "H263")))  # fmt: skip


def test_others_are_taken_where_there_is_no_h264() -> None:
    text = browser("sendonly").replace("H264", "VP9")
    for codec in ("AV1", "VP9", "VP8"):
        video, _ = choose(offer.parse(text))
        assert video.stream.codec.encoding == codec
        text = text.replace(codec, "H263")


def test_sound_alone_is_taken() -> None:
    text = browser("sendrecv", video="").replace("BUNDLE 0 1", "BUNDLE 1")
    assert [one.incoming.kind for one in choose(offer.parse(text))] == ["audio"]


@pytest.mark.parametrize(
    "text",
    [
        browser("recvonly"),
        browser("inactive"),
        browser("sendonly").replace("H264", "H263").replace("AV1", "H263").replace("VP8", "H263"),
        browser("sendonly").replace("UDP/TLS/RTP/SAVPF", "RTP/AVP"),
        browser("sendonly").replace("a=rtcp-mux\r\n", ""),
    ],
)
def test_nothing_to_take(text: str) -> None:
    with pytest.raises(AccessDenied) as refused:
        choose(offer.parse(text))
    assert refused.value.status == 406


def test_a_codec_may_be_preferred() -> None:
    text = offer.parse(browser("sendonly"))
    assert agreed(text, PublisherTerms(codec="vp9"))[0].stream.codec.encoding == "H264"
    for codec, encoding in (("av1", "AV1"), ("h264", "H264"), ("vp8", "VP8"), ("", "H264")):
        video, audio = agreed(text, PublisherTerms(codec=codec))
        assert (video.stream.codec.encoding, audio.stream.codec.encoding) == (encoding, "OPUS")


def test_who_is_told_a_bit_rate_is_not_told_of_its_packets() -> None:
    """`abr_...` of the input."""
    terms = PublisherTerms(rate=RateTerms(), least_bit_rate=150_000, most_bit_rate=2_000_000)
    chosen = agreed(offer.parse(browser("sendonly")), terms)
    assert chosen[0].stream.feedback == ["goog-remb", "nack", "nack pli"]
    assert transport_extension(chosen) == 0
    assert chosen[0].stream.fmtp["x-google-min-bitrate"] == "150"
    assert chosen[0].stream.fmtp["x-google-max-bitrate"] == "2000"
    assert "x-google-min-bitrate" not in chosen[1].stream.fmtp


def test_only_one_transport_may_be_offered() -> None:
    both = Place("name", "password", "sha-256 00", "passive", ["192.0.2.1"], 9000, tcp=True)

    def ways(transport: str) -> list[str]:
        return [line.split()[2] for line in candidates(by_transport(both, transport))[:-1]]

    assert (ways(""), ways("udp"), ways("tcp")) == (["udp", "tcp"], ["udp"], ["tcp"])
    with pytest.raises(AccessDenied):
        by_transport(replace(both, tcp=False), "tcp")
