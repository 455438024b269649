"""Messages of a WebSocket that hold one frame each, where Flussonic's clients look for it."""

import base64
import json
import struct
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.media.frame import TIME_BASE, Frame, Track
from media_streamer.media.mux.mse import BINARY, TEXT, Lasting, MseMuxer, message
from media_streamer.syntax import boxes


def init(timescale: int, track_id: int = 1) -> bytes:
    """What the writer reads and writes of an init segment."""
    tkhd = boxes.full_box(b"tkhd", 0, 3, bytes(8), struct.pack(">I", track_id), bytes(60))
    mdhd = boxes.full_box(b"mdhd", 0, 0, bytes(8), struct.pack(">I", timescale), bytes(8))
    trak = boxes.box(b"trak", tkhd, boxes.box(b"mdia", mdhd))
    trex = boxes.full_box(b"trex", 0, 0, struct.pack(">I", track_id), bytes(16))
    return boxes.box(b"moov", trak, boxes.box(b"mvex", trex))


def video(name: str, number: int) -> Track:
    return Track(number, name, "video", "h264", init(TIME_BASE), "avc1.42c00a", 640, 360, 25.0)


def audio(name: str, number: int) -> Track:
    return Track(number, name, "audio", "aac", init(48_000), "mp4a.40.2", sample_rate=48_000)


def messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Opcode byte and payload of whole unmasked messages (RFC 6455 5.2)."""
    while data:
        size, start = data[1], 2
        if size == 126:
            size, start = int.from_bytes(data[2:4], "big"), 4
        elif size == 127:
            size, start = int.from_bytes(data[2:10], "big"), 10
        yield data[0], data[start : start + size]
        data = data[start + size :]


def test_the_first_video_and_audio_are_described() -> None:
    muxer = MseMuxer([audio("a1", 0), audio("a2", 1), video("v1", 2), video("v2", 3)])
    ((opcode, payload),) = messages(muxer.header)
    assert opcode == TEXT
    told = json.loads(payload)
    assert told["type"] == "mse_init_segment"
    assert (told["metadata"]["width"], told["metadata"]["height"]) == (640, 360)
    assert [track["track_id"] for track in told["metadata"]["tracks"]] == ["v1", "a1"]
    first, second = told["tracks"]
    assert (first["id"], first["content"]) == (1, "video")
    assert (second["id"], second["mime_type"]) == (2, 'audio/mp4; codecs="mp4a.40.2"')
    assert base64.b64decode(second["payload"]) == init(48_000, 2)
    assert muxer.mux(Frame(1, 0, 0, 1920, True, b"x"), False) == b""
    assert muxer.mux(Frame(9, 0, 0, 1920, True, b"x"), False) == b""


def test_without_tracks_there_is_nothing_to_say() -> None:
    assert MseMuxer([]).header == b""


@given(
    st.lists(
        st.tuples(
            st.integers(1, 9000), st.integers(0, 20_000), st.booleans(), st.integers(0, 70_000)
        ),
        min_size=1,
        max_size=20,
    )
)
def test_each_frame_stands_where_clients_look_for_it(
    frames: list[tuple[int, int, bool, int]],
) -> None:
    muxer = MseMuxer([video("v1", 0), audio("a1", 1)])
    dts = 900_000
    for position, (duration, offset, key, size) in enumerate(frames):
        utc_ms = 1_700_000_000_000 + position
        frame = Frame(0, dts, dts + offset, duration, key, bytes(size), utc_ms)
        ((opcode, data),) = messages(muxer.mux(frame, key))
        assert opcode == BINARY
        assert data[47] == 1
        assert struct.unpack_from(">II", data, 92) == (1_700_000_000, position * 1000)
        moof, mdat = boxes.boxes(data)
        assert (moof[0], mdat[0]) == (b"moof", b"mdat")
        tfhd = boxes.find(data, b"moof", b"traf", b"tfhd")
        tfdt = boxes.find(data, b"moof", b"traf", b"tfdt")
        trun = boxes.find(data, b"moof", b"traf", b"trun")
        assert tfhd is not None
        assert tfdt is not None
        assert trun is not None
        said, told = struct.unpack_from(">II", tfhd, 8)
        assert (said >= duration, told) == (True, size)
        assert tfhd[16] == (2 if key else 1)
        assert int.from_bytes(tfdt[4:], "big") == dts
        assert struct.unpack_from(">IIi", trun, 4) == (1, mdat[1], offset)
        assert len(data) - mdat[1] == size
        dts += duration


def test_sound_is_gapless_though_its_stamps_are_rounded() -> None:
    muxer = MseMuxer([audio("a1", 0)])
    times = []
    for number in range(50):
        dts = round(number * 1024 * TIME_BASE / 48_000)
        ((_, data),) = messages(muxer.mux(Frame(0, dts, dts, 1919, True, b"x"), True))
        tfdt = boxes.find(data, b"moof", b"traf", b"tfdt")
        assert tfdt is not None
        times.append(int.from_bytes(tfdt[4:], "big"))
    assert times == [1024 * number for number in range(50)]


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_lengths_of_messages(size: int) -> None:
    assert list(messages(message(BINARY, bytes(size)))) == [(BINARY, bytes(size))]


def lasting(*steps: int) -> list[int]:
    """Said durations of pictures that come so many ms after each other."""
    made, time, said = Lasting(), 0, []
    for step in steps:
        time += step
        said.append(made.of(time, step, 1000))
    return said


def test_pictures_are_said_to_last_until_the_latest_successor_that_is_likely() -> None:
    """A browser drops what comes later than twice of what was said, up to a key frame."""
    assert lasting(*[40] * 300) == [40] * 300
    assert lasting(50, 50, 100, 50, 50) == [50, 50, 200, 200, 200]
    assert lasting(40, 3000, 40)[1:] == [3000, 1000], "no longer than a second by guess"
    later = lasting(50, 100, *[50] * 300)
    assert (later[150], later[-1]) == (200, 50), "forgotten"


def test_the_duration_of_uneven_pictures_is_in_the_fragment() -> None:
    muxer = MseMuxer([video("v1", 0)])
    found = []
    for number, step in enumerate((4500, 4500, 9000, 4500)):
        frame = Frame(0, number * 4500, number * 4500, step, number == 0, b"x")
        ((_, fragment),) = messages(muxer.mux(frame, False))
        place = fragment.index(b"tfhd") + 12
        found.append(int.from_bytes(fragment[place : place + 4]))
    assert found == [4500, 4500, 18000, 18000]
