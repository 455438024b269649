"""A track from one sample, as a publisher hands it in."""

import av
import pytest
from media_streamer.media.inputs.sample_probe import probe
from media_streamer.media.track import TrackError
from media_streamer.wire.media import PublishedFrame, TrackSetup

from tests.support.clips import footage


@pytest.fixture(scope="module")
def film() -> tuple[TrackSetup, PublishedFrame]:
    """Setup and first frame of 25 frames a second that nobody has declared."""
    with av.open(str(footage())) as container:
        stream = container.streams.video[0]
        configuration = bytes(stream.codec_context.extradata or b"")
        packet = next(packet for packet in container.demux(stream) if packet.size)
        frame = PublishedFrame(0, 0, 0, True, bytes(packet))
    return TrackSetup(0, "video", "h264", configuration, 1000), frame


def test_one_frame_tells_size_and_rate(film: tuple[TrackSetup, PublishedFrame]) -> None:
    track = probe(*film)
    assert (track.width, track.height, track.fps) == (1280, 720, 25.0)


def test_a_codec_that_frames_cannot_have(film: tuple[TrackSetup, PublishedFrame]) -> None:
    with pytest.raises(TrackError, match="not supported"):
        probe(TrackSetup(0, "video", "mjpeg", b"", 1000), film[1])


@pytest.mark.parametrize("codec", ["pcm_alaw", "pcm_mulaw"])
def test_g711(codec: str) -> None:
    track = probe(TrackSetup(0, "audio", codec, b"", 90_000), PublishedFrame(0, 0, 0, True, b"x"))
    assert (track.codec, track.sample_rate, track.channels) == (codec, 8000, 1)


def test_layer_2_is_told_from_layer_3() -> None:
    frame = b"\xff\xfd\x84\xc0" + bytes(380)  # 48 kHz, 128 kb/s, one channel
    setup = TrackSetup(0, "audio", "mp2", b"", 90_000)
    track = probe(setup, PublishedFrame(0, 0, 0, True, frame))
    assert (track.codec, track.sample_rate, track.channels) == ("mp2", 48_000, 1)
