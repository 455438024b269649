"""Tags of a publisher become tracks and frames, in order, whatever comes."""

import io
from collections import Counter

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.protocols.flv.body import AUDIO, VIDEO
from media_streamer.protocols.flv.reader import (
    MAX_CONFIGURATION_BYTES,
    MAX_TAG_FRAMES,
    MAX_TRACKS,
    FlvReader,
)
from media_streamer.wire.media import PublishedFrame, TrackSetup

AVC, AAC = b"\x17\x00\x00\x00\x00avcC", b"\xaf\x00\x12\x10"


class Sink:
    """Keeps everything in order."""

    def __init__(self) -> None:
        self.told: list[object] = []
        self.complete = False

    def tracks(self, tracks: list[TrackSetup], complete: bool) -> None:
        self.told.append([(track.codec, track.configuration) for track in tracks])
        self.complete = complete

    def frames(self, frames: list[PublishedFrame]) -> None:
        self.told += [(frame.track, frame.dts, frame.pts, frame.data) for frame in frames]


@pytest.fixture
def sink() -> Sink:
    return Sink()


@pytest.fixture
def reader(sink: Sink) -> FlvReader:
    return FlvReader(sink)


def test_tracks_come_before_their_frames(sink: Sink, reader: FlvReader) -> None:
    reader.take(VIDEO, 0, AVC)
    reader.take(VIDEO, 0, b"\x17\x01\x00\x00\x28key")
    reader.flush()
    assert not sink.complete
    reader.take(AUDIO, 0, AAC)
    reader.take(AUDIO, 5, b"\xaf\x01sound")
    reader.take(VIDEO, 40, b"\x27\x01\x00\x00\x28next")
    reader.flush()
    reader.flush()
    video, audio = ("h264", b"avcC"), ("aac", b"\x12\x10")
    assert sink.told == [
        [video],
        (0, 0, 40, b"key"),
        [video, audio],
        (1, 5, 5, b"sound"),
        (0, 40, 80, b"next"),
    ]
    assert sink.complete


def test_a_change_divides_the_frames(sink: Sink, reader: FlvReader) -> None:
    reader.take(AUDIO, 0, AAC)
    reader.take(AUDIO, 0, b"\xaf\x01a")
    reader.take(AUDIO, 0, AAC)  # the same again is no change
    reader.take(AUDIO, 20, b"\xaf\x01b")
    reader.take(AUDIO, 40, b"\xaf\x00\x11\x90")
    reader.take(AUDIO, 40, b"\xaf\x01c")
    reader.take(AUDIO, 60, b"\x90OpusOpusHead")
    reader.take(AUDIO, 60, b"\x91Opusd")
    reader.flush()
    assert sink.told == [
        [("aac", b"\x12\x10")],
        (0, 0, 0, b"a"),
        (0, 20, 20, b"b"),
        [("aac", b"\x11\x90")],
        (0, 40, 40, b"c"),
        [("opus", b"OpusHead")],
        (0, 60, 60, b"d"),
    ]


@pytest.mark.parametrize(
    ("metadata", "complete"),
    [
        ({"videocodecid": 7.0}, True),
        ({"videocodecid": 7.0, "audiocodecid": 10.0}, False),
        ({"audiocodecid": "mp4a"}, False),
        ({"width": 1}, False),
    ],
)
def test_metadata_says_what_will_come(
    sink: Sink, reader: FlvReader, metadata: dict[str, object], complete: bool
) -> None:
    reader.metadata(metadata)
    reader.take(VIDEO, 0, AVC)
    reader.flush()
    assert sink.complete is complete


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1, "x", None, {}, 1e300, True])
def test_metadata_may_be_nonsense(reader: FlvReader, value: object) -> None:
    setups: list[TrackSetup] = []
    reader._sink.tracks = lambda tracks, complete: setups.extend(tracks)  # type: ignore[method-assign]
    keys = ("framerate", "videodatarate", "audiodatarate", "videocodecid")
    reader.metadata(dict.fromkeys(keys, value))
    reader.take(VIDEO, 0, AVC)
    reader.flush()
    (setup,) = setups
    assert 0 <= setup.fps <= 300
    assert 0 <= setup.bit_rate <= 1e9


