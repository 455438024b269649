"""Where RTP sources come to: URLs, descriptions, and what is said of those that cannot be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_api.input import InputConfig
from media_streamer.media.inputs.base import InputError
from media_streamer.protocols.rtp.described import announced
from media_streamer.protocols.rtp.port import Place
from media_streamer.protocols.rtp.pull import carries_ts, place_of

VIDEO = "m=video 5000 RTP/AVP 96\na=rtpmap:96 H264/90000\n"
SOUND = "m=audio 5002 RTP/AVP 0\n"


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("rtp://127.0.0.1:5000", Place("127.0.0.1", 5000)),
        ("rtp://10.0.0.9@232.1.2.3:1/10.0.0.5", Place("232.1.2.3", 1, "10.0.0.9", "10.0.0.5")),
        ("rtp://[ff15::1]:5000/eth1", Place("ff15::1", 5000, "", "eth1")),
    ],
)  # fmt: skip
def test_addresses(url: str, place: Place) -> None:
    assert place_of(InputConfig.of(url)) == place


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("rtp://239.1.2.3", "lacks address or port"),
        ("rtp://:5000", "lacks address or port"),
        ("rtp://h:x", "no number"),
        ("rtp://eth0@239.1.2.3:5000", "the source is an address"),
    ],
)
def test_what_cannot_be_received(url: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        place_of(InputConfig.of(url))


def test_a_transport_stream_is_told_by_its_packets() -> None:
    packet = b"\x47" + bytes(187)
    assert carries_ts(7 * packet)
    assert not carries_ts(b"")
    assert not carries_ts(packet + bytes(188))
    assert not carries_ts(packet[:-1])


def test_tracks_have_ports_and_senders_of_their_own() -> None:
    text = (
        "v=0\nc=IN IP4 232.1.1.1/16\na=source-filter: incl IN IP4 * 10.0.0.9\n"
        + VIDEO
        + SOUND
        + "c=IN IP4 10.0.0.1\na=rtcp:6001 IN IP4 10.0.0.1\n"
        + "a=source-filter: incl IN IP4 * 10.0.0.8\n"
        + "m=audio 5004 RTP/AVP 97\na=rtpmap:97 opus/48000/2\na=rtcp-mux\n"
    )
    picture, sound, other = announced(text, "eth1")
    assert picture.place == Place("232.1.1.1", 5000, "10.0.0.9", "eth1")
    assert picture.control == 5001
    assert (sound.place, sound.control) == (Place("10.0.0.1", 5002, "10.0.0.8", "eth1"), 6001)
    assert (other.place.port, other.control) == (5004, 5004)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hello", "no media"),
        ("c=IN IP4 camera.example\n" + VIDEO, "no address"),
        ("m=video 5000 RTP/AVP 33\n", "write rtp://"),
        ("m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\n", "no track has a port"),
        ("m=video 5000 RTP/AVP 96\na=rtpmap:96 X-UNKNOWN/90000\n", "X-UNKNOWN"),
        ("m=video 5000 RTP/AVP 0\n" * 65, "more than 64"),
    ],
)
def test_descriptions_that_are_of_no_use(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        announced(text)


@given(st.text(alphabet="vmac=:/ 0123456789RTPAVPINP4\n.", max_size=200))
def test_any_description_is_read_or_refused(text: str) -> None:
    try:
        tracks = announced(text + "\n" + VIDEO)
    except InputError:
        return
    assert tracks
