"""Sound as Opus: what comes out decodes, in the time of what went in."""

import io
import itertools
from collections.abc import Callable

import av
import pytest
from media_streamer.media.frame import TIME_BASE, Frame, Track
from media_streamer.media.opus import RATE, OpusConverter
from media_streamer.media.track import describe_tracks

Encode = Callable[..., bytes]


def sound(data: bytes) -> tuple[Track, list[Frame]]:
    """The track of a file and its frames in ticks."""
    with av.open(io.BytesIO(data)) as container:
        packets = [packet for packet in container.demux() if packet.size]
        (track,) = describe_tracks(container, {0: packets[0]})
        ticks = [round(p.dts * p.time_base * TIME_BASE) for p in packets]
        return track, [
            Frame(0, dts, dts, 0, True, bytes(p), 1_000_000 + dts // 90)
            for dts, p in zip(ticks, packets, strict=True)
        ]


def decoded_samples(frames: list[Frame]) -> int:
    decoder = av.CodecContext.create("opus", "r")
    total = 0
    for frame in frames:
        total += sum(one.samples for one in decoder.decode(av.Packet(frame.data)))
    return total


@pytest.mark.parametrize(
    ("container", "codec", "rate"),
    [("mp4", "aac", 48_000), ("mp4", "aac", 44_100), ("mp4", "libmp3lame", 48_000),
     ("mp4", "ac3", 32_000)],
)  # fmt: skip
def test_sound_becomes_opus(make_media: Encode, container: str, codec: str, rate: int) -> None:
    track, frames = sound(make_media(container, "", codec, frames=50, sample_rate=rate))
    converter = OpusConverter(track)
    assert (converter.track.codec, converter.track.sample_rate) == ("opus", RATE)
    out = [made for frame in frames for made in converter.convert(frame)]
    # All but what waits for a whole frame, in the resampler and in the codecs.
    assert 1.8 < len(out) / 50 < 2.05
    assert {b.dts - a.dts for a, b in itertools.pairwise(out)} == {1800}
    assert abs(out[0].dts - frames[0].dts) < TIME_BASE // 20
    assert all(abs(made.utc_ms - 1_000_000 - made.dts // 90) <= 1 for made in out)
    assert decoded_samples(out) >= (len(out) - 1) * 960


def test_a_gap_is_a_gap(make_media: Encode) -> None:
    track, frames = sound(make_media("mp4", "", "aac", frames=50))
    converter = OpusConverter(track)
    half = len(frames) // 2
    before = [made for frame in frames[:half] for made in converter.convert(frame)]
    for frame in frames[half:]:
        frame.dts += 10 * TIME_BASE
    after = [made for frame in frames[half:] for made in converter.convert(frame)]
    assert after[0].dts - before[-1].dts > 9 * TIME_BASE
    stamps = [made.dts for made in before + after]
    assert stamps == sorted(set(stamps))


def test_what_cannot_be_decoded_is_left_out(
    make_media: Encode, caplog: pytest.LogCaptureFixture
) -> None:
    track, frames = sound(make_media("mp4", "", "aac", frames=50))
    converter = OpusConverter(track)
    for number in range(20):
        converter.convert(Frame(0, number * 1920, number * 1920, 0, True, b"\xff" * 40))
    assert 0 < len(caplog.records) <= 5
    out = [made for frame in frames for made in converter.convert(frame)]
    assert len(out) > 80