def test_one_tag_with_two_mp3_frames_is_two_frames(sink: Sink, reader: FlvReader) -> None:
    # MPEG-1 layer 3, 128 kbit/s, 48 kHz: 384 bytes, 24 ms.
    frame = b"\xff\xfb\x94\x00".ljust(384, b"m")
    reader.take(AUDIO, 100, b"\x2f" + frame + frame)
    reader.flush()
    assert sink.told[1:] == [(0, 100, 100, frame), (0, 124, 124, frame)]


def test_tracks_of_one_publisher_are_bounded(sink: Sink, reader: FlvReader) -> None:
    for track in range(200):
        reader.take(AUDIO, 0, b"\x95\x00mp4a" + bytes((track,)) + b"\x12\x10")
    reader.flush()
    assert isinstance(sink.told[-1], list)
    assert len(sink.told[-1]) == MAX_TRACKS


@given(
    st.lists(
        st.tuples(
            st.sampled_from([AUDIO, VIDEO]),
            st.integers(0, 2**32 - 1),
            st.one_of(
                st.binary(min_size=1, max_size=20),
                st.sampled_from([AVC, AAC, b"\xaf\x01a", b"\x27\x01\0\0\0b"]),
            ),
        ),
        max_size=20,
    ),
    st.integers(1, 5),
)
def test_every_frame_has_a_track(tags: list[tuple[int, int, bytes]], every: int) -> None:
    sink = Sink()
    reader = FlvReader(sink)
    for number, tag in enumerate(tags):
        reader.take(*tag)
        if not number % every:
            reader.flush()
    reader.flush()
    known = 0
    for item in sink.told:
        if isinstance(item, list):
            assert len(item) >= known
            known = len(item)
        else:
            assert isinstance(item, tuple)
            assert item[0] < known


def test_several_tracks_as_ffmpeg_writes_them(sink: Sink, reader: FlvReader) -> None:
    """Enhanced RTMP v2 multitrack of FFmpeg 8, which is in PyAV."""
    file = io.BytesIO()
    with av.open(file, "w", format="flv") as output:
        videos = [output.add_stream(codec, rate=25) for codec in ("libx264", "libx265")]
        for video in videos:
            video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        videos[0].options = {"preset": "ultrafast"}
        videos[1].options = {"preset": "ultrafast", "x265-params": "log-level=none:pools=1"}
        sounds = [output.add_stream(codec, rate=48000) for codec in ("aac", "libopus")]
        for number in range(5):
            for video in videos:
                frame = av.VideoFrame(96, 64, "yuv420p")
                frame.pts = number
                output.mux(video.encode(frame))
        for sound in sounds:
            context = sound.codec_context
            for number in range(4):
                size = context.frame_size or 960
                tone = av.AudioFrame(context.format, "stereo", size)
                for plane in tone.planes:
                    plane.update(bytes(plane.buffer_size))
                tone.sample_rate, tone.pts = 48000, number * size
                output.mux(sound.encode(tone))
        for stream in (*videos, *sounds):
            output.mux(stream.encode(None))
    data, at = file.getvalue(), 13
    while at + 11 <= len(data):
        size = int.from_bytes(data[at + 1 : at + 4])
        if data[at] in (AUDIO, VIDEO):
            reader.take(data[at], int.from_bytes(data[at + 4 : at + 7]), data[at + 11 :][:size])
        at += 11 + size + 4
    reader.flush()
    assert reader.broken == 0
    described = [one for one in sink.told if isinstance(one, list)][-1]
    codecs = [codec for codec, _ in described]
    assert sorted(codecs) == ["aac", "h264", "hevc", "opus"]
    assert all(configuration for _, configuration in described)
    counts = Counter(codecs[one[0]] for one in sink.told if isinstance(one, tuple))
    assert (counts["h264"], counts["hevc"]) == (5, 5)
    assert min(counts["aac"], counts["opus"]) >= 4


def test_what_a_tag_costs_is_bounded(sink: Sink, reader: FlvReader) -> None:
    """A message of 16 MiB may hold a million frames of MPEG audio, or a configuration as long."""
    reader.take(AUDIO, 0, b"\x2f" + b"\xff\xfb\x10\xc4" * 100_000)
    reader.take(VIDEO, 0, b"\x17\0\0\0\0" + bytes(MAX_CONFIGURATION_BYTES + 1))
    reader.flush()
    assert len(sink.told) == 1 + MAX_TAG_FRAMES
    assert reader.broken == 2
