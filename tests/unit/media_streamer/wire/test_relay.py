"""Frames from server to server: any pieces give the same, and nothing else is taken."""

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.wire.frame import Frame, Track
from media_streamer.wire.relay import (
    HEAD,
    MAX_RECORD_BYTES,
    RelayError,
    RelayReader,
    frame_record,
    tracks_record,
)

VIDEO = Track(0, "v1", "video", "av1", b"init", "av01.0.04M.08", 1280, 720)
AUDIO = Track(1, "a1", "audio", "opus", b"init", "opus", language="deu")
FRAMES = st.builds(
    Frame,
    st.integers(0, 1),
    st.integers(-(2**33), 2**40),
    st.integers(-(2**33), 2**40),
    st.integers(0, 10**6),
    st.booleans(),
    st.binary(max_size=200),
    st.integers(0, 2**45),
)


@given(st.lists(FRAMES, max_size=6), st.lists(FRAMES, max_size=3), st.integers(1, 400))
def test_in_pieces_of_any_size(first: list[Frame], second: list[Frame], size: int) -> None:
    sent = [
        tracks_record([VIDEO, AUDIO]),
        *map(frame_record, first),
        tracks_record([AUDIO.__class__(0, "a1", "audio", "aac", b"i", "mp4a.40.2")]),
        *(frame_record(msgspec.structs.replace(one, track=0)) for one in second),
    ]
    stream = b"".join(sent)
    reader = RelayReader()
    got = [one for at in range(0, len(stream), size) for one in reader.feed(stream[at : at + size])]
    assert reader.held == 0
    assert got[0] == [VIDEO, AUDIO]
    assert got[1 : len(first) + 1] == first
    assert len(got) == len(sent)


@given(st.binary(max_size=300))
def test_garbage(data: bytes) -> None:
    reader = RelayReader()
    with contextlib.suppress(RelayError):
        assert list(reader.feed(data)) == []
    assert reader.held <= len(data)


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (b"GET / HTTP/1.1", "no stream of frames"),
        (HEAD.pack(b"F", MAX_RECORD_BYTES + 1), "no stream of frames"),
        (frame_record(Frame(0, 0, 0, 0, True, b"")), "of no track"),
        (tracks_record([]), "no tracks"),
        (tracks_record([AUDIO]), "no tracks"),
        (tracks_record([VIDEO]) + frame_record(Frame(1, 0, 0, 0, True, b"")), "of no track"),
        (HEAD.pack(b"T", 1) + b"\xc1", "tracks that cannot be read"),
        (
            HEAD.pack(b"T", len(other := msgspec.msgpack.encode([b"other", {"new": 1}]))) + other,
            "of a version with other frames",
        ),
        (tracks_record([VIDEO]) + HEAD.pack(b"F", 1) + b"\x00", "frame that cannot be read"),
    ],
)
def test_what_is_refused(sent: bytes, words: str) -> None:
    with pytest.raises(RelayError, match=words):
        list(RelayReader().feed(sent))
