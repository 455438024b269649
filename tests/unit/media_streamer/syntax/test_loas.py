"""AAC in LOAS, as FFmpeg writes it, becomes the ADTS that FFmpeg writes."""

import contextlib
import io

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.syntax.loas import LoasReader, is_loas


def frames(container: str, rate: int = 48000) -> list[bytes]:
    """Of a second of sound."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        stream = output.add_stream("aac", rate=rate)
        stream.codec_context.layout = "mono"
        for number in range(50):
            noise = np.random.default_rng(number).normal(0, 0.1, (1, 1024)).astype(np.float32)
            frame = av.AudioFrame.from_ndarray(noise, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = rate, 1024 * number
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    with av.open(io.BytesIO(buffer.getvalue())) as opened:
        return [bytes(packet) for packet in opened.demux() if packet.size]


@pytest.mark.parametrize("rate", [48000, 22050])
def test_frames_are_those_of_adts(rate: int) -> None:
    wrapped, plain = frames("latm", rate), frames("adts", rate)
    assert len(wrapped) == len(plain) > 20
    assert all(map(is_loas, wrapped))
    assert not any(map(is_loas, plain))
    reader = LoasReader()
    for ours, theirs in zip(map(reader.adts, wrapped), plain, strict=True):
        # Fixed header, length, frame; what the buffer holds is each writer's own.
        assert ours[:4] == theirs[:4]
        assert ours[7:] == theirs[7:]
        assert (ours[4], ours[5] & 0xE0) == (theirs[4], theirs[5] & 0xE0)


def test_a_frame_before_its_configuration_is_not_guessed() -> None:
    wrapped = frames("latm")
    same = next(frame for frame in wrapped if frame[3] & 0x80)
    reader = LoasReader()
    with pytest.raises(ValueError, match="configuration"):
        reader.adts(same)
    reader.adts(wrapped[0])
    assert reader.adts(same)
    with pytest.raises(ValueError, match="ends early"):
        reader.adts(same[:-2])


@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    data = b"\x56\xe0" + bytes((len(body),)) + body
    if is_loas(data):
        with contextlib.suppress(ValueError):
            assert LoasReader().adts(data)[:2] == b"\xff\xf1"
