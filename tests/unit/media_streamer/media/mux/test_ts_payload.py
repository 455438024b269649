"""ADTS headers and Opus control headers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.media.frame import Frame, Track
from media_streamer.media.mux.ts_payload import OpusPayload, adts_fields, payload, payload_of


@pytest.mark.parametrize(
    ("config", "fields"),
    [
        ("1190", (1, 3, 2)),  # LC 48 kHz stereo
        ("11b0", (1, 3, 6)),  # LC 48 kHz 5.1
        ("1388", (1, 7, 1)),  # LC 22.05 kHz mono
        ("2b920800", (1, 7, 2)),  # HE-AAC, core LC 22.05 kHz
        ("17802ee010", (1, 6, 2)),  # explicit 24000 Hz
    ],
)
def test_adts_fields(config: str, fields: tuple[int, int, int]) -> None:
    assert adts_fields(bytes.fromhex(config)) == fields


def test_what_adts_cannot_say_is_refused() -> None:
    with pytest.raises(ValueError, match="object type"):
        adts_fields(bytes.fromhex("f94600"))
    with pytest.raises(ValueError, match="av1"):
        payload_of(Track(0, "v1", "video", "av1", b"", ""))


@given(st.integers(0, 1300))
def test_opus_control_header(size: int) -> None:
    header, data = payload(OpusPayload(), Frame(0, 0, 0, 960, True, bytes(size)))
    assert header[:2] == b"\x7f\xe0"
    assert sum(header[2:]) == size == len(data)
    assert all(byte == 255 for byte in header[2:-1])
    assert header[-1] < 255
