"""Descriptions of cameras are read, whatever they look like; ours say what is in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.rtp.codecs import accept
from media_streamer.rtp.sdp import MAX_BYTES, Description, Media, SdpError, parse, parse_fmtp, write

CAMERA = """v=0
o=- 1109162014219182 0 IN IP4 0.0.0.0
s=HIK Media Server V3.4.92
t=0 0
a=control:*
a=range:npt=now-
m=video 0 RTP/AVP 96
i=Video Media
a=rtpmap:96 H264/90000
a=fmtp:96 packetization-mode=0;sprop-parameter-sets=Z0IAH5WoFAFuQA==,aM48gA==
a=control:trackID=video
m=audio 0 RTP/AVP 8
a=control:trackID=audio
m=application 0 RTP/AVP 107
a=rtpmap:107 vnd.onvif.metadata/90000
a=control:trackID=metadata
"""


def test_a_camera() -> None:
    session = parse(CAMERA)
    video, audio, data = session.media
    assert (video.encoding, video.clock_rate, video.control) == ("H264", 90_000, "trackID=video")
    assert (audio.encoding, audio.clock_rate, audio.payload_type) == ("PCMA", 8000, 8)
    assert accept(data) is None
    incoming = accept(video)
    assert incoming is not None
    assert incoming.codec == "h264"
    assert incoming.configuration.startswith(b"\x01\x42\x00\x1f\xff\xe1")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a=rtpmap:96 mpeg4-generic/44100/2", ("MPEG4-GENERIC", 44_100, 2)),
        ("a=rtpmap:96  MPEG4-GENERIC/16000 ", ("MPEG4-GENERIC", 16_000, 1)),
        ("a=rtpmap:96 H265/90000", ("H265", 90_000, 1)),
        ("a=rtpmap:96 H264", ("H264", 90_000, 1)),
        ("a=rtpmap:96 H264/zero", ("H264", 90_000, 1)),
        ("a=rtpmap:97 other/8000", ("", 90_000, 1)),
    ],
)
def test_odd_rtpmaps(line: str, expected: tuple[str, int, int]) -> None:
    (media,) = parse(f"v=0\nm=audio 0 RTP/AVP 96\n{line}").media
    assert (media.encoding, media.clock_rate, media.channels) == expected


def test_fmtp_with_odd_spaces_and_case() -> None:
    found = parse_fmtp(" Packetization-Mode=1 ; sprop-parameter-sets=Zg==,aA== ;x;;")
    assert found == {"packetization-mode": "1", "sprop-parameter-sets": "Zg==,aA==", "x": ""}


@given(st.text(max_size=300))
def test_garbage_raises_only_its_own_error(text: str) -> None:
    for candidate in (text, f"v=0\nm={text}", f"m=video 0 RTP/AVP 96\na=fmtp:96 {text}"):
        try:
            for media in parse(candidate).media:
                accept(media)
        except SdpError:
            pass


def test_bombs_are_refused() -> None:
    with pytest.raises(SdpError):
        parse("v=0\n" + "x" * MAX_BYTES)
    with pytest.raises(SdpError):
        parse("m=audio 0 RTP/AVP 0\n" * 100)
    with pytest.raises(SdpError):
        parse("v=0\ns=nothing\n")


def test_what_is_written_is_read() -> None:
    media = Media(
        "audio",
        payload_type=97,
        encoding="OPUS",
        clock_rate=48_000,
        channels=2,
        fmtp={"sprop-stereo": "1"},
        control="trackID=1",
    )
    session = parse(write("a\r\nb=evil", [media]))
    assert isinstance(session, Description)
    assert session.name == "ab=evil"
    assert session.control == "*"
    assert session.media == [media]


@pytest.mark.parametrize(
    "line", ["m=video {} RTP/AVP 96", "m=video 0 RTP/AVP {}", "a=rtpmap:{} H264/90000",
             "a=rtpmap:96 H264/{}", "a=rtpmap:96 OPUS/48000/{}", "a=fmtp:{} a=b"],
)  # fmt: skip
def test_numbers_that_are_too_long_are_none(line: str) -> None:
    """Python reads no number of more than 4,300 digits: it was an error of ours."""
    text = "v=0\r\nm=video 0 RTP/AVP 96\r\n" + line.format("9" * 5000) + "\r\n"
    found = parse(text).media[-1]
    assert found.port == 0
    assert found.clock_rate <= 90_000
