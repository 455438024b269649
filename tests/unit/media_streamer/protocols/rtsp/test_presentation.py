"""What descriptions of cameras ask for: URLs of tracks, what is left out, refusals in words."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.protocols.rtsp.presentation import PresentationError, control_url, plan

BASE = "rtsp://cam/live"
H264 = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
PCMA = "m=audio 0 RTP/AVP 8\r\n"
EVENTS = "m=application 0 RTP/AVP 107\r\na=rtpmap:107 vnd.onvif.metadata/90000\r\n"


def urls(text: str, base: str = BASE) -> list[str]:
    return [track.url for track in plan(text, base).tracks]


@pytest.mark.parametrize(
    ("base", "control", "url"),
    [
        (BASE, "trackID=1", "rtsp://cam/live/trackID=1"),
        (f"{BASE}/", "/trackID=1", "rtsp://cam/live/trackID=1"),
        (BASE, "", BASE),
        (BASE, "*", BASE),
        (BASE, "rtsp://10.0.0.5:8554/x/1", "rtsp://10.0.0.5:8554/x/1"),
        ("rtsp://c/r?channel=1&subtype=0/", "trackID=0", "rtsp://c/r?channel=1&subtype=0/trackID=0"),
        ("rtsp://c/media.amp", "?ctype=video", "rtsp://c/media.amp?ctype=video"),
    ],
)  # fmt: skip
def test_controls_are_put_behind_their_base(base: str, control: str, url: str) -> None:
    assert control_url(base, control) == url


def test_a_whole_of_its_own() -> None:
    text = f"a=control:rtsp://cam/whole/\r\n{H264}a=control:video\r\n"
    found = plan(text, BASE)
    assert found.url == "rtsp://cam/whole/"
    assert found.tracks[0].url == "rtsp://cam/whole/video"


def test_what_is_no_picture_and_no_sound_is_passed_over() -> None:
    found = plan(f"{EVENTS}{H264}a=control:1\r\n{PCMA}a=control:2\r\n", BASE)
    assert [(track.number, track.kind) for track in found.tracks] == [(1, "video"), (2, "audio")]
    assert not found.left_out


def test_a_track_twice_is_asked_for_once() -> None:
    assert urls(f"{H264}a=control:1\r\n{H264}a=control:1\r\n") == [f"{BASE}/1"]
    assert urls(f"{H264}{PCMA}") == [BASE]


def test_sound_that_would_be_ours_is_left_out() -> None:
    back = f"{H264}a=recvonly\r\na=control:1\r\n{PCMA}a=sendonly\r\na=control:2\r\n"
    assert urls(back) == [f"{BASE}/1"]
    marked_by_the_sender = back.replace("recvonly", "sendonly")
    assert len(urls(marked_by_the_sender)) == 2
    assert urls(f"{H264}a=control:1\r\n{PCMA}a=inactive\r\na=control:2\r\n") == [f"{BASE}/1"]


def test_some_of_the_tracks() -> None:
    text = f"{H264}a=control:1\r\n{PCMA}a=control:2\r\n"
    assert [track.kind for track in plan(text, BASE, frozenset({1})).tracks] == ["audio"]
    with pytest.raises(PresentationError, match="no such track"):
        plan(text, BASE, frozenset({7}))


def test_a_transport_stream_is_taken_where_there_is_nothing_else() -> None:
    carried = "m=video 0 RTP/AVP 33\r\na=control:ts\r\n"
    found = plan(carried, BASE, frozenset({256}))  # a PID
    assert found.carries_ts
    assert [track.url for track in found.tracks] == [f"{BASE.rstrip('/')}/ts"]
    dynamic = carried.replace("33", "97") + "a=rtpmap:97 mp2t/90000\r\n"
    assert plan(dynamic, BASE).carries_ts
    found = plan(f"{carried}{H264}a=control:1\r\n", BASE)
    assert not found.carries_ts
    assert [track.media.encoding for track in found.tracks] == ["H264"]
    assert found.left_out == ["MPEG-TS"]


def test_who_heeds_wishes() -> None:
    assert plan(f"{H264}a=rtcp-fb:96 nack pli\r\n", BASE).tracks[0].hears_wishes
    assert plan(H264.replace("RTP/AVP", "RTP/AVPF"), BASE).tracks[0].hears_wishes
    assert not plan(H264, BASE).tracks[0].hears_wishes


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "cannot be read: no media"),
        ("m=video 0 RTP/AVP 96\r\n" * 100, "more than 64 media"),
        (EVENTS, "no sound and no picture"),
        ("m=video 0 RTP/AVP 26\r\n", "no codec that is known here: JPEG"),
        ("m=video 0 RTP/AVP 99\r\n", "payload type 99"),
        (H264.replace("RTP/AVP", "RTP/SAVP"), r"H264 \(encrypted\)"),
        ("m=video 0 RTP/SAVP 33\r\n", r"MP2T \(encrypted\)"),
    ],
)
def test_nothing_to_receive_is_said_by_name(text: str, words: str) -> None:
    with pytest.raises(PresentationError, match=words):
        plan(text, BASE)


LINES = [
    *H264.splitlines(), *PCMA.splitlines(), "a=control:trackID=1", "a=control:*", "a=recvonly",
    "a=control:rtsp://[", "m=", "m=audio x RTP/AVP 97", "a=rtpmap:97 MPEG4-GENERIC/8000/1",
    "a=fmtp:97 sizelength=99;config=zz", "a=rtpmap:96 H265/0", "a=range:npt=",
]  # fmt: skip


@given(st.lists(st.one_of(st.sampled_from(LINES), st.text(max_size=30)), max_size=14), st.text())
def test_any_description_is_planned_or_refused(lines: list[str], base: str) -> None:
    with contextlib.suppress(PresentationError):
        found = plan("\r\n".join(lines), base)
        assert found.tracks
        assert len({track.url for track in found.tracks}) == len(found.tracks)
