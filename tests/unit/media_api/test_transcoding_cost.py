"""What a ladder is expected to take."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_api.transcoder import TranscoderSpec
from media_api.transcoding_cost import ENCODE_CPU, NOTHING, transcoding_cost

LADDER: dict[str, Any] = {
    "video": [
        {"bitrate": 2_000_000, "size": {"width": -1, "height": 720}},
        {"bitrate": 900_000, "size": {"width": 854, "height": 480}},
        {"bitrate": "copy"},
    ],
    "audio": {"bitrate": 128_000},
}


@pytest.mark.parametrize(
    "spec", [None, {}, {"video": [{"bitrate": "copy"}], "audio": {"bitrate": "copy"}}, {"video": 1}]
)
def test_what_is_not_encoded_costs_nothing(spec: Any) -> None:
    assert transcoding_cost(spec) == NOTHING


def test_a_ladder_costs_what_was_measured() -> None:
    """720p25: decoding, x264 veryfast of two renditions and of one sound."""
    cost = transcoding_cost(LADDER, (1280, 720, 25.0))
    assert cost.cpu == pytest.approx(0.8, abs=0.1)
    assert cost.gpu == 0
    assert 150 << 20 < cost.memory_bytes < 400 << 20


def test_a_model_costs_what_its_document_does() -> None:
    for hardware in ("cpu", "nvenc", "auto"):
        document = {**LADDER, "global": {"hw": hardware}, "decoder": {"deinterlace": True}}
        assert transcoding_cost(TranscoderSpec.model_validate(document)) == transcoding_cost(
            document
        )


def test_a_card_takes_the_work_from_the_processor() -> None:
    by_cpu = transcoding_cost(LADDER)
    by_card = transcoding_cost({**LADDER, "global": {"hw": "nvenc"}})
    assert by_card.cpu < by_cpu.cpu / 3
    assert 0 < by_card.gpu < 0.2
    assert transcoding_cost({**LADDER, "global": {"hw": "auto"}}) == by_cpu
    assert (by_cpu.sessions, by_cpu.gpu_memory_bytes) == (0, 0)
    assert by_card.sessions == 2
    assert 500 << 20 < by_card.gpu_memory_bytes < 800 << 20


def test_a_flat_list_of_tracks_is_the_same_ladder() -> None:
    flat = [{"content": "video", **one} for one in LADDER["video"]]
    flat.append({"content": "audio", **LADDER["audio"]})
    assert transcoding_cost({"tracks": flat}) == transcoding_cost(LADDER)


@given(
    st.sampled_from(sorted(ENCODE_CPU)),
    st.integers(2, 4000),
    st.integers(2, 4000),
    st.floats(1, 120),
)
def test_more_pixels_slower_presets_and_more_tracks_cost_more(
    codec: str, width: int, height: int, fps: float
) -> None:
    def cpu(preset: str, factor: int = 1, times: int = 1) -> float:
        size = {"width": width * factor, "height": height}
        video = {"codec": codec, "preset": preset, "size": size, "fps": fps, "bitrate": 1000}
        return transcoding_cost({"video": [video] * times}).cpu

    costs = [cpu(preset) for preset in ("ultrafast", "veryfast", "fast", "medium", "slow")]
    assert costs == sorted(costs)
    assert cpu("fast", factor=2) >= cpu("fast")
    assert cpu("fast", times=2) >= cpu("fast")
