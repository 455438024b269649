"""The pipe between event loop and demuxer."""

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.media.inputs.base import InputError
from media_streamer.media.inputs.publish import BytePipe, looks_like_ts


@given(st.lists(st.binary(min_size=1, max_size=50)), st.integers(1, 20), st.integers(0, 30))
def test_bytes_come_out_as_they_went_in(pieces: list[bytes], size: int, peeked: int) -> None:
    pipe = BytePipe(read_timeout_seconds=1)
    for piece in pieces:
        assert pipe.write(piece)
    pipe.end()
    whole = b"".join(pieces)
    assert pipe.peek(peeked) == whole[:peeked]
    read = b""
    while data := pipe.read(size):
        assert len(data) <= size
        read += data
    assert read == whole


def test_the_bound_holds_and_reading_makes_room() -> None:
    pipe = BytePipe(read_timeout_seconds=1, max_bytes=10)
    assert pipe.write(b"12345678")
    assert not pipe.write(b"901")
    assert pipe.read(5) == b"12345"
    assert pipe.write(b"901")
    assert pipe.read(100) == b"678"


def test_nothing_is_taken_after_the_end() -> None:
    pipe = BytePipe(read_timeout_seconds=1)
    pipe.end()
    assert not pipe.write(b"x")
    assert pipe.read(1) == b""


def test_a_silent_publisher_is_told() -> None:
    pipe = BytePipe(read_timeout_seconds=0.05)
    with pytest.raises(InputError, match="sends nothing"):
        pipe.read(1)


def test_a_waiting_reader_wakes_up() -> None:
    pipe = BytePipe(read_timeout_seconds=10)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read(10)))
    started = time.monotonic()
    reader.start()
    pipe.write(b"abc")
    reader.join(5)
    assert got == [b"abc"]
    assert time.monotonic() - started < 5


TS = (b"\x47" + bytes(187)) * 4


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (TS[:564], True),
        (TS[100:664], True),
        (b"GET / HTTP/1.1\r\n" * 36, False),
        (bytes(564), False),
        (b"", False),
    ],
)
def test_signatures(start: bytes, expected: bool) -> None:
    assert looks_like_ts(start) is expected
