"""The pipe between event loop and demuxer."""

import io
import threading
import time
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.media.frame import Frame, Track
from media_streamer.media.inputs.base import InputError, Limits
from media_streamer.media.inputs.publish import BytePipe, PublishInput, looks_like_ts
from media_streamer.media.track import template


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


class Taken:
    """What an input gives of its first track."""

    def __init__(self) -> None:
        self.tracks: list[Track] = []
        self.stamps: list[tuple[int | None, int | None, int | None]] = []
        self.data: list[bytes] = []
        self.over = threading.Event()
        self.error: str | None = None

    def connected(self) -> None: ...

    def describe(self, tracks: Sequence[Track], time_bases: Sequence[Fraction]) -> None:
        self.tracks = [*tracks]
        assert time_bases[0] == Fraction(1, 90_000)

    def frame(
        self,
        track: int,
        dts: int | None,
        pts: int | None,
        duration: int | None,
        key: bool,
        data: bytes,
    ) -> None:
        self.stamps.append((dts, pts, duration))
        self.data.append(data)

    def relayed(self, frame: Frame) -> None: ...

    def looped(self) -> None: ...

    def ended(self, error: str | None) -> None:
        self.error = error
        self.over.set()


def sound_in_ts(**options: str) -> bytes:
    """Two seconds of AAC, some frames in each PES packet."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mpegts", options=options) as output:
        stream = output.add_stream("aac", rate=48_000)
        stream.codec_context.layout = "mono"
        for number in range(94):
            noise = np.random.default_rng(number).normal(0, 0.1, (1, 1024)).astype(np.float32)
            frame = av.AudioFrame.from_ndarray(noise, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 48_000, 1024 * number
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return buffer.getvalue()


@pytest.mark.parametrize("flags", ["", "latm"])
def test_each_frame_of_aac_has_its_time(flags: str) -> None:
    """FFmpeg gives one to the first of each PES packet, before it knows how long frames are. In
    LOAS, as broadcasters send it, it is AAC as any other."""
    data, taken = sound_in_ts(mpegts_flags=flags) if flags else sound_in_ts(), Taken()
    one = PublishInput("live", taken, Limits(10, 10))
    one.start()
    for at in range(0, len(data), 1316):
        assert one.feed(data[at : at + 1316])
        time.sleep(0.001)  # as a publisher's: FFmpeg looks at what has come
    one.finish()
    assert taken.over.wait(10)
    assert taken.error is None
    (track,) = taken.tracks
    assert (track.codec, track.sample_rate, track.channels) == ("aac", 48_000, 1)
    assert len(taken.stamps) > 90
    assert {duration for _, _, duration in taken.stamps} == {1920}
    times = [dts for dts, _, _ in taken.stamps]
    assert None not in times
    assert {after - before for before, after in pairwise(map(int, times))} == {1920}  # type: ignore[arg-type]
    with template(track.init) as described:
        decoder = av.CodecContext.create("aac", "r")
        decoder.extradata = bytes(described.streams[0].codec_context.extradata or b"")
    for frame in taken.data:
        decoder.decode(av.Packet(frame))
