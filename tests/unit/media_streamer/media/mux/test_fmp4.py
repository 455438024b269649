"""Parts: never too long, gapless where the frames are, times from the stream's clock."""

import struct
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from media_streamer.media.frame import TIME_BASE, Frame, Track
from media_streamer.media.mux.fmp4 import Fmp4Track, Part
from media_streamer.syntax import boxes
from msgspec.structs import replace


def header(kind: bytes, timescale: int) -> bytes:
    """An init with nothing but what the writer reads."""
    tkhd = boxes.full_box(b"tkhd", 0, 3, bytes(8), struct.pack(">I", 1), bytes(60))
    mdhd = boxes.full_box(b"mdhd", 0, 0, bytes(8), struct.pack(">I", timescale), bytes(8))
    hdlr = boxes.full_box(b"hdlr", 0, 0, bytes(4), kind)
    return boxes.box(b"moov", boxes.box(b"trak", tkhd, boxes.box(b"mdia", mdhd, hdlr)))


VIDEO = Track(0, "v1", "video", "h264", header(b"vide", TIME_BASE), "avc1.42c00a", fps=25.0)
AUDIO = Track(1, "a1", "audio", "aac", header(b"soun", 44100), "mp4a.40.2", sample_rate=44100)


def samples(part: Part, video: bool) -> tuple[int, list[tuple[int, ...]]]:
    """Decode time and rows of a part; the data offset points at the media data."""
    kinds = [kind for kind, _, _ in boxes.boxes(part.data)]
    assert kinds == [b"moof", b"mdat"]
    tfdt = boxes.find(part.data, b"moof", b"traf", b"tfdt")
    trun = boxes.find(part.data, b"moof", b"traf", b"trun")
    assert tfdt is not None
    assert trun is not None
    count, offset = struct.unpack_from(">II", trun, 4)
    width = 4 if video else 2
    numbers = struct.unpack_from(f">{count * width}I", trun, 12)
    rows = [numbers[at : at + width] for at in range(0, len(numbers), width)]
    assert len(part.data) - offset == sum(row[1] for row in rows)
    return int.from_bytes(tfdt[4:], "big"), rows


@given(
    st.lists(
        st.tuples(st.integers(500, 17_000), st.booleans(), st.integers(0, 9000)),
        min_size=1,
        max_size=60,
    ),
    st.integers(200, 1000),
)
def test_video_parts(frames: list[tuple[int, bool, int]], part_ms: int) -> None:
    writer = Fmp4Track(VIDEO, part_ms)
    dts, parts, sent = 900_000, [], []
    for duration, key, offset in frames:
        frame = Frame(0, dts, dts + offset, duration, key, bytes(duration % 50))
        sent.append(frame)
        parts += writer.add(frame)
        dts += duration
    last, seconds = writer.finish(dts)
    parts += [last] if last else []
    assert round(seconds * TIME_BASE) == dts - 900_000
    at = 0
    for part in parts:
        time, rows = samples(part, video=True)
        assert time == sent[at].dts
        assert part.independent == sent[at].key
        assert part.duration <= max(part_ms / 1000 + 0.001, 17_000 / TIME_BASE)
        for duration, size, flags, offset in rows:
            frame = sent[at]
            assert (size, offset) == (len(frame.data), frame.pts - frame.dts)
            assert duration == frame.duration
            assert (flags == 0x02000000) == frame.key
            at += 1
    assert at == len(sent)


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=200))
def test_sound_is_gapless_in_spite_of_rounded_stamps(jitter: list[int]) -> None:
    writer = Fmp4Track(AUDIO, 200)
    parts = []
    for index, error in enumerate(jitter):
        exact = 900_000 + index * 1024 * TIME_BASE / 44100
        parts += writer.add(Frame(1, round(exact) + error, 0, 2090, True, b"x"))
    last, _ = writer.finish(None)
    parts += [last] if last else []
    expected = None
    for part in parts:
        time, rows = samples(part, video=False)
        assert expected is None or time == expected
        assert {row[0] for row in rows} == {1024}
        assert part.duration <= 0.2005
        expected = time + 1024 * len(rows)


def test_a_hole_moves_the_decode_time_and_splits_sound() -> None:
    writer = Fmp4Track(AUDIO, 200)
    times = [900_000, 902_090, 1_080_000, 1_082_090]
    parts = [part for dts in times for part in writer.add(Frame(1, dts, dts, 2090, True, b"x"))]
    last, seconds = writer.finish(None)
    assert last is not None
    found = [samples(part, video=False) for part in [*parts, last]]
    assert [(time, len(rows)) for time, rows in found] == [(441_000, 2), (529_200, 2)]
    assert seconds == (529_200 + 2048 - 441_000) / 44100


def test_an_empty_segment_has_no_duration_and_a_part_leaves_when_full() -> None:
    writer = Fmp4Track(VIDEO, 200)
    assert writer.finish(0) == (None, 0.0)
    frames = [Frame(0, i * 3600, i * 3600, 3600, i == 0, b"x") for i in range(5)]
    made = [writer.add(frame) for frame in frames]
    assert [len(parts) for parts in made] == [0, 0, 0, 0, 1], "does not wait for the next frame"
    assert made[4][0].duration == 0.2


def test_frames_without_duration_use_the_frame_rate() -> None:
    writer = Fmp4Track(replace(VIDEO, fps=50.0), 200)
    parts = [
        part
        for index in range(10)
        for part in writer.add(Frame(0, index * 1800, index * 1800, 0, False, b"x"))
    ]
    assert [part.duration for part in parts] == [0.2]


def test_real_init_is_understood(make_media: Callable[..., bytes]) -> None:
    import io

    import av
    from media_streamer.media.track import describe_tracks

    media = make_media("mp4", audio="aac", sample_rate=44100)
    with av.open(io.BytesIO(media)) as container:
        first = next(container.demux(audio=0))
        (track,) = describe_tracks(container, {0: first})
    writer = Fmp4Track(track, 200)
    writer.add(Frame(0, TIME_BASE, TIME_BASE, 2090, True, b"x"))
    part, _ = writer.finish(None)
    assert part is not None
    assert samples(part, video=False)[0] == 44100
