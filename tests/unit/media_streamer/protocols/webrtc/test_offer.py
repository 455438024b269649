"""What an offer says, and that none does harm."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.protocols.webrtc import offer
from media_streamer.protocols.webrtc.offer import OfferError

from tests.support.webrtc_offers import FINGERPRINT, browser


def test_what_a_browser_offers() -> None:
    found = offer.parse(browser())
    video, audio = found.sections
    assert found.bundle == ["0", "1"]
    assert found.transport == offer.Transport(
        "4Zcd", "2/1muCWoOi3uLifh0NuRHlhb", FINGERPRINT, "actpass"
    )
    assert (video.kind, video.mid, video.direction) == ("video", "0", "recvonly")
    assert [codec.payload_type for codec in video.ordered()] == [96, 97, 103, 104, 107, 109, 45]
    assert video.codecs[109].fmtp["profile-level-id"] == "64001f"
    assert video.codecs[109].feedback == ["nack", "nack pli"]
    assert video.extensions[3].endswith("transport-wide-cc-extensions-01")
    assert (audio.codecs[111].encoding, audio.codecs[111].channels) == ("OPUS", 2)
    assert (audio.codecs[0].encoding, audio.codecs[0].clock_rate) == ("PCMU", 8000)
    assert all(section.rtcp_mux and section.is_media for section in found.sections)


def test_the_session_may_say_what_its_sections_lack() -> None:
    text = browser()
    for line in ("a=ice-ufrag:4Zcd\r\n", "a=ice-pwd:2/1muCWoOi3uLifh0NuRHlhb\r\n"):
        text = text.replace(line, "").replace("t=0 0\r\n", f"t=0 0\r\n{line}")
    assert offer.parse(text).transport.ufrag == "4Zcd"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("v=0", "<html>"), "no SDP"),
        (("a=ice-ufrag:4Zcd", "a=ice-ufrag:x y"), "ice-ufrag"),
        (("a=ice-pwd:2", "a=no:2"), "ice-pwd"),
        (("a=fingerprint:sha-256", "a=fingerprint:md5"), "fingerprint"),
        (("a=setup:actpass", "a=setup:holdconn"), "setup"),
        (("a=mid:0", "a=mid:a b"), "mid"),
        (("m=video 9 UDP/TLS/RTP/SAVPF", "m=video\r\nx="), "section"),
    ],
)
def test_what_cannot_be_used_is_said(change: tuple[str, str], words: str) -> None:
    with pytest.raises(OfferError, match=words):
        offer.parse(browser().replace(*change))


@pytest.mark.parametrize(
    "line",
    ["m=video {} UDP/TLS/RTP/SAVPF 96", "m=video 9 UDP/TLS/RTP/SAVPF {}", "a=extmap:{} urn:x",
     "a=ssrc:{} cname:x", "a=rtpmap:{} H264/90000", "a=fmtp:{} a=b", "a=rtcp-fb:{} nack"],
)  # fmt: skip
def test_numbers_that_are_too_long_are_none(line: str) -> None:
    """Python reads no number of more than 4,300 digits: it was an error of ours."""
    text = browser() + line.format("9" * 5000) + "\r\n"
    assert offer.parse(text).sections[0].ordered()
    section = offer.parse(text).sections[-1]
    assert section.ordered() == [section.codecs[number] for number in section.codecs]


def test_bombs_are_not_read() -> None:
    with pytest.raises(OfferError, match="characters"):
        offer.parse("v=0\r\n" + "a=x\r\n" * 20_000)
    with pytest.raises(OfferError, match="sections"):
        offer.parse("v=0\r\n" + "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n" * 40)
    many = browser().replace("a=mid:0", "a=mid:0" + "\r\na=ssrc:7 cname:x\r\na=extmap:9 u" * 500)
    found = offer.parse(many)
    assert len(found.sections[0].ssrcs) == 1
    assert len(found.sections[0].extensions) <= offer.MAX_EXTENSIONS


@given(st.text(max_size=300), st.integers(0, 60))
def test_garbage_does_no_harm(garbage: str, line: int) -> None:
    lines = browser().splitlines()
    lines.insert(1 + line, garbage)
    for text in (garbage, "v=0\n" + garbage, "\n".join(lines)):
        for parse in (offer.parse, offer.parse_fragment):
            with contextlib.suppress(OfferError):
                parse(text)


def test_a_fragment_without_credentials_changes_nothing() -> None:
    text = "a=mid:0\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n"
    found = offer.parse_fragment(text)
    assert (found.ufrag, found.password, found.fingerprint) == ("", "", "")
    assert offer.parse_fragment("a=ice-ufrag:abcd\r\na=ice-pwd:" + "x" * 24).ufrag == "abcd"
    with pytest.raises(OfferError):
        offer.parse_fragment("a=ice-ufrag:abcd\r\n")


def test_sections_that_share_no_transport_are_refused_in_words() -> None:
    apart = browser().replace("a=group:BUNDLE 0 1\r\n", "")
    with pytest.raises(OfferError, match="bundle-policy=max-bundle"):
        offer.parse(apart)
    alone = browser(audio="").replace("a=group:BUNDLE 0 1\r\n", "")
    found = offer.parse(alone)
    assert found.is_bundled(found.sections[0])
    silent = browser(audio="").replace("a=group:BUNDLE 0 1\r\n", "") + (
        "m=audio 0 UDP/TLS/RTP/SAVPF 8\r\na=inactive\r\n"
    )
    assert len(offer.parse(silent).sections) == 2
