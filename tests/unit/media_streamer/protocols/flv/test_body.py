"""Headers of audio and video tags, legacy and enhanced, and what is cut off or nonsense."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.protocols.flv.body import (
    AUDIO,
    CONFIGURATION,
    FRAME,
    VIDEO,
    BodyError,
    Part,
    read,
)

DATA = b"some data"


@pytest.mark.parametrize(
    ("kind", "body", "part"),
    [
        (VIDEO, b"\x17\x00\x00\x00\x00" + DATA, Part(0, "h264", CONFIGURATION, True, 0, DATA)),
        (VIDEO, b"\x17\x01\x00\x00\x50" + DATA, Part(0, "h264", FRAME, True, 80, DATA)),
        (VIDEO, b"\x27\x01\xff\xff\xfe" + DATA, Part(0, "h264", FRAME, False, -2, DATA)),
        (VIDEO, b"\x1c\x01\x00\x00\x00" + DATA, Part(0, "hevc", FRAME, True, 0, DATA)),
        (VIDEO, b"\x12" + DATA, Part(0, "flv1", FRAME, True, 0, DATA)),
        (VIDEO, b"\x90hvc1" + DATA, Part(0, "hevc", CONFIGURATION, True, 0, DATA)),
        (VIDEO, b"\xa1hvc1\x00\x00\x28" + DATA, Part(0, "hevc", FRAME, False, 40, DATA)),
        (VIDEO, b"\xa3hvc1" + DATA, Part(0, "hevc", FRAME, False, 0, DATA)),
        (VIDEO, b"\x91av01" + DATA, Part(0, "av1", FRAME, True, 0, DATA)),
        (VIDEO, b"\x91xyz1" + DATA, Part(0, "xyz1", FRAME, True, 0, DATA)),
        (AUDIO, b"\xaf\x00" + DATA, Part(0, "aac", CONFIGURATION, True, 0, DATA)),
        (AUDIO, b"\xaf\x01" + DATA, Part(0, "aac", FRAME, True, 0, DATA)),
        (AUDIO, b"\x2f" + DATA, Part(0, "mp3", FRAME, True, 0, DATA)),
        (AUDIO, b"\xb2" + DATA, Part(0, "speex", FRAME, True, 0, DATA)),
        (AUDIO, b"\x90Opus" + DATA, Part(0, "opus", CONFIGURATION, True, 0, DATA)),
        (AUDIO, b"\x91ac-3" + DATA, Part(0, "ac3", FRAME, True, 0, DATA)),
        # ModEx: three bytes of a modifier, then a coded frame.
        (AUDIO, b"\x97\x02abc\x01mp4a" + DATA, Part(0, "aac", FRAME, True, 0, DATA)),
        # One track of a multitrack body.
        (VIDEO, b"\x96\x01avc1\x02\x00\x00\x00" + DATA, Part(2, "h264", FRAME, True, 0, DATA)),
    ],
)
def test_one_part(kind: int, body: bytes, part: Part) -> None:
    assert read(kind, body) == [part]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (VIDEO, b"\x57\x00"),  # command frame
        (VIDEO, b"\xd0"),  # enhanced command frame
        (VIDEO, b"\x17\x02\x00\x00\x00"),  # end of sequence
        (VIDEO, b"\x92avc1"),
        (VIDEO, b"\x94avc1" + DATA),  # metadata
        (AUDIO, b"\xaf\x02"),
        (AUDIO, b"\x94mp4a" + DATA),  # channel order
    ],
)
def test_nothing_to_show(kind: int, body: bytes) -> None:
    assert read(kind, body) == []


def test_many_tracks_and_codecs() -> None:
    tracks = b"\x00\x00\x00\x02ab" + b"\x01\x00\x00\x03cde"
    assert read(AUDIO, b"\x95\x11mp4a" + tracks) == [
        Part(0, "aac", FRAME, True, 0, b"ab"),
        Part(1, "aac", FRAME, True, 0, b"cde"),
    ]
    codecs = b"mp4a\x00\x00\x00\x02ab" + b"Opus\x01\x00\x00\x01c"
    assert read(AUDIO, b"\x95\x20" + codecs) == [
        Part(0, "aac", CONFIGURATION, True, 0, b"ab"),
        Part(1, "opus", CONFIGURATION, True, 0, b"c"),
    ]
    with pytest.raises(BodyError, match="cut off"):
        read(AUDIO, b"\x95\x11mp4a" + b"\x00\x00\x00\xff" + b"ab")
    with pytest.raises(BodyError, match="multitrack"):
        read(AUDIO, b"\x95\x31mp4a" + tracks)


@given(st.sampled_from([AUDIO, VIDEO]), st.binary(min_size=1, max_size=60))
def test_any_body_is_read_or_refused(kind: int, body: bytes) -> None:
    try:
        parts = read(kind, body)
    except BodyError:
        return
    assert sum(len(part.data) for part in parts) < len(body)
