"""The test picture: what a test may rely on, decoded again."""

from datetime import UTC, datetime
from io import BytesIO

import av
import numpy as np
import pytest
from media_api.input import InputConfig
from media_streamer.protocols.fake.encoder import (
    AUDIO,
    AUDIO_PERIOD,
    AUDIO_SAMPLES,
    VIDEO,
    FakeEncoder,
    FakeSettings,
    ToneEncoder,
)
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


def test_the_tone_goes_on_where_it_is_not_encoded_any_more() -> None:
    """Three periods: two of them are frames of the first."""
    encoder, tone = ToneEncoder(), Tone()
    frames = [frame for _ in range(3 * AUDIO_PERIOD) for frame in encoder.step()]
    assert [time for time, _ in frames] == [
        (n - 1) * AUDIO_SAMPLES for n in range(3 * AUDIO_PERIOD - 1)
    ]
    assert len(encoder._frames) < AUDIO_PERIOD * 1.1
    decoder = av.CodecContext.create("aac", "r")
    with av.open(BytesIO(FakeEncoder(FakeSettings(16, 16)).tracks[AUDIO].init)) as described:
        decoder.extradata = described.streams[0].codec_context.extradata
    heard = np.concatenate(
        [frame.to_ndarray()[0] for _, data in frames for frame in decoder.decode(av.Packet(data))]
    )[AUDIO_SAMPLES:]  # the delay of the encoder
    meant = np.concatenate(
        [tone.samples(n * AUDIO_SAMPLES, AUDIO_SAMPLES)[0] for n in range(3 * AUDIO_PERIOD - 2)]
    )
    off = np.abs(heard - meant)
    first, later = off[SAMPLE_RATE : 8 * SAMPLE_RATE], off[8 * SAMPLE_RATE :]
    assert first.mean() < 0.002
    # The last of a period and the first of the next fit, as if the encoder had gone on.
    assert later.max() <= first.max() * 1.5
    assert later.mean() < first.mean() * 1.1


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
