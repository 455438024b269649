"""The test picture: what a test may rely on, decoded again."""

from datetime import UTC, datetime
from io import BytesIO

import av
import numpy as np
import pytest
from media_api.input import InputConfig
from media_streamer.protocols.fake.encoder import AUDIO, VIDEO, FakeEncoder, FakeSettings
from media_streamer.protocols.fake.picture import BARS, SAMPLE_RATE, Picture, Tone
from media_streamer.protocols.fake.pull import settings_of

WHEN = datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC)


def test_settings_have_even_sizes() -> None:
    config = InputConfig.model_validate({"url": "fake://fake", "width": 321, "height": 241})
    assert settings_of(config) == FakeSettings(320, 240)


@pytest.mark.parametrize("size", [(640, 360), (1920, 1080), (16, 16), (176, 144), (64, 720)])
def test_any_size_can_be_drawn(size: tuple[int, int]) -> None:
    picture = Picture(*size)
    for frame in (0, 99, 100):
        assert picture.draw(WHEN, frame, 25).shape == (size[1] * 3 // 2, size[0])


def test_the_clock_and_the_square_move_and_the_bars_do_not() -> None:
    picture = Picture(640, 360)
    first = picture.draw(WHEN, 0, 25).copy()
    second = picture.draw(WHEN.replace(second=6), 25, 25).copy()
    assert np.array_equal(first[:180], second[:180])
    assert not np.array_equal(first[180:270], second[180:270])
    assert not np.array_equal(first[270:360], second[270:360])


def test_the_tone_has_no_clicks() -> None:
    tone = Tone()
    samples = np.concatenate([tone.samples(n * 1024, 1024)[0] for n in range(100)])
    assert np.abs(np.diff(samples)).max() < 0.1 * 2 * np.pi * 880 / SAMPLE_RATE * 1.05


def test_what_is_encoded_decodes_to_the_bars() -> None:
    encoder = FakeEncoder(FakeSettings())
    assert [(t.name, t.codec) for t in encoder.tracks] == [("v1", "h264"), ("a1", "aac")]
    encoded = [item for _ in range(50) for item in encoder.step(WHEN)]
    video = [item for item in encoded if item.track == VIDEO]
    assert [item.key for item in video] == [n % 25 == 0 for n in range(50)]
    assert [item.dts for item in video] == [n * 3600 for n in range(50)]
    assert sum(item.track == AUDIO for item in encoded) in (92, 93)
    with av.open(BytesIO(encoder.tracks[VIDEO].init), "r", format="mp4") as described:
        decoder = av.CodecContext.create("h264", "r")
        decoder.extradata = described.streams[0].codec_context.extradata
    frames = [f for item in video for f in decoder.decode(av.Packet(item.data))]
    picture = frames[-1].to_ndarray()
    chroma = picture[360:].reshape(2, 180, 320)
    for index, (y, cb, cr) in enumerate(BARS.values()):
        x = index * 80 + 40
        found = picture[90, x], chroma[0, 45, x // 2], chroma[1, 45, x // 2]
        assert np.allclose(np.array(found, float), (y, cb, cr), atol=12), found


def test_a_joiner_starts_with_a_key_frame() -> None:
    encoder = FakeEncoder(FakeSettings(160, 90))
    for _ in range(37):
        encoder.step(WHEN)
    assert encoder.gop[0].key
    assert encoder.gop[0].track == VIDEO
    assert encoder.gop[0].dts == 25 * 3600
